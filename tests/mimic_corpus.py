"""A small invented corpus in the exact layout of MIMIC-CXR, MIMIC-CXR-JPG and MS-CXR-T."""

import csv
import gzip
import io
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LABELS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture", "Lung Lesion",
    "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices",
)  # fmt: skip
METADATA = (
    "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns",
    "StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)  # fmt: skip
PROGRESSIONS = ("consolidation", "edema", "pleural_effusion", "pneumonia", "pneumothorax")

ZIP = "mimic-cxr-reports.zip"
META_CSV = "mimic-cxr-2.0.0-metadata.csv.gz"
SPLIT_CSV = "mimic-cxr-2.0.0-split.csv.gz"
CHEXPERT_CSV = "mimic-cxr-2.0.0-chexpert.csv.gz"
NEGBIO_CSV = "mimic-cxr-2.0.0-negbio.csv.gz"
TEST_CSV = "mimic-cxr-2.1.0-test-set-labeled.csv"
TEMPORAL_CSV = "MS_CXR_T_temporal_image_classification_v1.0.0.csv"


class Study(NamedTuple):
    """One invented study."""

    subject: int
    study: int
    date: str
    time: str
    findings: str
    impression: str
    labels: Mapping[str, str] = {}
    split: str = "train"
    views: Sequence[str] = ("PA", "LATERAL")


STUDIES: tuple[Study, ...] = (
    Study(10000032, 50414267, "21800506", "213014.531", "There is a small left pleural effusion. No pneumothorax.",
          "Small left pleural effusion.", {"Pleural Effusion": "1.0", "Pneumothorax": "0.0"}),
    Study(10000032, 53189527, "21800626", "165500.312",
          "The left pleural effusion has increased since the prior study. No pneumothorax.",
          "Increased left pleural effusion.", {"Pleural Effusion": "1.0", "Pneumothorax": "0.0"}),
    Study(10000032, 53911762, "21800626", "80556.875", "The left pleural effusion is unchanged. The heart is enlarged.",
          "Unchanged left pleural effusion.", {"Pleural Effusion": "1.0", "Cardiomegaly": "-1.0"}, views=("AP",)),
    Study(10000764, 57375967, "21321015", "83026.0", "The lungs are clear. Heart size is normal.", "Normal chest.",
          {"No Finding": "1.0"}, split="validate"),
    Study(10000898, 50771383, "21880803", "5.123", "Patchy consolidation in the right lower lobe.",
          "Right lower lobe pneumonia.", {"Consolidation": "1.0", "Pneumonia": "1.0"}, split="test"),
)  # fmt: skip
FIRST = STUDIES[0]


def report_text(study: Study) -> str:
    """Give a report in the layout of MIMIC-CXR."""
    return (
        f"{' ' * 33}FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n \n INDICATION:  ___ year old, cough\n \n"
        f" COMPARISON:  ___\n \n FINDINGS: \n \n {study.findings}\n \n IMPRESSION: \n \n {study.impression}\n"
    )


def dicom(study: Study, number: int) -> str:
    """Give the id of a study's image."""
    return f"{study.study:08x}-0000000{number}-aaaaaaaa-bbbbbbbb-cccccccc"


def report_path(study: Study) -> str:
    """Give the report's name in the zip and in the tree."""
    return f"files/p{str(study.subject)[:2]}/p{study.subject}/s{study.study}.txt"


def image_path(study: Study, number: int) -> str:
    """Give an image's path under the root of MIMIC-CXR-JPG."""
    return f"files/p{str(study.subject)[:2]}/p{study.subject}/s{study.study}/{dicom(study, number)}.jpg"


def write_zip(folder: Path, studies: Iterable[Study] = STUDIES, extra: Mapping[str, bytes] | None = None) -> Path:
    """Write the reports' zip, with more members where asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
        for study in studies:
            archive.writestr(report_path(study), report_text(study))
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return folder


def write_tree(folder: Path, studies: Iterable[Study] = STUDIES) -> Path:
    """Write the reports as the unpacked tree."""
    for study in studies:
        path = folder / report_path(study)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report_text(study), encoding="utf-8")
    return folder


def write_sectioned(folder: Path, studies: Iterable[Study] = STUDIES) -> Path:
    """Write `mimic_cxr_sectioned.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(f"s{study.study}", study.impression, study.findings, "", "___") for study in studies]
    header = ("study", "impression", "findings", "last_paragraph", "comparison")
    write_csv(folder / "mimic_cxr_sectioned.csv", header, rows)
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {"zip": write_zip, "tree": write_tree, "sectioned": write_sectioned}
"""The layouts of the reports by name."""


def metadata_rows(studies: Iterable[Study] = STUDIES) -> list[tuple[object, ...]]:
    """Give the rows of the metadata file."""
    return [
        (dicom(study, number), study.subject, study.study, "CHEST (PA AND LAT)", view, 2544, 3056, study.date,
         study.time, "CHEST (PA AND LAT)", "postero-anterior", "Erect")
        for study in studies for number, view in enumerate(study.views)
    ]  # fmt: skip


def label_rows(studies: Iterable[Study] = STUDIES) -> list[tuple[object, ...]]:
    """Give the rows of a labeler's file."""
    return [(study.subject, study.study, *(study.labels.get(name, "") for name in LABELS)) for study in studies]


def write_jpg(folder: Path, studies: Sequence[Study] = STUDIES) -> Path:
    """Write the CSVs of MIMIC-CXR-JPG, without images."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / META_CSV, METADATA, metadata_rows(studies))
    splits = [
        (dicom(study, number), study.study, study.subject, study.split)
        for study in studies
        for number, _ in enumerate(study.views)
    ]
    write_csv(folder / SPLIT_CSV, ("dicom_id", "study_id", "subject_id", "split"), splits)
    for name in (CHEXPERT_CSV, NEGBIO_CSV):
        write_csv(folder / name, ("subject_id", "study_id", *LABELS), label_rows(studies))
    write_csv(
        folder / TEST_CSV,
        ("study_id", *(name if name != "Lung Opacity" else "Airspace Opacity" for name in LABELS)),
        [row[1:] for row in label_rows([study for study in studies if study.split == "test"])],
    )
    return folder


def write_mimic(folder: Path, studies: Sequence[Study] = STUDIES) -> Path:
    """Write the zip and the CSVs into one folder."""
    write_zip(folder, studies)
    return write_jpg(folder, studies)


def write_temporal(folder: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """Write MS-CXR-T; a row has current and prior (studies) and finding columns such as edema or edema_quality."""
    folder.mkdir(parents=True, exist_ok=True)
    header = ["dicom_id", "previous_dicom_id", "subject_id", "study_id", "previous_study_id"]
    header += [f"{name}_progression" for name in PROGRESSIONS] + [f"{name}_label_quality" for name in PROGRESSIONS]
    lines = []
    for row in rows:
        now, before = row["current"], row["prior"]
        assert isinstance(now, Study)
        assert isinstance(before, Study)
        paths = [image_path(study, 0).removeprefix("files/").removesuffix(".jpg") for study in (now, before)]
        said = [row.get(name, "") for name in PROGRESSIONS] + [row.get(f"{name}_quality", "") for name in PROGRESSIONS]
        lines.append((*paths, now.subject, now.study, before.study, *said))
    write_csv(folder / TEMPORAL_CSV, header, lines)
    return folder


def write_csv(path: Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV, gzipped where its name says so."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(list(header))
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def die(*_given: object, **_more: object) -> None:
    """End the process that calls this, as one that the system kills."""
    os._exit(9)
