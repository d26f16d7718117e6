"""A corpus is one file and one line: what is declared once is what commands, stores and cards say."""

import os
import re
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from cxr.cli import app
from cxr.miner.ingest.registry import CORPORA, about
from cxr.miner.kit.errors import PackError
from cxr.miner.pack import corpora as facts
from cxr.miner.pack import load_pack, pack
from cxr.miner.pack.corpora import corpora
from tests.conftest import ROOT, Cli
from tests.corpora import INVENTED

WARD = '''
"""Notes of an invented ward: a file with a report a line."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from cxr.miner.ingest.corpus import REPORTS, STUDIES, Count, Ingested, Reader, Reject, conform, rejects_frame, split_of
from cxr.miner.ingest.read.files import source_file
from cxr.miner.ingest.read.members import report_table
from cxr.miner.pack.corpora import Corpus
from cxr.schemas.vocabulary import RejectReason

WARD = Corpus(slug="ward", title="Notes of a ward", licence="public", published={"studies": 12})


def read_ward(
    path: Annotated[Path, typer.Argument(help="The file of notes.")],
    *,
    upper: Annotated[bool, typer.Option("--upper", help="Read them in capitals.")] = False,
) -> Ingested:
    """Read the notes of a ward."""
    lines = path.read_text("utf-8").splitlines()
    named = [(f"ward/{number}", line.upper() if upper else line) for number, line in enumerate(lines, 1) if line]
    empty = [number for number, line in enumerate(lines, 1) if not line]
    studies = pl.DataFrame([(study,) for study, _ in named], schema=["study_id"], orient="row").with_columns(
        pl.lit("ward").alias("corpus"),
        pl.col("study_id").alias("patient_id"),
        pl.col("study_id").map_elements(split_of, return_dtype=pl.String).alias("split"),
        pl.lit(WARD.licence.value).alias("licence"),
    )
    return Ingested(
        WARD,
        "lines",
        conform(studies, STUDIES),
        reports=conform(pl.DataFrame(report_table(named)), REPORTS),
        rejects=rejects_frame(Reject(f"{path.name}:{row}", RejectReason.NO_REPORT, "an empty line") for row in empty),
        sources=(source_file(path, path.parent),),
        counts=(Count("studies", len(named), WARD.published["studies"]),),
        settings={"upper": upper},
    )


CORPUS = Reader(WARD, read_ward)
'''


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of somebody else's: its file of notes, and beside it the module that reads it."""
    (tmp_path / "ward_notes.py").write_text(WARD, "utf-8")
    notes = [f"FINDINGS: {findings} IMPRESSION: {impression}" for findings, impression in INVENTED]
    (tmp_path / "notes.txt").write_text("\n".join([*notes[:3], "", *notes[3:]]), "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "notes.txt"


def test_a_corpus_in_one_file_goes_from_ingest_to_chains(cxr: Cli, ward: Path) -> None:
    done = cxr("ingest", "ward_notes:CORPUS", ward)
    assert done.returncode == 4, done.stderr
    assert "ward (lines layout): 12 new studies, 0 changed, 0 unchanged, 12 reports labeled" in done.stderr
    assert "1 rows rejected: 1 no_report" in done.stderr
    assert "nothing to do" in cxr("ingest", "ward_notes:CORPUS", ward).stderr
    assert cxr("ask", "--balance", "none", "--min-positives", "1").returncode == 0
    assert cxr("mine").returncode in {0, 4}
    counted = cxr(
        "sql",
        "--format",
        "csv",
        "select corpus, count(*) > 10 as ten from chains join studies using (study_id) group by 1",
    )
    assert counted.stdout.split() == ["corpus,ten", "ward,True"]


def test_the_parameters_of_a_reader_are_the_options_of_its_command(cxr: Cli, ward: Path) -> None:
    said = cxr("ingest", "ward_notes:CORPUS", "--help").stdout
    for words in ("Read the notes of a ward.", "The file of notes.", "--upper", "in capitals", "--dry-run", "--db"):
        assert words in said, words


def test_what_a_corpus_declares_is_what_a_run_says(ward: Path) -> None:
    runner = CliRunner()
    db = ward.parent / "ward.duckdb"
    dry = runner.invoke(app, ["ingest", "ward_notes:CORPUS", str(ward), "--dry-run", "--db", str(db)])
    assert "Notes of a ward: lines layout, licence public" in dry.stdout
    assert not db.exists()
    done = runner.invoke(app, ["ingest", "ward_notes:CORPUS", str(ward), "--upper", "--db", str(db)])
    assert done.exit_code == 4, done.output
    with duckdb.connect(str(db), read_only=True) as connection:
        said = (
            "select count(*) filter (text = upper(text)), any_value(licence) from reports join studies using (study_id)"
        )
        assert connection.execute(said).fetchall() == [(12, "public")]
        assert connection.execute("select counts[1].published from corpora").fetchall() == [(12,)]


def test_a_line_in_the_registry_makes_a_command_by_its_name(ward: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA._ours, "ward", "ward_notes:CORPUS")
    runner = CliRunner()
    assert "Read the notes of a ward." in runner.invoke(app, ["ingest", "--help"]).stdout
    done = runner.invoke(app, ["ingest", "ward", str(ward), "--db", str(ward.parent / "own.duckdb")])
    assert done.exit_code == 4, done.output
    assert "12 new studies" in done.output


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:CORPUS", "the corpus 'nowhere:CORPUS' cannot be loaded: there is no module nowhere"),
        ("ward_notes:OTHER", "ward_notes has no OTHER"),
        ("ward_notes:WARD", "is no Reader"),
        ("radiopaedia", "unknown dataset 'radiopaedia'; expected one of openi, mimic-cxr"),
    ],
)
def test_a_corpus_that_cannot_be_loaded_is_one_sentence(cxr: Cli, ward: Path, name: str, said: str) -> None:
    done = cxr("ingest", name, ward)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_corpus_of_the_docs_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```python\n# ward\.py\n(.*?)```", (ROOT / "docs/corpora.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "ward.py").write_text(found[1], "utf-8")
    (tmp_path / "notes.txt").write_text("FINDINGS: Clear.\nIMPRESSION: Normal.\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    db = tmp_path / "docs.duckdb"
    done = CliRunner().invoke(app, ["ingest", "ward:CORPUS", str(tmp_path / "notes.txt"), "--db", str(db)])
    assert done.exit_code == 0, done.output
    assert "2 new studies" in done.output


@pytest.mark.parametrize("name", CORPORA.names)
def test_what_is_known_of_a_corpus_stands_once(name: str) -> None:
    reader = CORPORA.open(name)
    assert reader.corpus is corpora()[name]
    assert reader.about == about(name)
    assert reader.about


def test_facts_that_do_not_fit_are_said_with_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    (other / "corpora").mkdir(parents=True)
    for file in ("pack.toml", "questions.toml", "wording.toml"):
        (other / file).write_bytes((ROOT / "miner/pack/chest_xray" / file).read_bytes())
    with (other / "pack.toml").open("a", encoding="utf-8") as about_it:
        about_it.write('\nbased_on = "chest_xray"\n')
    monkeypatch.setattr(facts, "pack", lambda: load_pack(str(other)))
    for content, said in (
        ("licence = 'public'", "corpora/x.toml: title"),
        ("title = 'X'\nlicence = 'secret'", "corpora/x.toml: licence"),
        ("title = 'X'\nlicence = 'public'\n[labels]\nx = 'Dragon'", "Dragon is no label of the pack"),
    ):
        (other / "corpora" / "x.toml").write_text(content, "utf-8")
        with pytest.raises(PackError, match=re.escape(said)):
            facts.corpora.__wrapped__()


def test_no_reader_names_a_finding_a_place_or_the_examination() -> None:
    words = [*pack().label_names, pack().about.title, "lobe"]
    any_of = "|".join(re.escape(word).replace(r"\ ", "[ _-]") for word in words)
    forbidden = re.compile(f"(?<![a-z])(?:{any_of})(?![a-z])", re.IGNORECASE)
    files = [*(ROOT / "miner/ingest").rglob("*.py"), ROOT / "miner/commands/ingest.py", ROOT / "miner/pack/corpora.py"]
    said = {f"{file.name}: {found[0]}" for file in files for found in forbidden.finditer(file.read_text("utf-8"))}
    assert said == set()
