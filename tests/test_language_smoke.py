"""The first promise of the language layer: common sentences mean what a radiologist reads."""

import pytest

from miner.language import analyse


@pytest.mark.parametrize(
    ("sentence", "meaning"),
    [
        ("No effusion, pneumothorax or consolidation.", ["-pleural_effusion", "-pneumothorax", "-consolidation"]),
        ("Heart size is normal.", ["+normal_heart"]),
        ("The lungs are clear.", ["+clear_lungs"]),
        ("Pneumonia cannot be excluded.", ["?pneumonia"]),
    ],
)
def test_sentence_means(sentence: str, meaning: list[str]) -> None:
    signs = {("present", "certain"): "+", ("present", "uncertain"): "?", ("absent", "certain"): "-"}
    forms = [mention.form for mention in analyse(sentence).mentions]
    assert [signs[form.presence, form.certainty] + form.concept for form in forms] == meaning
