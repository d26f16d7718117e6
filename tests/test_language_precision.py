"""What must not be read into a sentence: neighbours, quotes cut too short, sides and places of something else."""

import pytest

from cxr.miner.language import analyse
from cxr.miner.language.labeler import label
from tests.language import read

TABLE = [
    # the size of something in a structure is no size of the structure
    ("Large calcified mediastinal and right hilar granulomas.",
     ["+calcified_granuloma right hilum mediastinum severe"]),
    ("Enlarged heart and hilar granulomas.", ["+cardiomegaly", "+granuloma hilum"]),
    ("Prominent mediastinal and hilar contours.", ["+mediastinal_widening", "+hilar_enlargement"]),
    # what stands after "of the" is a place
    ("Bony structures of the thorax are intact.", ["+normal_bones"]),
    ("Intact osseous structures of the chest.", ["+normal_bones"]),
    ("The contours of the heart and mediastinum are normal.", ["+normal_heart", "+normal_mediastinum"]),
    # a denied course denies nothing
    ("No findings of disease progression.", []),
    ("No progression of disease.", []),
    ("No evidence of disease.", ["-abnormality"]),
    # places
    ("Opacity in the superior segment of the left lower lobe.",
     ["+lung_opacity left superior_segment lower_lobe"]),
    ("There is an opacity posterior to the left heart.", ["+lung_opacity left retrocardiac"]),
    ("Degenerative change at the base of the glenoid.", ["+degenerative_changes shoulder"]),
    ("Atelectasis at the base of the left lung.", ["+atelectasis left lung_base"]),
    ("Stable cardiomegaly and stable mediastinal contours.", ["+cardiomegaly unchanged"]),
    # sides
    ("Left pacemaker with right ventricular leads.", ["+pacemaker left", "+pacemaker"]),
    ("Right IJ catheter tip in the right atrium.", ["+central_line right atrium"]),
    ("Two nodules are seen in the lungs.", ["+nodule multiple"]),
    # the normal heart
    ("Heart size is at upper limits normal.", ["+normal_heart"]),
    ("Heart size is at the upper limits of normal.", ["+normal_heart"]),
    # undecided even where one of the two has no name
    ("XXXX pleural effusion versus positioning.", ["?pleural_effusion"]),
    # an adjective that is weighed against a finding is one of the same structure
    ("XXXX pleural effusion versus thickening.", ["?pleural_effusion", "?pleural_thickening"]),
    # the density of bone is no opacity
    ("Bone density is decreased.", ["+osteopenia"]),
    ("Normal bone density.", ["+normal_bones"]),
    # change
    ("The effusion is slightly decreased in size.", ["+pleural_effusion improved"]),
    ("The opacities have minimally increased in extent.", ["+lung_opacity worsened"]),
    ("Unchanged appearance of the bilateral consolidations.", ["+consolidation bilateral unchanged"]),
    ("The heart has slightly increased in size.", ["+cardiomegaly worsened"]),
    ("Lung volumes are slightly decreased.", ["+hypoinflation minimal"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), TABLE, ids=[text for text, _ in TABLE])
def test_reads_no_more_and_no_less(text: str, meaning: list[str]) -> None:
    assert sorted(read(text)) == sorted(meaning)


@pytest.mark.parametrize(
    "text",
    [
        "Bilateral ureteral stents are noted.",
        "Embolization coils in the splenic region.",
        "Biliary stent in place.",
        "IVC filter is present.",
        "Left hip arthroplasty.",
    ],
)
def test_devices_outside_of_the_chest_are_no_support_devices(text: str) -> None:
    assert label(f"Findings: {text}")["Support Devices"] is None
    assert analyse(text).mentions


def test_large_granulomas_widen_no_mediastinum() -> None:
    labels = label("Findings: Large calcified mediastinal and right hilar granulomas.")
    assert labels["Enlarged Cardiomediastinum"] is None
