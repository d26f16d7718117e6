"""Own reports from a CSV: what is made of each column, bad input, up to mined chains."""

import json
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from cxr.miner.ingest.corpus import Ingested
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.schemas.vocabulary import Licence
from tests.conftest import Cli
from tests.corpora import INVENTED
from tests.ingesting import reasons
from tests.trees import MAPPING, Row, own_row, write_own

DEMO = Path(__file__).resolve().parent.parent / "miner/demo/reports.csv"


def read(path: Path, **more: str) -> Ingested:
    return read_csv_corpus(path, {**MAPPING, **more}, "ward")


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
    found = read(write_own(tmp_path / "in.csv", own_row())).reports.row(0, named=True)
    assert found["text"] == "FINDINGS: Clear.\nIMPRESSION: Normal."
    assert (found["findings"], found["impression"]) == ("Clear.", "Normal.")
    assert [(s["name"], s["start"], s["end"]) for s in found["sections"]] == [
        ("findings", 10, 16),
        ("impression", 29, 36),
    ]


def test_own_reports_are_private_unless_said_otherwise(tmp_path: Path) -> None:
    assert set(read(write_own(tmp_path / "in.csv", own_row())).studies["licence"]) == {"credentialed"}


def test_studies_of_a_patient_are_in_order_of_their_dates_and_a_date_is_no_midnight(tmp_path: Path) -> None:
    rows = [
        own_row("b", when="2020-03-01 07:30"),
        own_row("a", when="2020-02-01"),
        own_row("c", when="2020-03-01T08:00:00"),
    ]
    studies = read(write_own(tmp_path / "in.csv", *rows), study_datetime="when").studies
    assert studies.select("source_id", "study_order", "study_datetime", "study_date").rows() == [
        ("b", 2, datetime(2020, 3, 1, 7, 30), date(2020, 3, 1)),  # noqa: DTZ001 - clinics write local time
        ("a", 1, None, date(2020, 2, 1)),
        ("c", 3, datetime(2020, 3, 1, 8), date(2020, 3, 1)),  # noqa: DTZ001
    ]


@pytest.mark.parametrize("cell", ["2020-03-01T07:30:00Z", "2020-03-01T07:30:00.000+01:00", "2020-03-01 07:30:00-0500"])
def test_the_local_time_of_day_counts(tmp_path: Path, cell: str) -> None:
    studies = read(write_own(tmp_path / "in.csv", own_row(when=cell)), study_datetime="when").studies
    assert studies["study_datetime"].to_list() == [datetime(2020, 3, 1, 7, 30)]  # noqa: DTZ001


def test_other_date_formats_are_said(tmp_path: Path) -> None:
    path = write_own(tmp_path / "in.csv", own_row(when="04.03.2020"))
    own = read_csv_corpus(path, {**MAPPING, "study_datetime": "when"}, "ward", date_format="%d.%m.%Y")
    assert own.studies.row(0, named=True)["study_date"] == date(2020, 3, 4)


@pytest.mark.parametrize(
    ("cell", "years"), [("61", 61.0), ("061Y", 61.0), ("0.5", 0.5), ("", None), ("131", None), ("old", None)]
)
def test_ages_are_years(tmp_path: Path, cell: str, years: float | None) -> None:
    assert read(write_own(tmp_path / "in.csv", own_row(age=cell))).studies.row(0, named=True)["age"] == years


@pytest.mark.parametrize(
    ("cell", "split"), [("train", "train"), ("VAL", "validate"), ("dev", "validate"), ("Testing", "test")]
)
def test_splits_go_by_their_usual_names(tmp_path: Path, cell: str, split: str) -> None:
    assert read(write_own(tmp_path / "in.csv", own_row(split=cell))).studies["split"].to_list() == [split]


def test_without_a_split_all_studies_of_a_patient_fall_on_one_side(tmp_path: Path) -> None:
    rows = [own_row(f"{patient}-{study}", mrn=f"p{patient}") for patient in range(60) for study in range(3)]
    studies = read(write_own(tmp_path / "in.csv", *rows)).studies
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
    assert read(write_own(tmp_path / "in.csv", own_row(file=cell)), image="file").images["path"].to_list() == paths


