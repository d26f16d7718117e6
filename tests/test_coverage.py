"""A report that was not read whole is known: it shows no No Finding, and its silence is no absence."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from cxr.miner.language.coverage import coverage, is_ordinary
from cxr.miner.language.labeler import label
from tests.conftest import ROOT, Cli

UNREAD = [
    ("The lungs are clear. There is a small glimmerule at the left base.", ["glimmerule"]),
    ("Heart size is normal. Bilateral vorpal spindles with mild traction.", ["vorpal spindle", "traction"]),
    ("The left lung is frumious. The heart is normal.", ["frumious"]),
    ("No effusion. Glimmerules are seen in both lungs.", ["glimmerule"]),
    ("Heart normal. Lungs clear. GLIMMERULE RIGHT APEX.", ["glimmerule"]),
    ("Clear lungs, normal heart, tulgey structure in the left lung.", ["tulgey"]),
]
READ = [
    "The lungs are clear. No glimmerule is seen.",  # denied: silence on it hides nothing
    "A small left effusion, possibly a mimsy process.",  # hedged: it explains what was read
    "Mimsy consolidation in the right lower lobe.",  # it says more of a finding that was read
    "INDICATION: Glimmerule. FINDINGS: The lungs are clear.",  # no part of the reading
    "Lungs are clear. Recommend a glimmerule study.",  # advice
    "Status post glimmerulectomy. Lungs are clear. Heart is normal.",  # what was done
    "Lungs are clear, as compared with the film of last Tuesday at 12:30.",
    "The cardiac silhouette is stopped down by technique. The lungs are clear.",
    "The lungs are clear, as on glimmerule17 and tulgey3.",  # codes
    "Tubes and lines: None. Lungs: clear.",
    "The lungs are clear. A glimmerule in the abdomen.",  # no finding there has a label
    "Endotracheal tube with its mimsy cuff 4 cm above the carina. The lungs are clear.",  # one more word of a device
    "FINDINGS: nan IMPRESSION: No effusion.",  # what programs write for an empty column
    "FINDINGS: NULL IMPRESSION: No effusion.",
]


@pytest.mark.parametrize(("report", "phrases"), UNREAD)
def test_what_could_be_a_finding_and_is_in_no_lexicon_is_named(report: str, phrases: list[str]) -> None:
    found = coverage(report)
    assert [each.phrase for each in found.unread if each.asserted] == phrases
    assert not found.understood
    assert found.share < 1
    assert all(report[each.start : each.end].lower().startswith(each.phrase[:5]) for each in found.unread)
    assert label(report)["No Finding"] is None


@pytest.mark.parametrize("report", READ)
def test_what_is_no_finding_leaves_a_report_understood(report: str) -> None:
    assert coverage(report).understood, coverage(report)
    assert coverage(report).share == 1


def test_one_strange_word_in_a_long_report_that_was_read_is_forgiven() -> None:
    short = "The lungs are clear. A glimmerule is seen."
    long = (
        "Small left effusion. Mild cardiomegaly. No pneumothorax. No consolidation. No edema. Old rib fractures. "
        "Right PICC. Atelectasis at the right base. Calcified granuloma. Tortuous aorta. Mild scoliosis. "
    )
    assert not coverage(short).understood
    assert coverage(long + "A glimmerule is seen.").understood


@pytest.mark.parametrize("report", ["", "nan", "FINDINGS: As above.", "\x00\x01", "???", "x" * 10_000])
def test_a_report_that_says_nothing_is_not_understood(report: str) -> None:
    assert not coverage(report).understood
    assert coverage(report).share == 0


def test_ordinary_words_are_known_in_every_form() -> None:
    for word in ("stopped", "measuring", "largely", "obscurest", "patient's", "identified", "42", "xxxx", "q"):
        assert is_ordinary(word), word
    for word in ("glimmerule", "tulgey", "fluid", "air", "shadow"):
        assert not is_ordinary(word), word


REPORTS = {
    "strange": "FINDINGS: The lungs are clear. There is a glimmerule at the left base. Small right effusion. "
    "No pneumothorax.",
    "plain": "FINDINGS: The lungs are clear. Small right effusion. The heart is normal.",
}


def ward(folder: Path, reports: dict[str, str] = REPORTS) -> None:
    rows = "".join(f'{name},"{text}"\n' for name, text in reports.items())
    (folder / "ward.csv").write_text("study,report\n" + rows)


def _query(db: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def _ingest(cxr: Cli) -> None:
    done = cxr("ingest", "csv", "ward.csv", "--map", "study_id=study", "--map", "report=report", "--name", "ward")
    assert done.returncode == 0, done.stderr


def test_the_store_knows_how_much_of_each_report_was_read(cxr: Cli, tmp_path: Path, db: Path) -> None:
    ward(tmp_path)
    _ingest(cxr)
    found = _query(
        db, "select study_id, understood, list_transform(unread, lambda u: u.phrase) from coverage order by 1"
    )
    assert found == [("ward/plain", True, []), ("ward/strange", False, ["glimmerule"])]
    ward(tmp_path, REPORTS | {"strange": REPORTS["plain"]})
    _ingest(cxr)
    assert _query(db, "select count(*), bool_and(understood) from coverage") == [(2, True)]


def test_silence_of_a_report_that_was_not_understood_answers_no_question(cxr: Cli, tmp_path: Path, db: Path) -> None:
    ward(tmp_path, REPORTS | {"other": "FINDINGS: Small right pneumothorax. The heart is enlarged."})
    _ingest(cxr)
    asked = cxr("ask", "--balance", "none")
    assert asked.returncode == 0, asked.stderr
    assert "1 studies were asked nothing that rests on silence (report_not_understood)" in asked.stderr
    found = _query(db, "select finding, value from labels where study_id = 'ward/strange'")
    labels = {row[0]: row[1] for row in found}
    negatives = _query(
        db,
        "select distinct unnest(list_filter(findings, lambda f: not list_contains(answer_findings, f))) "
        "from questions where study_id = 'ward/strange'",
    )
    assert negatives
    assert all(labels[finding] == 0 for (finding,) in negatives)
    assert not _query(db, "select 1 from questions where study_id = 'ward/strange' and task = 'anomaly'")
    assert _query(db, "select 1 from questions where study_id = 'ward/plain' and task = 'anomaly'")
    assert _query(db, "select reject_key, reason from rejects where stage = 'ask'") == [
        ("ward/strange", "report_not_understood")
    ]
    assert "report_not_understood" in cxr("status").stdout
    runs = _query(db, "select count(*) from runs")
    cxr("ask", "--balance", "none")
    assert _query(db, "select count(*) from runs") == runs
    from_reports = cxr("ask", "--balance", "none", "--source", "report")
    assert "1 studies were asked nothing that rests on silence" in from_reports.stderr
    assert not _query(db, "select 1 from questions where study_id = 'ward/strange' and labeler = 'report'")


def test_the_engine_takes_no_silence_for_absence_where_it_did_not_understand(
    cxr: Cli, tmp_path: Path, db: Path
) -> None:
    ward(tmp_path)
    _ingest(cxr)
    with duckdb.connect(str(db)) as connection:  # as a corpus whose labels are shipped, and whose reports nobody read
        connection.execute("update coverage set understood = true")
    cxr("ask", "--balance", "none")
    mined = cxr("mine")
    assert "report_not_understood" in mined.stderr
    rejected = _query(
        db,
        "select distinct study_id, message from rejects join questions on question_id = reject_key "
        "where reason = 'report_not_understood'",
    )
    assert {study for study, _ in rejected} == {"ward/strange"}
    assert not any("glimmerule" in str(message) for _, message in rejected)
    silent = "select 1 from chains, unnest(evidence) as e(piece) where study_id = $1 and piece.kind = 'inferred_normal'"
    assert not _query(db, silent.replace("$1", "'ward/strange'"))
    assert _query(db, silent.replace("$1", "'ward/plain'"))


def test_what_was_asked_of_a_study_goes_when_it_is_not_understood_any_more(cxr: Cli, tmp_path: Path, db: Path) -> None:
    ward(tmp_path)
    _ingest(cxr)
    with duckdb.connect(str(db)) as connection:  # an older reader thought that it had understood
        connection.execute("update coverage set understood = true")
        connection.execute("update labels set labeler_version = 'older'")
        connection.execute('update runs set settings = json_merge_patch(settings, \'{"settings": {"x": 1}}\')')
    cxr("ask", "--balance", "none")
    before = _query(db, "select count(*) from questions where study_id = 'ward/strange'")
    _ingest(cxr)
    cxr("ask", "--balance", "none")
    after = _query(db, "select count(*) from questions where study_id = 'ward/strange'")
    assert after < before


def test_unread_lists_phrases_with_entries_that_can_be_pasted(cxr: Cli, tmp_path: Path) -> None:
    ward(tmp_path, REPORTS | {"again": "FINDINGS: Large glimmerules in the left lung. The heart is normal."})
    _ingest(cxr)
    listed = cxr("unread")
    assert listed.returncode == 0, listed.stderr
    assert "1 of 3 reports were understood" in listed.stderr
    assert "│ glimmerule │" in listed.stdout
    assert 'phrases = ["glimmerule"]' in listed.stdout
    assert "Small right effusion" not in listed.stdout
    assert "no phrase" in cxr("unread", "--min-count", "3").stderr
    written = cxr("unread", "-o", "grown.toml", "--limit", "1")
    assert "1 phrases written to grown.toml" in written.stderr
    assert "may be shared only under their licence" in written.stderr  # the ward's own reports are credentialed
    shutil.copytree(ROOT / "miner/pack/chest_xray", tmp_path / "grown")
    with (tmp_path / "grown/lexicon/findings_lungs.toml").open("a") as file:
        file.write("\n" + (tmp_path / "grown.toml").read_text())
    done = cxr(
        *("ingest", "csv", "ward.csv", "--map", "study_id=study", "--map", "report=report", "--name", "ward"),
        CXR_PACK="grown",
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 3 reports were understood" in cxr("unread", CXR_PACK="grown").stderr


def test_labels_of_a_file_say_how_much_was_read(cxr: Cli, tmp_path: Path) -> None:
    lines = [json.dumps({"id": name, "report": text}) for name, text in REPORTS.items()]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    assert cxr("label", "in.jsonl", "-o", "out.jsonl").returncode == 0
    read = {line["id"]: line["read"] for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    assert read["plain"] == {"share": 1.0, "understood": True}
    assert not read["strange"]["understood"]
    assert 0 < read["strange"]["share"] < 0.9


@pytest.mark.parametrize("unit", ["glimmerule ", "The left lung is frumious, ", "no glimmerule and ", "(", "x: "])
def test_coverage_takes_time_in_proportion_to_the_text(unit: str) -> None:
    assert coverage(unit * 20_000).share == 0  # would not end if it were quadratic
