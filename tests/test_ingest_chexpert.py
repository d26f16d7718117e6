"""CheXpert: invented studies in the owner's layout, good and bad, from ingest to mine."""

from pathlib import Path

import polars as pl
import pytest

from cxr.miner.ingest.chexpert.reader import read_chexpert
from cxr.miner.kit.errors import InputError
from tests.conftest import Cli
from tests.ingesting import labels_by, reasons
from tests.trees import (
    CHEXPERT_COLUMNS,
    FINDINGS,
    STUDY,
    Row,
    chexpert_row,
    chexpert_rows,
    write_chexpert,
    write_csv,
)


def test_chexpert_image_rows_become_studies_in_order_of_their_numbers(tmp_path: Path) -> None:
    read = read_chexpert(write_chexpert(tmp_path))
    study = read.studies.row(by_predicate=pl.col("source_id") == "patient00001/study2", named=True)
    assert (study["study_id"], study["patient_id"]) == ("chexpert/patient00001/study2", "chexpert/patient00001")
    assert (study["split"], study["study_order"], study["age"], study["sex"]) == ("train", 2, 61.0, "F")
    assert study["licence"] == "credentialed"
    assert read.studies.height == 26
    assert read.rejects.is_empty()
    assert read.reports.is_empty()


def test_chexpert_images_know_their_view_and_whether_the_file_is_there(tmp_path: Path) -> None:
    folder = write_chexpert(tmp_path)
    there = folder / "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"")
    images = read_chexpert(folder).images.filter(pl.col("study_id") == f"chexpert/{STUDY}").sort("path")
    assert images.select("image_id", "path", "view", "view_position", "file_status").rows() == [
        (f"chexpert/{STUDY}/view1_frontal", f"train/{STUDY}/view1_frontal.jpg", "frontal", "AP", "present"),
        (f"chexpert/{STUDY}/view2_lateral", f"train/{STUDY}/view2_lateral.jpg", "lateral", "LATERAL", "absent"),
    ]


def test_chexpert_labels_keep_uncertain_apart_from_not_mentioned_and_radiologists_apart_from_the_labeler(
    tmp_path: Path,
) -> None:
    read = read_chexpert(write_chexpert(tmp_path))
    train = labels_by(read, "chexpert")["chexpert/patient00002/study2"]
    assert (train["Pneumothorax"], train["Edema"], train["Consolidation"], train["Pneumonia"]) == (1, 0, -1, None)
    people = labels_by(read, "radiologist")
    assert people["chexpert/patient64541/study1"]["Cardiomegaly"] == 1
    assert people["chexpert/patient64741/study1"]["Edema"] == 1
    splits = dict(read.studies.select("source_id", "split").iter_rows())
    assert (splits["patient64541/study1"], splits["patient64741/study1"]) == ("validate", "test")


def test_chexpert_counts_are_compared_with_the_published_ones(tmp_path: Path) -> None:
    read = read_chexpert(write_chexpert(tmp_path))
    assert "found 24 train studies; the owner publishes 187,641" in read.warnings


def test_chexpert_test_images_are_those_that_lie_there(tmp_path: Path) -> None:
    folder = write_chexpert(tmp_path)
    place_ = folder / "CheXpert-v1.0/test/patient64741/study1"
    place_.mkdir(parents=True)
    (place_ / "view1_frontal.jpg").write_bytes(b"")
    read = read_chexpert(folder)
    assert "chexpert/patient64741/study1/view1_frontal" in read.images["image_id"]


@pytest.mark.parametrize(
    ("row", "key", "reason"),
    [
        (chexpert_row(STUDY, Path=""), "train.csv:3", "missing_key"),
        (chexpert_row(STUDY, Path="/etc/passwd"), "train.csv:3", "bad_value"),
        (chexpert_row(STUDY, Path="../../train/patient1/x.jpg"), "train.csv:3", "bad_value"),
        (chexpert_row(STUDY), f"train/{STUDY}/view1_frontal.jpg", "duplicate_key"),
        (chexpert_row(STUDY, 2, Edema="1.0"), f"train/{STUDY}/view2_lateral.jpg", "bad_value"),
        (chexpert_row("patient00009/study1", Edema="maybe"), "patient00009/study1:Edema", "bad_value"),
        (chexpert_row("patient00009/study1", Age="old"), "patient00009/study1:Age", "gap"),
    ],
)
def test_chexpert_bad_rows_are_named_and_the_rest_is_kept(tmp_path: Path, row: Row, key: str, reason: str) -> None:
    read = read_chexpert(write_chexpert(tmp_path, [chexpert_row(STUDY, Edema="0.0"), row]))
    assert reasons(read) == {key: reason}
    assert labels_by(read, "chexpert")[f"chexpert/{STUDY}"]["Edema"] == 0


def test_a_label_outside_the_coding_never_turns_into_not_mentioned(tmp_path: Path) -> None:
    read = read_chexpert(write_chexpert(tmp_path, [chexpert_row(STUDY, Edema="2", Pneumonia="1.0")]))
    assert f"chexpert/{STUDY}" not in labels_by(read, "chexpert")
    assert f"chexpert/{STUDY}" in read.studies["study_id"]


def test_age_zero_and_sex_unknown_are_missing(tmp_path: Path) -> None:
    read = read_chexpert(write_chexpert(tmp_path, [chexpert_row(STUDY, Age="0", Sex="Unknown")]))
    assert read.studies.row(by_predicate=pl.col("source_id") == STUDY, named=True)["age"] is None
    assert read.rejects.is_empty()


def test_the_small_release_with_a_byte_order_mark_and_windows_line_ends_reads_the_same(tmp_path: Path) -> None:
    rows = [chexpert_row(STUDY, root="CheXpert-v1.0-small", Edema="1.0")]
    file = write_csv(tmp_path / "CheXpert-v1.0-small/train.csv", CHEXPERT_COLUMNS, rows)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    read = read_chexpert(tmp_path)
    assert labels_by(read, "chexpert")[f"chexpert/{STUDY}"]["Edema"] == 1
    assert {file.name for file in read.missing} == {"valid.csv", "groundtruth.csv"}


def test_a_folder_without_chexpert_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no train\.csv and no valid\.csv; expected the folder CheXpert-v1\.0"):
        read_chexpert(tmp_path)


def test_a_train_csv_without_a_finding_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", [c for c in CHEXPERT_COLUMNS if c != "Edema"], [])
    with pytest.raises(InputError, match=r"train\.csv has no column Edema"):
        read_chexpert(tmp_path)


def test_chexpert_is_answer_only_from_ingest_to_mine(cxr: Cli, tmp_path: Path) -> None:
    write_chexpert(tmp_path / "in", chexpert_rows(48))
    assert cxr("ingest", "chexpert", "in").returncode == 0
    again = cxr("ingest", "chexpert", "in")
    assert "nothing to do, all 50 studies" in again.stderr
    asked = cxr("ask", "--min-positives", "1", "--tasks", "binary")
    assert asked.returncode == 0, asked.stderr
    mined = cxr("mine")
    assert mined.returncode == 0, mined.stderr
    assert "0 chains mined" in mined.stderr
    count = cxr("sql", "--format", "csv", "select count(*) as n from questions where corpus = 'chexpert'")
    assert int(count.stdout.split()[1]) > 0


def test_findings_of_the_fixtures_are_chexperts() -> None:
    assert set(FINDINGS) < set(CHEXPERT_COLUMNS)
