"""Invented trees of CheXpert, CheXpert Plus, RSNA and SIIM in the owners' exact layouts, and CSVs of one's own."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tests.corpora import INVENTED

FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip
CHEXPERT_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS)
PLUS_COLUMNS = (
    "path_to_image", "path_to_dcm", "frontal_lateral", "ap_pa", "deid_patient_id", "patient_report_date_order",
    "report", "section_narrative", "section_clinical_history", "section_history", "section_comparison",
    "section_technique", "section_procedure_comments", "section_findings", "section_impression",
    "section_end_of_impression", "section_summary", "section_accession_number", "age", "sex", "race", "ethnicity",
    "interpreter_needed", "insurance_type", "recent_bmi", "deceased", "split",
)  # fmt: skip

STUDY = "patient00001/study1"

Row = Mapping[str, str]
# What the reports of INVENTED say, as the finding that is positive in each.
_SAID = (
    "Pleural Effusion", "Cardiomegaly", "Pneumonia", "Pneumothorax", "Atelectasis", "Edema", "Lung Lesion", "Fracture",
    "Support Devices", "Enlarged Cardiomediastinum", "No Finding", "No Finding",
)  # fmt: skip


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> Path:
    """Write a CSV; cells that a row lacks are blank."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


MAPPING = {"study_id": "accession", "patient_id": "mrn", "report": "text"}
"""Which columns of `own_row` are which fields."""


def own_row(accession: str = "a1", **cells: str) -> Row:
    """Give a row of a clinic's own CSV."""
    return {"accession": accession, "mrn": "p1", "text": "FINDINGS: Clear.\nIMPRESSION: Normal.", **cells}


def write_own(path: Path, *rows: Row) -> Path:
    """Write rows with all the columns that any of them has."""
    return write_csv(path, list(dict.fromkeys(name for row in rows for name in row)), rows)


def labels_of(number: int) -> dict[str, str]:
    """Give the label cells of study `number`: one finding positive, a few negative, one uncertain."""
    said = _SAID[number % len(_SAID)]
    negative = [name for name in ("Pneumothorax", "Pleural Effusion", "Edema", "Fracture") if name != said]
    cells = dict.fromkeys(negative, "0.0") | {said: "1.0"}
    return cells | ({"Consolidation": "-1.0"} if number % 4 == 3 else {})


def chexpert_row(study: str, view: int = 1, *, split: str = "train", root: str = "CheXpert-v1.0", **cells: str) -> Row:
    """Give an image row of train.csv."""
    kind = "Frontal" if view == 1 else "Lateral"
    path = f"{root}/{split}/{study}/view{view}_{kind.lower()}.jpg"
    position = {"AP/PA": "AP"} if view == 1 else {}
    return {"Path": path, "Sex": "Female", "Age": "61", "Frontal/Lateral": kind, **position, **cells}


def chexpert_rows(count: int = 24) -> list[Row]:
    """Give rows of `count` studies of `count / 2` patients, every third with a lateral view."""
    rows: list[Row] = []
    for number in range(count):
        study = f"patient{number // 2 + 1:05d}/study{number % 2 + 1}"
        rows += [chexpert_row(study, view, **labels_of(number)) for view in ((1, 2) if number % 3 == 0 else (1,))]
    return rows


def write_chexpert(folder: Path, rows: Iterable[Row] | None = None) -> Path:
    """Write CheXpert-v1.0 with train.csv, valid.csv and groundtruth.csv; give the folder above it."""
    root = folder / "CheXpert-v1.0"
    write_csv(root / "train.csv", CHEXPERT_COLUMNS, chexpert_rows() if rows is None else rows)
    all_zero = dict.fromkeys(FINDINGS, "0.0")
    valid = [chexpert_row("patient64541/study1", 1, split="valid", **all_zero | {"Cardiomegaly": "1.0"})]
    write_csv(root / "valid.csv", CHEXPERT_COLUMNS, valid)
    test = {"Study": "CheXpert-v1.0/test/patient64741/study1", **dict.fromkeys(FINDINGS, "0"), "Edema": "1"}
    write_csv(root / "groundtruth.csv", ("Study", *FINDINGS), [test])
    return folder


