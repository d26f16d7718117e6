"""RSNA and SIIM: label files in the owners' layouts, good and bad; no reports, so nothing to mine."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from cxr.miner.ingest.corpus import Ingested
from cxr.miner.ingest.kaggle.rsna import public_split, read_rsna
from cxr.miner.ingest.kaggle.siim import read_siim
from cxr.miner.kit.errors import InputError
from tests.conftest import Cli
from tests.ingesting import reasons
from tests.pictures import dicom
from tests.trees import RSNA_LABELS, write_csv, write_rsna, write_siim

IMAGE = "00000001-0000-4000-8000-000000000000"
UID = "1.2.276.0.7230010.3.1.4.8323329.2.1517875201.850819"


def labels(ingested: Ingested) -> dict[str, dict[str, int | None]]:
    (table,) = ingested.labels
    return {row.pop("study_id").partition("/")[2]: row for row in table.frame.to_dicts()}


# --- RSNA ------------------------------------------------------------------------------------------------------


def test_rsna_images_are_studies_with_labels_for_pneumonia_opacity_and_normal(tmp_path: Path) -> None:
    read = read_rsna(write_rsna(tmp_path))
    assert read.studies.height == read.images.height == 80
    assert read.rejects.is_empty()
    found = labels(read)
    assert found[IMAGE] == {"Pneumonia": 1, "Lung Opacity": 1, "No Finding": 0}
    normal, other = IMAGE.replace("1", "2", 1), IMAGE.replace("1", "4", 1)
    assert found[normal] == {"Pneumonia": 0, "Lung Opacity": 0, "No Finding": 1}
    assert found[other] == {"Pneumonia": 0, "Lung Opacity": -1, "No Finding": 0}, "another opacity is possible"


def test_rsna_without_classes_knows_pneumonia_alone_and_says_so(tmp_path: Path) -> None:
    folder = write_rsna(tmp_path)
    (folder / "stage_2_detailed_class_info.csv").unlink()
    read = read_rsna(folder)
    assert labels(read)[IMAGE] == {"Pneumonia": 1}
    assert any("labels for Pneumonia alone" in warning for warning in read.warnings)


def test_rsna_is_public_and_its_images_are_looked_for(tmp_path: Path) -> None:
    folder = write_rsna(tmp_path)
    (folder / "stage_2_train_images").mkdir()
    (folder / f"stage_2_train_images/{IMAGE}.dcm").write_bytes(b"")
    read = read_rsna(folder)
    assert set(read.studies["licence"]) == {"public"}
    assert Counter(read.images["file_status"]) == {"present": 1, "absent": 79}
    assert any("79 of 80 images" in warning for warning in read.warnings)


def test_the_public_split_has_scikit_learns_members() -> None:
    # train_test_split(range(26684), test_size=0.3, random_state=0), and its test half again by 0.5
    split = public_split(26_684)
    assert Counter(split) == {"train": 18_678, "validate": 4_003, "test": 4_003}
    assert {split[index] for index in (7_729, 18_294, 1_437)} == {"train"}
    assert {split[index] for index in (25_106, 18_356, 8_000)} == {"test"}
    assert {split[index] for index in (13_610, 15_308, 13_503)} == {"validate"}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_a_tiny_part_of_rsna_is_split_without_a_crash(count: int) -> None:
    assert len(public_split(count)) == count


@pytest.mark.parametrize(
    ("row", "key", "reason"),
    [
        ({"Target": "0"}, "stage_2_train_labels.csv:3", "missing_key"),
        ({"patientId": "a/../b", "Target": "0"}, "stage_2_train_labels.csv:3", "bad_value"),
        ({"patientId": "b", "Target": "2"}, "stage_2_train_labels.csv:3", "bad_value"),
        ({"patientId": "b", "Target": "1"}, "stage_2_train_labels.csv:3", "bad_value"),
        ({"patientId": "b", "Target": "1", "x": "1", "y": "2", "width": "wide", "height": "3"},
         "stage_2_train_labels.csv:3", "bad_value"),
        ({"patientId": "a", "Target": "1", "x": "1", "y": "2", "width": "3", "height": "3"}, "a", "duplicate_key"),
    ],
)  # fmt: skip
def test_rsna_bad_rows_are_named(tmp_path: Path, row: dict[str, str], key: str, reason: str) -> None:
    rows = [{"patientId": "a", "Target": "0"}, row, {"patientId": "c", "Target": "0"}]
    write_csv(tmp_path / "stage_2_train_labels.csv", RSNA_LABELS, rows)
    read = read_rsna(tmp_path)
    assert reasons(read) == {key: reason}
    assert "c" in labels(read)
    assert "b" not in labels(read)


def test_rsna_odd_classes_are_named_and_make_no_label(tmp_path: Path) -> None:
    write_csv(tmp_path / "stage_2_train_labels.csv", RSNA_LABELS, [{"patientId": n, "Target": "0"} for n in "abc"])
    rows = [("a", "Normal"), ("a", "Lung Opacity"), ("b", "Odd"), ("z", "Normal"), ("c", "Normal")]
    cells = [{"patientId": image, "class": name} for image, name in rows]
    write_csv(tmp_path / "stage_2_detailed_class_info.csv", ("patientId", "class"), cells)
    read = read_rsna(tmp_path)
    name = "stage_2_detailed_class_info.csv"
    assert reasons(read) == {"a": "duplicate_key", f"{name}:4": "bad_value", f"{name}:5": "unknown_study"}
    assert labels(read)["c"]["No Finding"] == 1
    assert labels(read)["a"] == {"Pneumonia": 0, "Lung Opacity": -1, "No Finding": None}


def test_real_rows_of_rsna_and_siim_read_without_a_reject(shared: Path, tmp_path: Path) -> None:
    samples = shared / "data/format_samples"
    for name, sample in (
        ("stage_2_train_labels.csv", "rsna_stage_2_train_labels_head400patients.csv"),
        ("stage_2_detailed_class_info.csv", "rsna_stage_2_detailed_class_info_same400.csv"),
        ("train-rle.csv", "siim_train-rle_head400.csv"),
    ):
        (tmp_path / name).write_bytes((samples / sample).read_bytes())
    rsna, siim = read_rsna(tmp_path), read_siim(tmp_path)
    assert (rsna.studies.height, rsna.rejects.height, siim.studies.height, siim.rejects.height) == (400, 0, 400, 0)
    assert sum(row["Pneumonia"] or 0 for row in labels(rsna).values()) == 130
    assert sum(row["Pneumothorax"] or 0 for row in labels(siim).values()) == 122


# --- SIIM ------------------------------------------------------------------------------------------------------


def test_siim_masks_mean_pneumothorax_and_both_ways_of_saying_none_are_read(tmp_path: Path) -> None:
    read = read_siim(write_siim(tmp_path))
    assert read.studies.height == 80
    assert Counter(row["Pneumothorax"] for row in labels(read).values()) == {0: 40, 1: 40}
    assert labels(read)[UID] == {"Pneumothorax": 1}
    assert set(read.studies["licence"]) == {"credentialed"}
    assert read.rejects.is_empty()


def test_siim_images_are_found_two_folders_deep(tmp_path: Path) -> None:
    folder = write_siim(tmp_path)
    place = folder / "dicom-images-train/1.2.3/1.2.4"
    place.mkdir(parents=True)
    (place / f"{UID}.dcm").write_bytes(b"")
    read = read_siim(folder)
    image = read.images.row(by_predicate=pl.col("image_id") == f"siim/{UID}", named=True)
    assert (image["path"], image["file_status"]) == (f"dicom-images-train/1.2.3/1.2.4/{UID}.dcm", "present")
    assert any("79 of 80 DICOM files" in warning for warning in read.warnings)


@pytest.mark.parametrize(
    ("line", "key", "reason"),
    [
        (",-1", "train-rle.csv:3", "missing_key"),
        ("not a uid,-1", "train-rle.csv:3", "bad_value"),
        ("1.5,", "train-rle.csv:3", "bad_value"),
        ("1.5,12 x", "train-rle.csv:3", "bad_value"),
        ("1.5,12", "train-rle.csv:3", "bad_value"),
        ("1.2,7 1", "1.2", "duplicate_key"),
        ("1.2,-1", "train-rle.csv:3", "duplicate_key"),
    ],
)
def test_siim_bad_rows_are_named(tmp_path: Path, line: str, key: str, reason: str) -> None:
    (tmp_path / "train-rle.csv").write_text(f"ImageId, EncodedPixels\n1.2,-1\n{line}\n1.3,1 2\n", "utf-8")
    read = read_siim(tmp_path)
    assert reasons(read) == {key: reason}
    assert labels(read)["1.3"] == {"Pneumothorax": 1}


def test_age_sex_view_and_size_stand_in_the_headers_and_outlast_an_ingest_without_them(
    cxr: Cli, tmp_path: Path
) -> None:
    folder = write_rsna(tmp_path / "in")
    images = folder / "stage_2_train_images"
    images.mkdir()
    (images / f"{IMAGE}.dcm").write_bytes(dicom(age="51"))
    (images / f"{IMAGE.replace('1', '2', 1)}.dcm").write_bytes(dicom(age="155"))
    assert cxr("ingest", "rsna", "in", "--headers").returncode == 0
    query = (
        "select age, sex, view_position, width, height from studies join images using (study_id) "
        "where sex is not null order by study_id"
    )
    expected = ["51.0,F,PA,70,40", ",F,PA,70,40"]
    assert cxr("sql", "--format", "csv", query).stdout.splitlines()[1:] == expected
    again = cxr("ingest", "rsna", "in")
    assert "nothing to do" in again.stderr
    assert cxr("sql", "--format", "csv", query).stdout.splitlines()[1:] == expected


# --- both ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("read", "name"), [(read_rsna, "stage_2_train_labels.csv"), (read_siim, "train-rle.csv")])
def test_a_folder_without_the_labels_is_refused(tmp_path: Path, read: object, name: str) -> None:
    assert callable(read)
    with pytest.raises(InputError, match=f"holds no {name}; expected the folder"):
        read(tmp_path)


@pytest.mark.parametrize(("corpus", "write"), [("rsna", write_rsna), ("siim", write_siim)])
def test_answer_only_corpora_go_from_ingest_to_mine(cxr: Cli, tmp_path: Path, corpus: str, write: object) -> None:
    assert callable(write)
    write(tmp_path / "in")
    ingested = cxr("ingest", corpus, "in")
    assert ingested.returncode == 0, ingested.stderr
    assert "80 new studies" in ingested.stderr
    assert "nothing to do, all 80 studies" in cxr("ingest", corpus, "in").stderr
    asked = cxr("ask", "--tasks", "binary")
    assert asked.returncode == 0, asked.stderr
    mined = cxr("mine")
    assert mined.returncode == 0, mined.stderr
    assert "0 chains mined" in mined.stderr
    assert "questions are about studies without a report: they stay answer-only" in mined.stderr
    counted = cxr("sql", "--format", "csv", "select answer, count(*) as n from questions group by answer order by 1")
    assert counted.stdout.split()[1:] == ["No,40", "Yes,40"] if corpus == "siim" else counted.stdout.count("\n") == 3
