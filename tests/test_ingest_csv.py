"""Own reports from a CSV: mappings, what is made of each column, bad input, up to mined chains."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from cxr.miner.ingest.corpus import Ingested
from cxr.miner.ingest.csv.mapping import csv_settings, field_named
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.schemas.vocabulary import Licence
from tests.conftest import Cli
from tests.corpora import INVENTED

DEMO = Path(__file__).resolve().parent.parent / "miner/demo/reports.csv"
MAPPING = {"study_id": "accession", "patient_id": "mrn", "report": "text"}

Row = Mapping[str, str]


def write(path: Path, *rows: Row) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def row(accession: str = "a1", **cells: str) -> Row:
    return {"accession": accession, "mrn": "p1", "text": "FINDINGS: Clear.\nIMPRESSION: Normal.", **cells}


def read(path: Path, **more: str) -> Ingested:
    return read_csv_corpus(path, {**MAPPING, **more}, "ward")


def reasons(ingested: Ingested) -> dict[str, str]:
    return dict(ingested.rejects.select("reject_key", "reason").iter_rows())


# --- what is read ----------------------------------------------------------------------------------------------


def test_the_demo_corpus_comes_in_by_its_section_columns() -> None:
    demo = read_csv_corpus(DEMO, {"study_id": "uid"}, "demo", Licence.PUBLIC)
    assert demo.studies.height == demo.reports.height == 42
    assert demo.rejects.is_empty()
    first = demo.reports.row(0, named=True)
    assert first["study_id"] == "demo/1"
    assert first["text"].startswith("INDICATION: Fever and cough.\nCOMPARISON: None.\nFINDINGS: Heart size is normal.")
    for section in first["sections"]:
        assert first["text"][section["start"] : section["end"]] == first[section["name"]]
    assert set(demo.studies["licence"]) == {"public"}


def test_a_raw_report_is_kept_as_written_with_its_sections_found(tmp_path: Path) -> None:
    found = read(write(tmp_path / "in.csv", row())).reports.row(0, named=True)
    assert found["text"] == "FINDINGS: Clear.\nIMPRESSION: Normal."
    assert (found["findings"], found["impression"]) == ("Clear.", "Normal.")
    assert [(s["name"], s["start"], s["end"]) for s in found["sections"]] == [
        ("findings", 10, 16),
        ("impression", 29, 36),
    ]


def test_columns_named_like_a_field_need_no_mapping(tmp_path: Path) -> None:
    cells = {"Study ID": "7", "PATIENT_ID": "p", "Findings": "Clear.", "Pleural Effusion": "0", "edema": "1.0"}
    own = read_csv_corpus(write(tmp_path / "in.csv", cells), {}, "ward")
    assert own.studies["study_id"].to_list() == ["ward/7"]
    assert own.labels[0].frame.to_dicts() == [{"study_id": "ward/7", "Edema": 1, "Pleural Effusion": 0}]


def test_own_reports_are_private_unless_said_otherwise(tmp_path: Path) -> None:
    assert set(read(write(tmp_path / "in.csv", row())).studies["licence"]) == {"credentialed"}


def test_studies_of_a_patient_are_in_order_of_their_dates_and_a_date_is_no_midnight(tmp_path: Path) -> None:
    rows = [row("b", when="2020-03-01 07:30"), row("a", when="2020-02-01"), row("c", when="2020-03-01T08:00:00")]
    studies = read(write(tmp_path / "in.csv", *rows), study_datetime="when").studies
    assert studies.select("source_id", "study_order", "study_datetime", "study_date").rows() == [
        ("b", 2, datetime(2020, 3, 1, 7, 30), date(2020, 3, 1)),  # noqa: DTZ001 - clinics write local time
        ("a", 1, None, date(2020, 2, 1)),
        ("c", 3, datetime(2020, 3, 1, 8), date(2020, 3, 1)),  # noqa: DTZ001
    ]


@pytest.mark.parametrize("cell", ["2020-03-01T07:30:00Z", "2020-03-01T07:30:00.000+01:00", "2020-03-01 07:30:00-0500"])
def test_the_local_time_of_day_counts(tmp_path: Path, cell: str) -> None:
    studies = read(write(tmp_path / "in.csv", row(when=cell)), study_datetime="when").studies
    assert studies["study_datetime"].to_list() == [datetime(2020, 3, 1, 7, 30)]  # noqa: DTZ001


def test_other_date_formats_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", row(when="04.03.2020"))
    own = read_csv_corpus(path, {**MAPPING, "study_datetime": "when"}, "ward", date_format="%d.%m.%Y")
    assert own.studies.row(0, named=True)["study_date"] == date(2020, 3, 4)


@pytest.mark.parametrize(
    ("cell", "years"), [("61", 61.0), ("061Y", 61.0), ("0.5", 0.5), ("", None), ("131", None), ("old", None)]
)
def test_ages_are_years(tmp_path: Path, cell: str, years: float | None) -> None:
    assert read(write(tmp_path / "in.csv", row(age=cell))).studies.row(0, named=True)["age"] == years


@pytest.mark.parametrize(
    ("cell", "split"), [("train", "train"), ("VAL", "validate"), ("dev", "validate"), ("Testing", "test")]
)
def test_splits_go_by_their_usual_names(tmp_path: Path, cell: str, split: str) -> None:
    assert read(write(tmp_path / "in.csv", row(split=cell))).studies["split"].to_list() == [split]


def test_without_a_split_all_studies_of_a_patient_fall_on_one_side(tmp_path: Path) -> None:
    rows = [row(f"{patient}-{study}", mrn=f"p{patient}") for patient in range(60) for study in range(3)]
    studies = read(write(tmp_path / "in.csv", *rows)).studies
    assert studies.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(studies["split"]) == {"train", "validate", "test"}


@pytest.mark.parametrize(
    ("cell", "paths"),
    [
        ("a.png", ["a.png"]),
        ("x/a.png; x/b.png", ["x/a.png", "x/b.png"]),
        ("a.png|b.png", ["a.png", "b.png"]),
        ("['a.png', 'b.png']", ["a.png", "b.png"]),
        ('["a.png", "b.png"]', ["a.png", "b.png"]),
        ("", []),
    ],
)
def test_a_cell_may_list_several_images(tmp_path: Path, cell: str, paths: list[str]) -> None:
    assert read(write(tmp_path / "in.csv", row(file=cell)), image="file").images["path"].to_list() == paths


def test_rows_that_differ_in_the_image_alone_are_one_study(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"")
    path = write(tmp_path / "in.csv", row(image="a.png", view="PA"), row(image="b.png", view="LATERAL"))
    own = read(path)
    assert own.studies.height == 1
    assert own.rejects.is_empty()
    assert own.images.select("image_id", "view", "view_position", "file_status").rows() == [
        ("ward/a.png", "frontal", "PA", "absent"),
        ("ward/b.png", "lateral", "LATERAL", "present"),
    ]


def test_a_study_without_text_is_kept_for_its_labels(tmp_path: Path) -> None:
    own = read(write(tmp_path / "in.csv", row(text="", Edema="1")))
    assert own.studies.height == 1
    assert own.reports.is_empty()
    assert own.rejects.is_empty()


def test_a_column_called_image_that_holds_captions_is_left_alone(tmp_path: Path) -> None:
    own = read(write(tmp_path / "in.csv", row(image="Chest, 2 views"), row("b", image="Chest, 2 views")))
    assert own.images.is_empty()
    assert own.rejects.is_empty()
    assert any("holds no names of image files" in warning for warning in own.warnings)


def test_numbers_of_ones_own_become_places_in_the_order_of_studies(tmp_path: Path) -> None:
    rows = [row("a", offset="-3"), row("b", offset="12"), row("c", offset="0"), row("d", mrn="p2", offset="7")]
    studies = read(write(tmp_path / "in.csv", *rows), study_order="offset").studies
    assert dict(studies.select("source_id", "study_order").iter_rows()) == {"a": 1, "c": 2, "b": 3, "d": 1}


@pytest.mark.parametrize(
    "cell", ["2020-03-04", "20200304", "2020/03/04", "04-MAR-2020", "March 4, 2020", "4 March 2020"]
)
def test_dates_that_say_which_number_is_the_month_are_read(tmp_path: Path, cell: str) -> None:
    own = read(write(tmp_path / "in.csv", row(when=cell)), study_datetime="when")
    assert own.studies["study_date"].to_list() == [date(2020, 3, 4)]
    assert own.studies["study_datetime"].to_list() == [None]


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "key", "reason"),
    [
        (row(""), "in.csv:3", "missing_key"),
        (row("x" * 65), "in.csv:3", "bad_value"),
        (row("../5"), "in.csv:3", "bad_value"),
        (row("/5"), "in.csv:3", "bad_value"),
        (row("a/../../5"), "in.csv:3", "bad_value"),
        (row("a\\5"), "in.csv:3", "bad_value"),
        (row("a5", mrn=".."), "a5", "bad_value"),
        (row("a1", text="Other words."), "a1", "duplicate_key"),
        (row("a2", split="somewhere"), "a2", "wrong_split"),
        (row("a2", text=""), "a2", "no_report"),
        (row("a2", study_datetime="yesterday"), "a2:study_datetime", "bad_value"),
        (row("a2", study_datetime="2020-13-01"), "a2:study_datetime", "bad_value"),
        (row("a2", age="200"), "a2:age", "bad_value"),
        (row("a2", sex="?"), "a2:sex", "bad_value"),
        (row("a2", Edema="3"), "a2:Edema", "bad_value"),
        (row("a2", image="a.png"), "a2:a.png", "duplicate_key"),
    ],
)
def test_bad_rows_and_cells_are_named_and_the_rest_is_kept(tmp_path: Path, bad: Row, key: str, reason: str) -> None:
    good = row(split="train", study_datetime="2020-01-01", age="50", sex="F", Edema="0", image="a.png")
    own = read(write(tmp_path / "in.csv", good, bad, row("z")))
    assert reasons(own) == {key: reason}
    assert {"a1", "z"} <= set(own.studies["source_id"])
    assert ("a2" in own.studies["source_id"].to_list()) is (":" in key and not key.startswith("in.csv"))


def test_a_report_in_the_id_column_never_shows_in_a_message(tmp_path: Path) -> None:
    words = "There is a moderate left pleural effusion with adjacent atelectasis, and the heart is enlarged."
    own = read_csv_corpus(write(tmp_path / "in.csv", {"text": words, "report": words}), {"study_id": "text"}, "ward")
    assert own.studies.is_empty()
    assert "effusion" not in json.dumps(own.rejects.to_dicts())


def test_an_unreadable_label_is_not_taken_as_not_mentioned(tmp_path: Path) -> None:
    own = read(write(tmp_path / "in.csv", row(Edema="yes?", Pneumonia="1"), row("b", Edema="1")))
    assert own.labels[0].frame["study_id"].to_list() == ["ward/b"]


def test_byte_order_marks_windows_line_ends_and_other_encodings(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", row(), row("b", text="Kein Erguß."))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text("utf-8").encode("latin-1").replace(b"\n", b"\r\n"))
    own = read(path)
    assert own.studies["source_id"].to_list() == ["a1"]
    assert reasons(own) == {"b": "not_utf8"}


def test_a_row_with_too_many_cells_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", row(), row("b"))
    path.write_text(path.read_text("utf-8") + "c,p1,words,more\n", "utf-8")
    own = read(path)
    assert (own.studies.height, reasons(own)) == (2, {"c": "wrong_fields"})


def test_a_patient_in_two_splits_is_warned_about(tmp_path: Path) -> None:
    own = read(write(tmp_path / "in.csv", row("a", split="train"), row("b", split="test")))
    assert any("1 patients have studies in several splits" in warning for warning in own.warnings)


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
        ("study_id;report", {}, "has one column, 'study_id;report'; expected commas between columns"),
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
        read_csv_corpus(write(tmp_path / "in.csv", row()), MAPPING, name)


def test_a_twin_that_is_not_read_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("study_id,note,note,report,Report\n1,a,b,FINDINGS: Clear.,Other\n", "utf-8")
    assert read_csv_corpus(path, {"report": "report"}, "ward").reports["text"].to_list() == ["FINDINGS: Clear."]


# --- images lie below one folder -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd",
        "/etc/hostname",
        "a/../../b.png",
        "..",
        ".",
        "..\\b.png",
        "C:\\b.png",
        "//host/b.png",
        "~/b.png",
    ],
)
def test_an_image_outside_the_folder_is_left_out_and_its_study_kept(tmp_path: Path, path: str) -> None:
    own = read(write(tmp_path / "in.csv", row(image=f"{path};good.png"), row("b", image=path)))
    assert own.images["path"].to_list() == ["good.png"]
    assert own.studies["source_id"].to_list() == ["a1", "b"]
    assert set(reasons(own).values()) == {"unsafe_path"}


def test_absolute_paths_are_read_below_the_folder_that_the_user_names(cxr: Cli, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "a.png").write_bytes(b"png")
    (tmp_path / "tables").mkdir()
    rows = [row("a", image=f"{root}/deep/a.png"), row("b", image="deep/../deep/a.png"), row("c", image="x/../c.png")]
    path = write(tmp_path / "tables" / "in.csv", *rows)
    mapped = ("--map", "study_id=accession", "--map", "patient_id=mrn", "--map", "report=text", "--name", "ward")
    done = cxr("ingest", "csv", path, *mapped, "--image-root", root)
    assert "1 duplicate_key" in done.stderr
    listed = cxr("sql", "--format", "csv", "select image_id, path, file_status from images order by all").stdout
    assert listed.splitlines()[1:] == ["ward/c.png,c.png,absent", "ward/deep/a.png,deep/a.png,present"]
    assert "unsafe_path" in cxr("ingest", "csv", path, *mapped, "--db", "other.duckdb").stderr
    assert "is no folder" in cxr("ingest", "csv", path, *mapped, "--image-root", root / "nowhere").stderr


def test_a_csv_without_images_ages_and_dates_keeps_what_an_earlier_one_said(cxr: Cli, tmp_path: Path) -> None:
    facts = {"age": "61", "sex": "F", "study_datetime": "2020-01-01 10:00", "image": "a.png", "view": "PA"}
    write(tmp_path / "full.csv", {"study_id": "1", "report": "FINDINGS: Clear.", **facts})
    write(tmp_path / "bare.csv", {"study_id": "1", "report": "FINDINGS: Clear."})
    cxr("ingest", "csv", "full.csv", "--name", "ward")
    said = "select age, sex, study_datetime, study_date, path, view from studies join images using (study_id)"
    before = cxr("sql", said).stdout
    assert "a.png" in before
    assert "nothing to do" in cxr("ingest", "csv", "bare.csv", "--name", "ward").stderr
    assert cxr("sql", said).stdout == before


# --- mappings --------------------------------------------------------------------------------------------------


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


# --- end to end ------------------------------------------------------------------------------------------------


def test_own_reports_go_from_ingest_to_mine(cxr: Cli, tmp_path: Path) -> None:
    rows = [
        row(f"s{number}", mrn=f"p{number // 2}", text=f"FINDINGS: {findings}\nIMPRESSION: {impression}")
        for number, (findings, impression) in enumerate(INVENTED * 3)
    ]
    write(tmp_path / "in.csv", *rows)
    (tmp_path / "ward.toml").write_text(
        'name = "ward"\n[columns]\nstudy_id = "accession"\npatient_id = "mrn"\nreport = "text"\n', "utf-8"
    )
    dry = cxr("ingest", "csv", "in.csv", "--mapping", "ward.toml", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not (tmp_path / "cxr.duckdb").exists()
    done = cxr("ingest", "csv", "in.csv", "--mapping", "ward.toml")
    assert done.returncode == 0, done.stderr
    assert "36 new studies" in done.stderr
    assert "nothing to do, all 36 studies" in cxr("ingest", "csv", "in.csv", "--mapping", "ward.toml").stderr
    assert cxr("ask", "--min-positives", "1").returncode == 0
    mined = cxr("mine")
    assert mined.returncode in {0, 4}, mined.stderr
    counted = cxr("sql", "--format", "csv", "select count(*) as n from chains")
    assert int(counted.stdout.split()[1]) > 20


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
    write(tmp_path / "in.csv", row())
    result = cxr("ingest", "csv", *arguments)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "cxr.duckdb").exists()
