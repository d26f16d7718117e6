"""A pack is all there is to a modality: no code names its words, what does not fit is refused, another pack works."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.language.lexicon import build_lexicon, variants
from cxr.miner.pack import PackError, load_pack, pack
from cxr.prompts import available, load
from tests.conftest import ROOT, Cli

CODE = ("miner", "trainer", "schemas", "prompts", "cli.py", "cxr/__init__.py", "cxr/__main__.py")
# A reader of a corpus names that corpus's columns, files and titles, which are its owner's words and not ours.
CORPORA = ("miner/ingest/", "miner/commands/ingest.py")
TITLE_OF_THE_PAPER = "ChestX-Reasoner"

# Words of the pack that mean something else as well, by what they mean there; their plurals are meant, too.
# First the project's own vocabulary: every pack has findings, normals and devices. Then plain English: articles, sizes,
# places, qualities. Then computing: tree nodes, ports, colons of JSON, padding, clipped gradients, generators, the
# spines of a plot.
_SHARED_WORDS = """
finding other normal abnormal abnormality acute chronic change device support structure study lesion disease unnamed
midline examination exam right failure cxr

the line size position lower upper middle central low small level outside body base loss clear broken free soft wall
space angle shift enlarged diffuse healed density segment foreign deviation replacement monitoring marking collapse
whole hand foot

node port lead colon pad clip generator spine hardware compression
"""
GENERIC = frozenset(_SHARED_WORDS.split())


def words_of(text: str) -> set[str]:
    """Give the words of prose and of names in code, in lower case: `clear_lungs`, `ClearLungs` and "Clear lungs"."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def words_of_the_pack() -> set[str]:
    """Derive what code must not say: the words of labels, concepts, structures and places, and of the title."""
    names = [*pack().label_names, pack().about.title, *pack().anatomy.region, *pack().anatomy.part]
    single = [phrase for part in pack().anatomy.part.values() for phrase in part.phrases]
    for tables in pack().concepts.values():
        for name, concept in tables.items():
            names += [name, concept.name]
            single += concept.phrases
    names += [variant for phrase in single for variant in variants(phrase) if " " not in variant]
    words = {word for name in names for word in words_of(name) if len(word) > 2}
    return {word for word in words if word not in GENERIC and word.removesuffix("s") not in GENERIC}


def test_no_python_file_names_a_word_of_the_pack() -> None:
    forbidden = words_of_the_pack()
    forbidden |= {f"{word}s" for word in forbidden}
    assert {"lung", "pneumothorax", "cardiomegaly", "hilum", "chest", "pacemaker", "bony"} <= forbidden
    named = []
    for place in CODE:
        for path in sorted((ROOT / place).rglob("*.py")) or [ROOT / place]:
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(CORPORA):
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                found = words_of(line.replace(TITLE_OF_THE_PAPER, "")) & forbidden
                named += [f"{name}:{number} says {word}" for word in sorted(found)]
    assert named == []


def test_the_generic_words_are_words_of_the_pack() -> None:
    """The list of exceptions holds nothing that need not be excepted."""
    names = [*pack().label_names, *pack().anatomy.region, *pack().anatomy.part]
    names += [phrase for part in pack().anatomy.part.values() for phrase in part.phrases]
    for tables in pack().concepts.values():
        for name, concept in tables.items():
            names += [name, concept.name, *concept.phrases]
    assert {word for name in names for word in words_of(name)} >= GENERIC


# --- what does not fit is refused ------------------------------------------------------------------------------------

