"""The lexicon agrees with itself, and grows without touching code."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from cxr.miner.language import analyse, load_lexicon
from cxr.miner.language.entries import ROLES
from cxr.miner.language.lexicon import build_lexicon, variants
from cxr.miner.pack import PackError, load_pack, pack


def test_every_concept_names_its_source_and_a_readable_name() -> None:
    for concept in load_lexicon().concepts.values():
        assert concept.source, concept.id
        assert concept.name
        assert "_" not in concept.name


def test_no_two_concepts_share_a_name() -> None:
    names = Counter(concept.name for concept in load_lexicon().concepts.values())
    assert [name for name, count in names.items() if count > 1] == []


def test_labels_are_the_published_ones() -> None:
    for concept in load_lexicon().concepts.values():
        for label in filter(None, (concept.label, concept.label_possible, *concept.label_absent)):
            assert label in pack().label_names


def test_every_abnormality_is_reachable_from_the_root_or_a_device() -> None:
    lexicon = load_lexicon()
    for concept in lexicon.concepts.values():
        if concept.kind == "abnormality":
            assert "abnormality" in lexicon.ancestors[concept.id], concept.id
        elif concept.kind == "device":
            assert "device" in lexicon.ancestors[concept.id], concept.id


def test_every_concept_can_be_said() -> None:
    """Each has a phrase, or a structure whose state or abnormality makes it."""
    lexicon = load_lexicon()
    said = {concept for entry in lexicon.entries.values() for concept in entry.concepts}
    for region in lexicon.regions.values():
        named = (region.normal, region.abnormal, region.acute, region.lesion, *region.states.values())
        said |= set(filter(None, named))
    for concept in lexicon.concepts.values():
        said |= set(filter(None, (*concept.at.values(), concept.chronic_form)))
    # said by a rule of the reader: generic words without a structure
    said |= {"abnormality", "acute_cardiopulmonary_abnormality"}
    assert set(lexicon.concepts) - said == set()


@pytest.mark.parametrize(
    ("normal", "absent", "untouched"),
    [
        ("clear_lungs", ["consolidation", "pneumonia", "atelectasis", "edema", "nodule", "mass"], ["pleural_effusion"]),
        ("normal_heart", ["cardiomegaly"], ["lung_opacity"]),
        ("sharp_costophrenic_angles", ["pleural_effusion"], ["pneumothorax"]),
        ("normal_bones", ["fracture", "scoliosis", "degenerative_changes"], ["consolidation"]),
        ("normal_cardiomediastinum", ["cardiomegaly", "mediastinal_widening"], ["lung_opacity"]),
    ],
)
def test_normals_rule_out(normal: str, absent: list[str], untouched: list[str]) -> None:
    ruled_out = load_lexicon().ruled_out[normal]
    assert set(absent) <= ruled_out
    assert not set(untouched) & ruled_out


@pytest.mark.parametrize(
    "acute", ["pneumonia", "consolidation", "edema", "pleural_effusion", "pneumothorax", "heart_failure"]
)
def test_acute_abnormalities_are_what_no_acute_abnormality_denies(acute: str) -> None:
    assert acute in load_lexicon().descendants["acute_cardiopulmonary_abnormality"]


@pytest.mark.parametrize("chronic", ["scarring", "calcified_granuloma", "scoliosis", "fracture", "pacemaker", "hernia"])
def test_no_acute_abnormality_says_nothing_of_chronic_ones(chronic: str) -> None:
    assert chronic not in load_lexicon().descendants["acute_cardiopulmonary_abnormality"]


def test_alternatives_of_a_phrase_are_written_out() -> None:
    assert list(variants("[lung|] base")) == ["lung base", "base"]
    assert list(variants("effusion")) == ["effusion"]


def test_roles_are_single_bits() -> None:
    assert all(role.bit_count() == 1 for role in ROLES.values())
    assert len(set(ROLES.values())) == len(ROLES)


@pytest.fixture
def copied_data(tmp_path: Path) -> Path:
    copied = tmp_path / "pack"
    shutil.copytree(pack().folders[0], copied)
    return copied


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_synonym_needs_only_a_line_of_data(copied_data: Path) -> None:
    edit(
        copied_data / "lexicon" / "findings_chest.toml",
        'phrases = ["pneumothorax",',
        'phrases = ["pneumothorax", "air outside the lung",',
    )
    lexicon = build_lexicon(load_pack(str(copied_data)))
    assert lexicon.entries["air", "outside", "lung"].concepts == ("pneumothorax",)
    assert analyse("air outside the lung").mentions == ()  # the loaded lexicon is another one


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '[pneumothorax]\nname = "pneumothorax"',
            '[pneumothorax]\nname = "pneumothorax"\nentails = ["nowhere"]',
            "nowhere",
        ),
        ('phrases = ["pneumothorax",', 'phrases = ["pneumothorax", "hiatal hernia",', "hiatal hernia"),
        ('phrases = ["pneumothorax",', 'phrases = ["pneumothorax", "...",', "no words"),
        (
            '[abnormality]\nname = "abnormality"',
            '[abnormality]\nname = "abnormality"\nis_a = ["pneumothorax"]',
            "cycle",
        ),
    ],
)
def test_contradictions_are_refused_with_what_to_change(copied_data: Path, old: str, new: str, message: str) -> None:
    edit(copied_data / "lexicon" / "findings_chest.toml", old, new)
    with pytest.raises(PackError, match=message):
        build_lexicon(load_pack(str(copied_data)))
