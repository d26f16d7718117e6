"""What one report says of a hand, a knee or a hip is no finding of the chest; what it says of the chest is."""

import pytest

from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.labeler import label

TABLE = [
    # under a heading
    ("Chest. No pneumothorax. Hand. There is a displaced fracture.", {"Pneumothorax": 0, "Fracture": None}),
    ("FINDINGS: Clear. IMPRESSION: Hand 1. Displaced fracture. Chest 1. No effusion.",
     {"Fracture": None, "Pleural Effusion": 0}),
    ("FINDINGS: Left knee: Large effusion. Chest: No pneumothorax.", {"Pleural Effusion": None, "Pneumothorax": 0}),
    ("Chest X-ray: Lungs clear. Right ankle: Oblique fracture. Small effusion.",
     {"Lung Opacity": 0, "Fracture": None, "Pleural Effusion": None}),
    ("Hand. No fracture. Chest. Rib fracture.", {"Fracture": 1}),
    ("Hand. No acute bony abnormality. Chest. Small effusion.", {"Fracture": None, "Pleural Effusion": 1}),
    ("FINDINGS: Left wrist: fracture.\nIMPRESSION: Rib fracture.", {"Fracture": 1}),
    ("Knee: No effusion. Lungs: Clear. Pleura: Small effusion.", {"Pleural Effusion": 1}),
    ("Pelvis: Fracture. Other: Pneumothorax.", {"Fracture": None, "Pneumothorax": 1}),
    # by its place
    ("Fracture of the scaphoid. No pneumothorax.", {"Fracture": None, "Pneumothorax": 0}),
    ("No rib fracture. Old fracture of the distal radius.", {"Fracture": 0}),
    ("A femoral neck fracture is seen. Heart size is normal.", {"Fracture": None, "Cardiomegaly": 0}),
    ("Small knee effusion. Small left pleural effusion.", {"Pleural Effusion": 1}),
    ("Fractures of the left ribs and the pelvis.", {"Fracture": 1}),
    # and what is none of it
    ("Fracture of the humerus.", {"Fracture": 1}),
    ("On the other hand, there is a small effusion.", {"Pleural Effusion": 1}),
    ("Right femoral line with its tip in the IVC.", {"Support Devices": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("report", "labels"), TABLE, ids=[report for report, _ in TABLE])
def test_another_part_of_the_body_sets_no_label_of_the_chest(report: str, labels: dict[str, int | None]) -> None:
    said = label(report)
    assert {name: said[name] for name in labels} == labels


def test_it_is_read_all_the_same() -> None:
    concepts = [mention.form.concept for mention in analyse_report("Hand. Displaced fracture.").mentions]
    assert concepts == ["limb_abnormality"]
