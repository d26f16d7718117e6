"""cxr audit and filter --agree: what other labelers say of our labels and of mined evidence."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import Cli
from tests.judge_world import verdict, verdicts
from tests.mimic_corpus import LABELS, NEGBIO_CSV, Study, write_csv, write_mimic
from tests.scripted_server import Act, ScriptedServer

WARD = tuple(
    Study(
        10000100 + number,
        50000100 + number,
        "21800506",
        "213014.531",
        "There is a small left pleural effusion. No pneumothorax. The heart is enlarged.",
        "Small left pleural effusion.",
        {"Pleural Effusion": "1.0", "Pneumothorax": "0.0", "Cardiomegaly": "1.0"},
    )
    for number in range(4)
)
"""By all labelers alike, but for negbio, which denies the effusions of the first two."""


@pytest.fixture
def store(cxr: Cli, tmp_path: Path, db: Path) -> Path:
    """A ward that three labelers labeled, asked about, mined and scored."""
    folder = write_mimic(tmp_path / "mimic", WARD)
    rows = []
    for number, study in enumerate(WARD):
        said = {**study.labels, "Pleural Effusion": "0.0" if number < 2 else "1.0"}
        rows.append((study.subject, study.study, *(said.get(name, "") for name in LABELS)))
    write_csv(folder / NEGBIO_CSV, ("subject_id", "study_id", *LABELS), rows)
    for step in (
        ("ingest", "mimic-cxr", folder, "--label"),
        ("ask", "--balance", "none", "--min-positives", "1"),
        ("mine",),
        ("score",),
    ):
        done = cxr(*step)
        assert done.returncode in {0, 4}, done.stderr
    return db


def _cells(out: str, first: str) -> list[str]:
    (line,) = [line for line in out.splitlines() if line.startswith(f"│ {first} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_other_labelers_are_set_against_ours_by_finding(cxr: Cli, store: Path) -> None:
    done = cxr("audit", "--labelers", "negbio")
    assert done.returncode == 0, done.stderr
    assert "Ours against negbio" in done.stdout
    assert "chexpert" not in done.stdout
    effusion = _cells(done.stdout, "Pleural Effusion")
    assert effusion[:3] == ["Pleural Effusion", "4", "0.500"]
    assert effusion[-3:] == ["2", "0", "2"]  # present by us alone, by them alone, and these denied by them
    assert _cells(done.stdout, "Pneumothorax")[2] == "1.000"
    (differs,) = [line for line in done.stdout.splitlines() if "│ negbio " in line and "Effusion" in line]
    assert [cell.strip() for cell in differs.strip("│").split("│")] == ["negbio", "Pleural Effusion", "1", "0", "2"]
    assert "Small left" not in done.stdout
    everybody = cxr("audit").stdout
    assert "Ours against chexpert" in everybody
    assert "Ours against negbio" in everybody


def test_what_is_drawn_to_be_read_holds_text_on_request_only(cxr: Cli, store: Path, tmp_path: Path) -> None:
    drawn = cxr("audit", "-o", "read.jsonl", "--sample", "6", "--labelers", "negbio")
    assert drawn.returncode == 0, drawn.stderr
    assert "disagreements and 3 chains to read written to read.jsonl" in drawn.stderr
    assert "credentialed" not in drawn.stderr
    lines = [json.loads(line) for line in (tmp_path / "read.jsonl").read_text().splitlines()]
    assert "effusion. No" not in (tmp_path / "read.jsonl").read_text()
    assert {line["kind"] for line in lines} == {"disagreement", "chain"}
    first = lines[0]
    assert (first["finding"], first["labeler"], first["ours"], first["theirs"]) == (
        "Pleural Effusion",
        "negbio",
        "1",
        "0",
    )
    again = cxr("audit", "-o", "again.jsonl", "--sample", "6", "--labelers", "negbio")
    assert again.returncode == 0
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "read.jsonl").read_text()
    told = cxr("audit", "-o", "told.jsonl", "--sample", "6", "--with-text")
    assert "5 of them hold credentialed text: told.jsonl may be shared only under its licence" in told.stderr
    lines = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert all("small left pleural effusion" in line["report"] for line in lines)
    assert all(line["reasoning"] for line in lines if line["kind"] == "chain")


def test_a_judge_says_whom_the_report_bears_out(cxr: Cli, store: Path, tmp_path: Path) -> None:
    def script(request: dict[str, Any]) -> Act:
        return verdicts(verdict(1, "supported", "small left pleural effusion"))

    def drawn(*options: str) -> tuple[str, set[tuple[str, str]]]:
        done = cxr("audit", "--labelers", "negbio", "-o", "read.jsonl", *options)
        assert done.returncode == 0, done.stderr
        lines = map(json.loads, (tmp_path / "read.jsonl").read_text().splitlines())
        return done.stderr, {(one["judged"], one["decided_by"]) for one in lines if one["kind"] == "disagreement"}

    assert drawn("--judge", "rules")[1] == {("ours", "rules")}
    with ScriptedServer(script) as server:
        asking = ("--judge", "cascade", "--judge-model", "m", "--base-url", server.url)
        assert drawn(*asking)[1] == {("ours", "rules")}
        assert server.received == 0
        said, by = drawn(*asking, "--sure", "1")
        assert by == {("ours", "its second judge")}
        assert "2 of 2 findings (100.0%) were less sure than 1 and asked of m" in said
    refused = cxr("audit", "--judge", "rules")
    assert (refused.returncode, "name a file with -o" in refused.stderr) == (2, True)


def test_filter_keeps_chains_that_no_other_labeler_contradicts(cxr: Cli, store: Path, tmp_path: Path) -> None:
    assert cxr("filter", "-o", "all.jsonl").returncode == 0
    done = cxr("filter", "-o", "agreed.jsonl", "--agree", "chexpert,negbio")
    assert done.returncode == 0, done.stderr
    chains = {
        name: [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("all", "agreed")
    }
    denied = {f"mimic-cxr/s{study.study}" for study in WARD[:2]}
    expected = [
        chain["chain_id"]
        for chain in chains["all"]
        if chain["study_id"] not in denied or all(piece["finding"] != "Pleural Effusion" for piece in chain["evidence"])
    ]
    assert [chain["chain_id"] for chain in chains["agreed"]] == expected
    lost = len(chains["all"]) - len(expected)
    assert lost
    assert f"{lost} factual chains were left out, whose evidence chexpert or negbio contradicts" in done.stderr


def test_a_labeler_that_cannot_be_asked_is_refused_in_one_sentence(cxr: Cli, store: Path) -> None:
    for words, said in (
        (("filter", "--agree", "rules"), "is our own reader, which mined them"),
        (("filter", "--agree", "chexprt"), "did you mean 'chexpert'?"),
        (("audit", "--labelers", "rules"), "is our own reader"),
        (("audit", "--labelers", "negbia"), "did you mean 'negbio'?"),
    ):
        done = cxr(*words)
        assert done.returncode == 2, words
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_where_nobody_else_labeled_there_is_nothing_to_audit(
    cxr: Cli, ingested: Path, tmp_path: Path, db: Path
) -> None:
    db.write_bytes(ingested.read_bytes())
    done = cxr("audit")
    assert done.returncode == 2
    assert "no study has labels by us and by somebody else" in done.stderr


def test_a_mean_factuality_says_who_shares_its_reader(cxr: Cli, store: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        asked_by = connection.execute("select distinct labeler from questions").fetchall()
        pieces, agreed = connection.execute(
            "select count(*), "
            "count(*) filter (where finding <> 'Pleural Effusion' or right(study_id, 1) in ('2', '3')) "
            "from (select study_id, unnest(evidence).finding as finding from newest_chains) "
            "where finding in ('Pleural Effusion', 'Pneumothorax', 'Cardiomegaly')"
        ).fetchall()[0]
    assert asked_by == [("chexpert",)]  # whose answers the questions have: negbio alone is independent
    figure = f"{agreed} of {pieces} pieces of evidence ({100 * agreed / pieces:.1f} %) are contradicted by no other"
    for command in (("status",), ("audit",)):
        said = cxr(*command).stderr
        assert "the rules engine and the rules judge share one reader" in said
        assert f"{figure} labeler (negbio)" in said
    assert cxr("report", "-o", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert "share one reader" in page
    assert figure in page
    rescored = cxr("score")
    assert "share one reader" in rescored.stderr