def plus_report(findings: str, impression: str) -> dict[str, str]:
    """Give the report and its section columns as CheXpert Plus writes them, in capitals."""
    sections = {
        "section_narrative": "RADIOGRAPHIC EXAMINATION OF THE CHEST: 3/4/2005",
        "section_clinical_history": "61 YEARS OF AGE, COUGH.",
        "section_comparison": "NONE.",
        "section_findings": findings.upper().replace("\\N", "\\n"),
        "section_impression": impression.upper().replace("\\N", "\\n"),
        "section_end_of_impression": '"SUMMARY: 2-ABNORMAL"',
    }
    headers = ("NARRATIVE", "CLINICAL HISTORY", "COMPARISON", "FINDINGS", "IMPRESSION", "END OF IMPRESSION")
    lines = [f"{header}: {body}" for header, body in zip(headers, sections.values(), strict=True) if body]
    return {"report": "\n \n".join(lines), **sections}


def plus_row(
    study: str, cells: Row = MappingProxyType({}), *, view: int = 1, order: int = 1, split: str = "train"
) -> Row:
    """Give an image row of the main table."""
    kind = "Frontal" if view == 1 else "Lateral"
    path = f"{split}/{study}/view{view}_{kind.lower()}.jpg"
    return {
        "path_to_image": path,
        "path_to_dcm": path.replace(".jpg", ".dcm"),
        "frontal_lateral": kind,
        "ap_pa": "PA" if view == 1 else "",
        "deid_patient_id": study.partition("/")[0],
        "patient_report_date_order": str(order),
        "age": "61.0",
        "sex": "Female",
        "race": "Other",
        "recent_bmi": "24.5",
        "deceased": "No",
        "split": split,
        **cells,
    }


def plus_rows(count: int = 24) -> list[Row]:
    """Give rows of the studies of `chexpert_rows`; the report stands on every image row."""
    rows: list[Row] = []
    for number in range(count):
        report = plus_report(*INVENTED[number % len(INVENTED)])
        study = f"patient{number // 2 + 1:05d}/study{number % 2 + 1}"
        views = (1, 2) if number % 3 == 0 else (1,)
        rows += [plus_row(study, report, view=view, order=number % 2 + 1) for view in views]
    return rows


def write_plus(folder: Path, rows: Iterable[Row] | None = None) -> Path:
    """Write the main table and chexbert_labels."""
    chosen = list(plus_rows() if rows is None else rows)
    write_csv(folder / "df_chexpert_plus_240401.csv", PLUS_COLUMNS, chosen)
    (folder / "chexbert_labels").mkdir(exist_ok=True)
    for name in ("impression", "findings", "report"):
        lines = [
            json.dumps({"path_to_image": row["path_to_image"]} | _numbers(labels_of(_number(row["path_to_image"]))))
            for row in chosen
        ]
        (folder / f"chexbert_labels/{name}_fixed.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _number(path: str) -> int:
    _, patient, study, _ = path.split("/")
    return (int(patient.removeprefix("patient")) - 1) * 2 + int(study.removeprefix("study")) - 1


def _numbers(cells: Mapping[str, str]) -> dict[str, float | None]:
    return {name: float(cells[name]) if name in cells else None for name in FINDINGS}


RSNA_LABELS = ("patientId", "x", "y", "width", "height", "Target")


def write_rsna(folder: Path, count: int = 80) -> Path:
    """Write labels and classes: every second image has one or two boxes; the others are normal or not."""
    labels: list[Row] = []
    classes: list[Row] = []
    for number in range(count):
        image = f"{number:08x}-0000-4000-8000-000000000000"
        box = {"x": "264.0", "y": "152.0", "width": "213.0", "height": "379.0"}
        rows = [{"patientId": image, **box, "Target": "1"}] * (1 + number % 4 // 2)
        labels += rows if number % 2 else [{"patientId": image, "Target": "0"}]
        quiet = "Normal" if number % 4 else "No Lung Opacity / Not Normal"
        classes += (
            [{"patientId": image, "class": "Lung Opacity"}] * len(rows)
            if number % 2
            else [{"patientId": image, "class": quiet}]
        )
    write_csv(folder / "stage_2_train_labels.csv", RSNA_LABELS, labels)
    write_csv(folder / "stage_2_detailed_class_info.csv", ("patientId", "class"), classes)
    return folder


def write_siim(folder: Path, count: int = 80) -> Path:
    """Write masks, with the header's leading blank and both ways of saying none."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["ImageId, EncodedPixels"]
    for number in range(count):
        uid = f"1.2.276.0.7230010.3.1.4.8323329.{number + 1}.1517875201.850819"
        if number % 2:
            lines += [f"{uid}, 557374 2 1015 8"] * (1 + number % 4 // 2)
        else:
            lines.append(f"{uid},-1" if number % 4 else f"{uid}, -1")
    (folder / "train-rle.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