TOY = Path(__file__).parent / "toy_pack"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A pack of invented findings, to be changed."""
    folder = tmp_path / "toy"
    shutil.copytree(TOY, folder)
    return folder


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


FINDINGS, NORMALS = "lexicon/findings.toml", "lexicon/normals.toml"
QUOLL = '[Quoll]\nregion = "spindle"\nlook_for = ["knots along the spindle"]\n'
GONE = 'gone = "On the new scan there is no {finding} any more."\n'
# A file, what stands there, what is put in its place, and what is said of it.
BROKEN = [
    ("pack.toml", 'title = "toy scans"\n', "", "pack.toml: title is missing; add it"),
    (
        "pack.toml",
        '["lexicon/findings.toml"]',
        '"lexicon/findings.toml"',
        "pack.toml: findings is 'lexicon/findings.toml'",
    ),
    ("pack.toml", "chest_xray", "chest_ct", "there is no pack 'chest_ct'; there is chest_xray, or a folder of your"),
    ("labels.toml", '"Quoll"', '"Zarn"', "labels.toml: the file: the label 'Zarn' is declared twice; keep one"),
    ("labels.toml", '["Blorb"]', '["Blorp"]', "there is no label 'Blorp'; did you mean 'Blorb'?"),
    ("labels.toml", '["quoll"]', '["qoll"]', "label.4.core.1: there is no concept 'qoll'; did you mean 'quoll'?"),
    ("labels.toml", "none = true", 'none = "perhaps"', "label.1.none is 'perhaps': input should be a valid boolean"),
    ("labels.toml", "question = false\n", "", "one label at most says that there is nothing, without questions"),
    ("roles.toml", 'device = "widget"', 'device = "gadget"', "roles.toml: device: there is no concept 'gadget'"),
    ("roles.toml", '"disease"]', '"sickness"]', "there is no word of [generic] in lexicon/cues.toml 'sickness'"),
    (FINDINGS, '"spindle"', '"spindel"', "quoll.region: there is no region or place 'spindel'; did you mean 'spindle'"),
    (FINDINGS, 'is_a = ["blorb"]', 'isa = ["blorb"]', "zarn.isa is not known here; remove it or correct its name"),
    (FINDINGS, 'label = "Zarn"', 'label = "Zam"', "zarn.label: there is no label 'Zam'; declare it or remove it"),
    (FINDINGS, 'phrases = ["quoll"]', "phrases = [", "lexicon/findings.toml is no TOML"),
    (NORMALS, '["fipple"]', '["ripple"]', "straight_spindle.entails_absence.1: there is no concept 'ripple'"),
    ("lexicon/compounds.toml", '"quoll"]', '"qoll"]', "phrases.zarnoquoll.2: there is no concept 'qoll'"),
    ("anatomy.toml", "enlarged =", "enormous =", "region.spindle.states.enormous: there is no adjective 'enormous'"),
    (
        "anatomy.toml",
        '["glimmer"]\nphrases',
        '["gleam"]\nphrases',
        "part.glimmer_top.part_of.1: there is no place 'gleam'",
    ),
    (
        "relations.toml",
        'zarn = ["quoll"]',
        'zarn = ["qoll"]',
        "relations.toml: signs.zarn.1: there is no concept 'qoll'",
    ),
    ("relations.toml", 'zoned = "glimmer"', 'zoned = "liver"', "regions.zoned: there is no organ 'liver'"),
    ("relations.toml", "clear_glimmer =", "blorb =", "relations.toml: reasons.blorb: there is no normal 'blorb'"),
    ("questions.toml", "{finding}", "{thing}", "must have exactly these places to fill in: {finding}; correct it"),
    ("signs.toml", "[Quoll]", "[Squall]", "signs.toml: Squall: there is no label with questions 'Squall'"),
    ("signs.toml", QUOLL, "", "signs.toml has no entry Quoll; add it"),
    ("regions.toml", 'read_in = "glimmer"', 'read_in = "afar"', "glimmer.read_in: there is no region of signs.toml"),
    ("regions.toml", "[spindle]", "[glimmer.spindle]", "regions.toml: glimmer.spindle is not known here"),
    (
        "wording.toml",
        'sized = ["blorb"]',
        'sized = ["blob"]',
        "phrases.sized.1: there is no concept 'blob'; did you mean",
    ),
    ("wording.toml", GONE, "", "wording.toml: sentences.gone is missing; add it"),
    ("wording.toml", "is {answer}.", "is {answer.", "sentences.close_yes: the braces do not match"),
    (
        "nouns.toml",
        "glimmer_top =",
        "glimmer_tip =",
        "nouns.toml: places.glimmer_tip: there is no place 'glimmer_tip'; did you mean",
    ),
    ("example.toml", '"Quoll"', '"No Trouble"', "example.toml: other: there is no label with questions 'No Trouble'"),
]


@pytest.mark.parametrize(("file", "old", "new", "sentence"), BROKEN, ids=[f"{f}-{new}" for f, _, new, _ in BROKEN])
def test_a_table_that_does_not_fit_is_refused_with_what_to_change(
    toy: Path, file: str, old: str, new: str, sentence: str
) -> None:
    edit(toy / file, old, new)
    with pytest.raises(PackError) as refused:
        load_pack(str(toy))
    said = str(refused.value)
    assert sentence in said
    assert said.startswith("the pack toy: ") or "there is no pack" in said
    assert "\n" not in said


@pytest.mark.parametrize("file", sorted(path.relative_to(TOY).as_posix() for path in TOY.rglob("*.toml")))
def test_a_missing_table_is_named_unless_the_pack_below_has_it_and_it_fits(toy: Path, file: str) -> None:
    (toy / file).unlink()
    with pytest.raises(PackError, match=r"there is no pack|\.toml"):
        assert load_pack(str(toy)).phantom


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('lots = ["blorb"]', "lots = []", "`lots` must name each finding once: blorb; correct it"),
        ("There is a {what}", "There is a {size}", "the words of blorb have a place that cannot be filled"),
        ('absent = ["No blorb."]\n', "", "nothing says that blorb is absent"),
        ('zones = ["high"]', 'zones = ["low"]', "needs a height for each zone of blorb"),
        ('label = "Blorb"', 'label = "Blip"', "phantom.toml: finding.1.label: there is no label with questions 'Blip'"),
        ('shape = "pair"', 'shape = "pear"', "phantom.toml: picture.shape.1"),
    ],
)
def test_a_phantom_that_does_not_fit_is_refused_when_it_is_asked_for(
    toy: Path, old: str, new: str, sentence: str
) -> None:
    edit(toy / "phantom.toml", old, new)
    with pytest.raises(PackError) as refused:
        assert load_pack(str(toy)).phantom
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"quoll"]', '"quoll", "zarnosis"]', "'zarnosis' means"),
        ('[quoll]\nname = "quoll"\nregion = "spindle"\nis_a = ["trouble"]',
         '[quoll]\nname = "quoll"\nregion = "spindle"\nis_a = ["quoll"]', "break the cycle"),
    ],
)  # fmt: skip
def test_words_with_two_meanings_and_concepts_in_a_circle_are_refused(
    toy: Path, old: str, new: str, sentence: str
) -> None:
    edit(toy / "lexicon" / "findings.toml", old, new)
    with pytest.raises(PackError, match=sentence):
        build_lexicon(load_pack(str(toy)))


def test_the_command_line_says_it_in_one_sentence(cxr: Cli, toy: Path, tmp_path: Path) -> None:
    edit(toy / "roles.toml", 'whole_part = "whole"\n', "")
    (tmp_path / "reports.jsonl").write_text(json.dumps({"id": "1", "report": "A quoll."}) + "\n", encoding="utf-8")
    done = cxr("label", "reports.jsonl", "-o", "labels.jsonl", CXR_PACK=str(toy))
    assert (done.returncode, done.stderr.strip()) == (1, "cxr: the pack toy: roles.toml: whole_part is missing; add it")


# --- another pack, and no other Python -----------------------------------------------------------------------------

READINGS = [
    ("There is a large left zarn at the glimmer top. The spindle is normal. No quoll.", "Zarnosis."),
    ("The glimmer is clear. There is a quoll. No widget.", "Quoll."),
    ("There is a small right blorb. The spindle is enlarged. Two toy widgets are in place.", "Blorb. Bent spindle."),
]
# What the commands do, in one process: a pack is chosen for a process as a whole.
MAIN_JOB = """
import json
from pathlib import Path
from cxr.miner.ask.ask import ask
from cxr.miner.ask.settings import AskSettings
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import mine
from cxr.miner.mine.settings import MineSettings
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Licence
from cxr.trainer.phantom import write_phantom

