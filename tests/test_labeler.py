"""The 14 labels of reports, and the words that decided them."""

import csv
from pathlib import Path

import pytest

from cxr.miner.language.labeler import label, label_evidence
from cxr.miner.pack import pack

TABLE = [
    ("Findings: The lungs are clear. Impression: No acute disease.", {"No Finding": 1, "Lung Opacity": 0}),
    ("Findings: No pleural effusion or pneumothorax.", {"No Finding": 1, "Pleural Effusion": 0, "Pneumothorax": 0}),
    ("Findings: Heart size is normal. Mediastinal contours are normal.",
     {"No Finding": 1, "Cardiomegaly": 0, "Enlarged Cardiomediastinum": 0}),
    ("Findings: Mild cardiomegaly. Small effusion.", {"Cardiomegaly": 1, "Pleural Effusion": 1}),
    ("Findings: Pneumonia cannot be excluded.", {"Pneumonia": -1}),
    ("Findings: Right lower lobe opacity may represent pneumonia.", {"Lung Opacity": 1, "Pneumonia": -1}),
    ("Findings: Opacity consistent with pneumonia.", {"Lung Opacity": 1, "Pneumonia": 1}),
    ("Findings: No consolidation. Impression: Possible consolidation.", {"Consolidation": -1}),
    ("Findings: Possible consolidation. Impression: Consolidation.", {"Consolidation": 1}),
    ("Findings: Atelectasis versus scar.", {"Atelectasis": -1, "Lung Opacity": -1}),
    ("Findings: Borderline cardiomegaly.", {"Cardiomegaly": -1}),
    ("Findings: Vascular congestion without edema.", {"Edema": 0}),
    ("Findings: Vascular congestion.", {"Edema": -1}),
    ("Findings: Pulmonary edema.", {"Edema": 1}),
    ("Findings: Nodular opacity.", {"Lung Opacity": 1, "Lung Lesion": 1}),
    ("Findings: 5 mm nodule.", {"Lung Lesion": 1}),
    ("Findings: Pleural thickening.", {"Pleural Other": 1}),
    ("Findings: Old rib fracture.", {"Fracture": 1}),
    ("Findings: Right PICC. Lungs are clear.", {"Support Devices": 1, "No Finding": 1, "Lung Opacity": 0}),
    ("Findings: The effusion has resolved.", {"Pleural Effusion": 0, "No Finding": 1}),
    ("Findings: Degenerative changes of the spine.", {}),
    ("Findings: Calcified granuloma.", {}),
    ("Indication: Pneumonia. Findings: Lungs are clear.", {"No Finding": 1, "Lung Opacity": 0}),
    ("INDICATION:  Effusion.\n\nFINDINGS:  Consolidation.\n\nIMPRESSION:  Pneumonia.",
     {"Consolidation": 1, "Pneumonia": 1}),
    ("Findings: Endotracheal tube has been removed.", {"Support Devices": 0, "No Finding": 1}),
    ("Findings: Pericardial effusion.", {}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("report", "expected"), TABLE)
def test_labels(report: str, expected: dict[str, int]) -> None:
    labels = label(report)
    assert list(labels) == list(pack().label_names)
    assert {str(finding): value for finding, value in labels.items() if value is not None} == expected


def test_evidence_quotes_the_report() -> None:
    report = "Indication: cough. Findings: No pleural effusion. The lungs are clear."
    evidence = label_evidence(report)
    (effusion,) = evidence["Pleural Effusion"]
    assert (effusion.value, effusion.quote.text, effusion.via) == (0, "No pleural effusion", None)
    assert report[effusion.quote.start : effusion.quote.end] == "No pleural effusion"


@pytest.mark.parametrize(
    ("report", "finding", "via"),
    [
        ("Findings: The lungs are clear.", "Consolidation", "clear_lungs"),
        ("Findings: The lungs are clear.", "Lung Lesion", "clear_lungs"),
        ("Impression: No acute cardiopulmonary process.", "Pneumothorax", "acute_cardiopulmonary_abnormality"),
    ],
)  # fmt: skip
def test_absence_that_follows_is_marked_as_such(report: str, finding: str, via: str) -> None:
    (entailed,) = label_evidence(report)[finding]
    assert (entailed.value, entailed.via) == (0, via)
    assert label(report)[finding] is None


@pytest.mark.parametrize(
    ("report", "finding"),
    [
        ("Findings: The lungs are clear.", "Lung Opacity"),
        ("Findings: Costophrenic angles are sharp.", "Pleural Effusion"),
        ("Findings: Cardiomediastinal silhouette is normal.", "Cardiomegaly"),
        ("Findings: Bony structures are intact.", "Fracture"),
    ],
)  # fmt: skip
def test_a_structure_that_is_normal_says_so_of_its_own_label(report: str, finding: str) -> None:
    (explicit,) = label_evidence(report)[finding]
    assert (explicit.value, explicit.via) == (0, None)
    assert label(report)[finding] == 0


def test_what_is_right_of_one_side_rules_nothing_out_for_the_other() -> None:
    assert label_evidence("Findings: The right lung is clear.")["Consolidation"] == []


def test_no_acute_abnormality_rules_out_no_fracture() -> None:
    assert label_evidence("Findings: No acute cardiopulmonary abnormality.")["Fracture"] == []


def test_labels_agree_with_the_indexers_of_openi(shared: Path) -> None:
    """Micro F1 over the columns that have a CheXpert label of their own; benchmarks/labels.py prints the table."""
    columns = {
        "Atelectasis": ("Atelectasis",),
        "Cardiomegaly": ("Cardiomegaly",),
        "Pleural Effusion": ("Effusion",),
        "Pneumonia": ("Pneumonia",),
        "Pneumothorax": ("Pneumothorax",),
        "Consolidation": ("Consolidation",),
        "Edema": ("Edema",),
        "Lung Lesion": ("Mass", "Nodule"),
    }
    folder = shared / "data" / "openi"
    with (folder / "indiana_reports.csv").open(encoding="utf-8") as file:
        reports = {
            f"CXR{row['uid']}": f"Findings: {row['findings']} Impression: {row['impression']}"
            for row in csv.DictReader(file)
        }
    agree = differ = 0
    with (folder / "openi_gold_labels_dev.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            evidence = label_evidence(reports[row["filename"]])
            for finding, names in columns.items():
                truth = any(row[name] == "1" for name in names)
                # The indexers code both sides of "X or Y", and what is borderline.
                guess = any(
                    each.value == 1 or each.hedge in {"alternative", "borderline"} for each in evidence[finding]
                )
                agree += truth and guess
                differ += truth is not guess
    assert 2 * agree / (2 * agree + differ) >= 0.92