def test_rows_that_differ_in_the_image_alone_are_one_study(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"")
    path = write_own(tmp_path / "in.csv", own_row(image="a.png", view="PA"), own_row(image="b.png", view="LATERAL"))
    own = read(path)
    assert own.studies.height == 1
    assert own.rejects.is_empty()
    assert own.images.select("image_id", "view", "view_position", "file_status").rows() == [
        ("ward/a.png", "frontal", "PA", "absent"),
        ("ward/b.png", "lateral", "LATERAL", "present"),
    ]


def test_a_study_without_text_is_kept_for_its_labels(tmp_path: Path) -> None:
    own = read(write_own(tmp_path / "in.csv", own_row(text="", Edema="1")))
    assert own.studies.height == 1
    assert own.reports.is_empty()
    assert own.rejects.is_empty()


def test_a_column_called_image_that_holds_captions_is_left_alone(tmp_path: Path) -> None:
    own = read(write_own(tmp_path / "in.csv", own_row(image="Chest, 2 views"), own_row("b", image="Chest, 2 views")))
    assert own.images.is_empty()
    assert own.rejects.is_empty()
    assert any("holds no names of image files" in warning for warning in own.warnings)


def test_numbers_of_ones_own_become_places_in_the_order_of_studies(tmp_path: Path) -> None:
    rows = [
        own_row("a", offset="-3"),
        own_row("b", offset="12"),
        own_row("c", offset="0"),
        own_row("d", mrn="p2", offset="7"),
    ]
    studies = read(write_own(tmp_path / "in.csv", *rows), study_order="offset").studies
    assert dict(studies.select("source_id", "study_order").iter_rows()) == {"a": 1, "c": 2, "b": 3, "d": 1}


@pytest.mark.parametrize(
    "cell", ["2020-03-04", "20200304", "2020/03/04", "04-MAR-2020", "March 4, 2020", "4 March 2020"]
)
def test_dates_that_say_which_number_is_the_month_are_read(tmp_path: Path, cell: str) -> None:
    own = read(write_own(tmp_path / "in.csv", own_row(when=cell)), study_datetime="when")
    assert own.studies["study_date"].to_list() == [date(2020, 3, 4)]
    assert own.studies["study_datetime"].to_list() == [None]


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "key", "reason"),
    [
        (own_row(""), "in.csv:3", "missing_key"),
        (own_row("x" * 65), "in.csv:3", "bad_value"),
        (own_row("../5"), "in.csv:3", "bad_value"),
        (own_row("/5"), "in.csv:3", "bad_value"),
        (own_row("a/../../5"), "in.csv:3", "bad_value"),
        (own_row("a\\5"), "in.csv:3", "bad_value"),
        (own_row("a5", mrn=".."), "a5", "bad_value"),
        (own_row("a1", text="Other words."), "a1", "duplicate_key"),
        (own_row("a2", split="somewhere"), "a2", "wrong_split"),
        (own_row("a2", text=""), "a2", "no_report"),
        (own_row("a2", study_datetime="yesterday"), "a2:study_datetime", "gap"),
        (own_row("a2", study_datetime="2020-13-01"), "a2:study_datetime", "gap"),
        (own_row("a2", age="200"), "a2:age", "gap"),
        (own_row("a2", sex="?"), "a2:sex", "gap"),
        (own_row("a2", Edema="3"), "a2:Edema", "bad_value"),
        (own_row("a2", image="a.png"), "a2:a.png", "duplicate_key"),
    ],
)
def test_bad_rows_and_cells_are_named_and_the_rest_is_kept(tmp_path: Path, bad: Row, key: str, reason: str) -> None:
    good = own_row(split="train", study_datetime="2020-01-01", age="50", sex="F", Edema="0", image="a.png")
    own = read(write_own(tmp_path / "in.csv", good, bad, own_row("z")))
    assert reasons(own) == {key: reason}
    assert {"a1", "z"} <= set(own.studies["source_id"])
    assert ("a2" in own.studies["source_id"].to_list()) is (":" in key and not key.startswith("in.csv"))


def test_a_report_in_the_id_column_never_shows_in_a_message(tmp_path: Path) -> None:
    words = "There is a moderate left pleural effusion with adjacent atelectasis, and the heart is enlarged."
    own = read_csv_corpus(
        write_own(tmp_path / "in.csv", {"text": words, "report": words}), {"study_id": "text"}, "ward"
    )
    assert own.studies.is_empty()
    assert "effusion" not in json.dumps(own.rejects.to_dicts())