def quiet(*_): pass

db = Path("toy.duckdb")
ingest(db, lambda: read_csv_corpus(Path("toy.csv"), {}, "toy", Licence.PUBLIC), quiet)
with Store.write(db) as store:
    ask(store, AskSettings(balance="none"))
    mine(store, RulesEngine(wording="plain"), MineSettings(engine="rules"), quiet)
    for row in store.rows("select q.task, q.text, c.text from questions q join chains c using (question_id)"):
        print(json.dumps(row))
    varied = mine(store, RulesEngine(), MineSettings(engine="rules"), quiet)
    assert varied.mined and not varied.rejects, varied
write_phantom(Path("world"), 6, size=28)
"""


def test_a_pack_alone_makes_labels_and_verdicts(cxr: Cli, tmp_path: Path) -> None:
    reports = [f"FINDINGS: {findings} IMPRESSION: {impression}" for findings, impression in READINGS]
    asked = [{"observation": "blorb", "status": "absent"}, {"observation": "quoll", "status": "present"}]
    lines = [json.dumps({"report": report, "findings": asked}) for report in reports]
    (tmp_path / "reports.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for command in ("label", "judge"):
        done = cxr(command, "reports.jsonl", "-o", f"{command}.jsonl", CXR_PACK=str(TOY))
        assert done.returncode == 0, done.stderr

    def read(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]

    names = ("No Trouble", "Blorb", "Zarn", "Quoll", "Fipple", "Widgets")
    assert [line["labels"] for line in read("label.jsonl")] == [
        dict(zip(names, values, strict=True))
        for values in ((None, None, 1, 0, 0, None), (None, None, None, 1, None, 0), (None, 1, None, None, 1, 1))
    ]
    said = [[(found["verdict"], found["reason"]) for found in line["findings"]] for line in read("judge.jsonl")]
    assert said == [
        [("contradicted", "kind_present"), ("supported", "entailed_by_sign")],
        [("supported", "entailed_by_clear_glimmer"), ("supported", "stated")],
        [("contradicted", "opposite_stated"), ("unmentioned_abnormal", "not_mentioned")],
    ]


def test_a_pack_alone_makes_questions_reasonings_and_phantoms(tmp_path: Path) -> None:
    with (tmp_path / "toy.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study_id", "patient_id", "findings", "impression"])
        writer.writerows([number, number, *READINGS[number % 3]] for number in range(9))
    environment = {**os.environ, "CXR_PACK": str(TOY)}
    done = subprocess.run(
        [sys.executable, "-c", MAIN_JOB], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    mined = [json.loads(line) for line in done.stdout.splitlines()]
    opened = {asked.split(" Options:")[0] for task, asked, _ in mined if task != "binary"}
    assert opened == {"What is on this toy scan?"}
    no, yes = sorted({said for _, asked, said in mined if asked == "Is there zarn on this toy scan?"})
    begun = "Does this toy scan show a zarn? I search for a zarn, that is, green spots with a rim. "
    assert no == f"{begun}No zarn is seen. So this toy scan does not show a zarn: the answer is No."
    assert yes == (
        f"{begun}The scan shows a huge left zarn in the top of the glimmer. So this toy scan shows a zarn: the "
        "answer is Yes."
    )
    assert (
        "I look at the whole toy scan. In the glimmer, I search for a blorb and a zarn. The scan shows a small right "
        "blorb. There is no zarn. In the spindle, I search for fipple and a quoll. The scan shows a bent spindle, a "
        "sort of fipple. There is no quoll. In the rest, I search for widgets. The scan shows multiple widgets. So "
        "this toy scan shows a blorb, fipple and widgets."
    ) in {said for task, _, said in mined if task == "anomaly"}
    assert "chest" not in done.stdout
    with (tmp_path / "world" / "phantom.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["Blorb"] for row in rows} == {"0", "1"}
    assert {row["impression"] for row in rows if row["Blorb"] == "0"} == {"No trouble."}


def test_a_pack_may_bring_prompts_of_its_own() -> None:
    own = load_pack(str(TOY)).prompts
    assert own is not None
    assert load("plan", of=own).system == "You read toy scans."
    assert "chest X-ray" in load("plan").system + load("chain").system
    assert load("chain", of=own) == load("chain")
    assert available(own).keys() == available().keys()
    assert pack().prompts is None
