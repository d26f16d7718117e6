"""Which columns of an own CSV are which fields: by their names, by a mapping, by the command line, or not at all."""

from pathlib import Path

import pytest

from cxr.miner.ingest.csv.mapping import csv_settings, field_named
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.schemas.vocabulary import Licence
from tests.conftest import Cli
from tests.trees import MAPPING, own_row, write_own


def test_columns_named_like_a_field_need_no_mapping(tmp_path: Path) -> None:
    cells = {"Study ID": "7", "PATIENT_ID": "p", "Findings": "Clear.", "Pleural Effusion": "0", "edema": "1.0"}
    own = read_csv_corpus(write_own(tmp_path / "in.csv", cells), {}, "ward")
    assert own.studies["study_id"].to_list() == ["ward/7"]
    assert own.labels[0].frame.to_dicts() == [{"study_id": "ward/7", "Edema": 1, "Pleural Effusion": 0}]


@pytest.mark.parametrize(
    ("header", "mapping", "message"),
    [
        ("accession,text", {"report": "text"}, "has no column study_id .*--map study_id=COLUMN"),
        ("accession,text", {"study_id": "accession"}, "has no report, findings, impression or label column"),
        ("accession,text", {"study_id": "uid", "report": "text"}, r"has no column uid \(found: accession, text\)"),
        ("", {}, "is empty; expected a CSV of reports"),
        ("study_id,report,report", {}, "has several columns named 'report'"),
        ("uid,text,text", {"study_id": "uid", "report": "text"}, "has several columns named 'text'"),
        ("study_id,Study ID,report", {}, r"two columns for study_id, 'study_id' and 'Study ID'; choose with --map"),
        ("study_id;report", {}, "has one column, with ';' in its name; expected commas between columns"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    tmp_path: Path, header: str, mapping: dict[str, str], message: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(header and header + "\n1,words\n", "utf-8")
    with pytest.raises(InputError, match=message):
        read_csv_corpus(path, mapping, "ward")


@pytest.mark.parametrize("name", ["mimic-cxr", "Ward 7", "", "../x", "a/b"])
def test_names_of_known_corpora_and_odd_ones_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="ingest csv: --name"):
        read_csv_corpus(write_own(tmp_path / "in.csv", own_row()), MAPPING, name)


def test_a_twin_that_is_not_read_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("study_id,note,note,report,Report\n1,a,b,FINDINGS: Clear.,Other\n", "utf-8")
    assert read_csv_corpus(path, {"report": "report"}, "ward").reports["text"].to_list() == ["FINDINGS: Clear."]


@pytest.mark.parametrize(
    ("word", "field"),
    [("study_id", "study_id"), ("Study ID", "study_id"), ("pleural_effusion", "Pleural Effusion"), ("heart", None)],
)
def test_fields_and_findings_go_by_any_spelling(word: str, field: str | None) -> None:
    assert field_named(word) == field


def test_the_command_line_overrules_the_file(tmp_path: Path) -> None:
    toml = tmp_path / "ward.toml"
    toml.write_text('name = "ward"\nlicence = "public"\n[columns]\nreport = "old"\n"edema" = "e"\n', "utf-8")
    settings = csv_settings(toml, ["report=new"], licence="credentialed", name=None)
    assert (settings.name, settings.licence) == ("ward", Licence.CREDENTIALED)
    assert settings.columns == {"report": "new", "Edema": "e"}


@pytest.mark.parametrize(
    ("pairs", "given", "message"),
    [
        (["report"], {"name": "w"}, "is no pair; expected FIELD=COLUMN"),
        (["heart=x"], {"name": "w"}, "there is no field 'heart'"),
        (["report=a", "Report=b"], {"name": "w"}, "two columns for report, 'a' and 'b'"),
        ([], {}, "ingest csv: name"),
        ([], {"name": "w", "licence": "secret"}, "ingest csv: licence"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(pairs: list[str], given: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        csv_settings(None, pairs, **given)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["in.csv"], 2, "ingest csv: name"),
        (["in.csv", "--name", "ward", "--map", "report"], 2, "is no pair"),
        (["in.csv", "--name", "ward", "--licence", "secret"], 2, "ingest csv: licence"),
        (["nowhere.csv", "--name", "ward"], 1, "nowhere.csv is no file"),
        (["in.csv", "--name", "ward"], 1, "has no column study_id"),
    ],
)
def test_wrong_usage_gives_one_sentence_and_leaves_no_store(
    cxr: Cli, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    write_own(tmp_path / "in.csv", own_row())
    result = cxr("ingest", "csv", *arguments)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "cxr.duckdb").exists()