def test_an_unreadable_label_is_not_taken_as_not_mentioned(tmp_path: Path) -> None:
    own = read(write_own(tmp_path / "in.csv", own_row(Edema="yes?", Pneumonia="1"), own_row("b", Edema="1")))
    assert own.labels[0].frame["study_id"].to_list() == ["ward/b"]


def test_byte_order_marks_windows_line_ends_and_other_encodings(tmp_path: Path) -> None:
    path = write_own(tmp_path / "in.csv", own_row(), own_row("b", text="Kein Erguß."))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text("utf-8").encode("latin-1").replace(b"\n", b"\r\n"))
    own = read(path)
    assert own.studies["source_id"].to_list() == ["a1"]
    assert reasons(own) == {"b": "not_utf8"}


def test_a_row_with_too_many_cells_is_named(tmp_path: Path) -> None:
    path = write_own(tmp_path / "in.csv", own_row(), own_row("b"))
    path.write_text(path.read_text("utf-8") + "c,p1,words,more\n", "utf-8")
    own = read(path)
    assert (own.studies.height, reasons(own)) == (2, {"c": "wrong_fields"})


def test_a_patient_in_two_splits_is_warned_about(tmp_path: Path) -> None:
    own = read(write_own(tmp_path / "in.csv", own_row("a", split="train"), own_row("b", split="test")))
    assert any("1 patients have studies in several splits" in warning for warning in own.warnings)


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
    own = read(write_own(tmp_path / "in.csv", own_row(image=f"{path};good.png"), own_row("b", image=path)))
    assert own.images["path"].to_list() == ["good.png"]
    assert own.studies["source_id"].to_list() == ["a1", "b"]
    assert set(reasons(own).values()) == {"unsafe_path"}


def test_absolute_paths_are_read_below_the_folder_that_the_user_names(cxr: Cli, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "a.png").write_bytes(b"png")
    (tmp_path / "tables").mkdir()
    rows = [
        own_row("a", image=f"{root}/deep/a.png"),
        own_row("b", image="deep/../deep/a.png"),
        own_row("c", image="x/../c.png"),
    ]
    path = write_own(tmp_path / "tables" / "in.csv", *rows)
    mapped = ("--map", "study_id=accession", "--map", "patient_id=mrn", "--map", "report=text", "--name", "ward")
    done = cxr("ingest", "csv", path, *mapped, "--image-root", root)
    assert "1 duplicate_key" in done.stderr
    listed = cxr("sql", "--format", "csv", "select image_id, path, file_status from images order by all").stdout
    assert listed.splitlines()[1:] == ["ward/c.png,c.png,absent", "ward/deep/a.png,deep/a.png,present"]
    assert "unsafe_path" in cxr("ingest", "csv", path, *mapped, "--db", "other.duckdb").stderr
    assert "is no folder" in cxr("ingest", "csv", path, *mapped, "--image-root", root / "nowhere").stderr


def test_a_csv_without_images_ages_and_dates_keeps_what_an_earlier_one_said(cxr: Cli, tmp_path: Path) -> None:
    facts = {"age": "61", "sex": "F", "study_datetime": "2020-01-01 10:00", "image": "a.png", "view": "PA"}
    write_own(tmp_path / "full.csv", {"study_id": "1", "report": "FINDINGS: Clear.", **facts})
    write_own(tmp_path / "bare.csv", {"study_id": "1", "report": "FINDINGS: Clear."})
    cxr("ingest", "csv", "full.csv", "--name", "ward")
    said = "select age, sex, study_datetime, study_date, path, view from studies join images using (study_id)"
    before = cxr("sql", said).stdout
    assert "a.png" in before
    assert "nothing to do" in cxr("ingest", "csv", "bare.csv", "--name", "ward").stderr
    assert cxr("sql", said).stdout == before


# --- end to end ------------------------------------------------------------------------------------------------


def test_own_reports_go_from_ingest_to_mine(cxr: Cli, tmp_path: Path) -> None:
    rows = [
        own_row(f"s{number}", mrn=f"p{number // 2}", text=f"FINDINGS: {findings}\nIMPRESSION: {impression}")
        for number, (findings, impression) in enumerate(INVENTED * 3)
    ]
    write_own(tmp_path / "in.csv", *rows)
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
