"""`--weights significance`: what matters more to a patient counts more, beside RadRScore and never in it."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.judge.significance import Significances, load_significances
from cxr.miner.pack import PackError, load_pack, pack
from cxr.miner.pack.significance import SignificanceTable
from cxr.schemas import Significance
from tests.conftest import Cli
from tests.corpora import INVENTED, openi_rows, write_openi
from tests.predictions_world import evaluate, make_benchmark, predict

TENSION = "There is a right tension pneumothorax."
SPINE = "There are degenerative changes of the thoracic spine."
REFERENCE = f"{TENSION} {SPINE} The heart is normal in size. There is no pleural effusion."
REPORT = f"FINDINGS: {REFERENCE}"

RADRSCORE = ("factuality", "completeness", "effectiveness", "radrscore")


def scored(cxr: Cli, folder: Path, *predictions: str, **more: str) -> list[dict[str, Any]]:
    """Score predictions about one invented report, by significance."""
    common = {"report": REPORT, "reference": REFERENCE} | more
    rows = [{"id": str(number), "prediction": said} | common for number, said in enumerate(predictions)]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = cxr("radrscore", "in.jsonl", "-o", "out.jsonl", "--weights", "significance")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def weighted(cxr: Cli, folder: Path, *predictions: str, **more: str) -> list[float]:
    return [line["weighted"] for line in scored(cxr, folder, *predictions, **more)]


def test_a_missed_emergency_costs_more_than_a_missed_sign_of_age(cxr: Cli, tmp_path: Path) -> None:
    whole, without_spine, without_tension = scored(cxr, tmp_path, f"{TENSION} {SPINE}", TENSION, SPINE)
    assert whole["weighted"] == 1
    assert whole["weighted"] > without_spine["weighted"] > 0.9 > 0.5 > without_tension["weighted"]
    assert without_spine["radrscore"] == without_tension["radrscore"]
    told = {finding["observation"]: finding["significance"] for finding in whole["reference"]}
    assert told["right tension pneumothorax"] == "critical"
    assert sorted(value for value in told.values() if value) == ["critical", "routine"]


def test_also_where_the_report_names_nothing_else(cxr: Cli, tmp_path: Path) -> None:
    ages = weighted(cxr, tmp_path, "The lungs are clear.", report=f"FINDINGS: {SPINE}", reference=SPINE)
    emergency = weighted(cxr, tmp_path, "The lungs are clear.", report=f"FINDINGS: {TENSION}", reference=TENSION)
    assert ages > emergency > [0.0]


def test_normals_that_go_unmentioned_cost_nothing(cxr: Cli, tmp_path: Path) -> None:
    told, untold, more = scored(
        cxr, tmp_path, REFERENCE, f"{TENSION} {SPINE}", f"{REFERENCE} There is no rib fracture. The hila are normal."
    )
    assert told["weighted"] == untold["weighted"] == more["weighted"] == 1
    assert told["radrscore"] > untold["radrscore"]


@pytest.mark.parametrize(
    ("wrong", "denied"),
    [
        ("There is a large left pleural effusion.", "There is no pleural effusion."),
        ("There is a small right pleural effusion.", "There is no left pleural effusion."),
        ("There is a small left pleural effusion, decreased from the prior study.", "The pleura is normal."),
    ],
)
def test_a_wrong_detail_costs_less_than_silence_and_silence_less_than_a_denial(
    cxr: Cli, tmp_path: Path, wrong: str, denied: str
) -> None:
    effusion = "There is a small left pleural effusion, increased from the prior study."
    right, detail, silent, denial = weighted(
        cxr, tmp_path, effusion, wrong, "The heart is normal in size.", denied, report=effusion, reference=effusion
    )
    assert right == 1
    assert right > detail > denial
    assert silent > denial


def test_an_invented_emergency_costs_more_than_an_invented_sign_of_age(cxr: Cli, tmp_path: Path) -> None:
    normal = {"report": "FINDINGS: The lungs are clear. No effusion.", "reference": "The lungs are clear."}
    nothing, age, emergency = weighted(cxr, tmp_path, "The lungs are clear.", SPINE, TENSION, **normal)
    assert nothing == 1 > age > emergency > 0


def test_a_denial_costs_what_the_report_names(cxr: Cli, tmp_path: Path) -> None:
    denial = "There is no pneumothorax."
    small = "There is a right pneumothorax."
    (of_any,) = weighted(cxr, tmp_path, denial, report=small, reference="The heart is normal in size.")
    (of_tension,) = weighted(cxr, tmp_path, denial, report=TENSION, reference="The heart is normal in size.")
    assert of_any > of_tension


def test_a_thing_that_is_told_twice_is_missed_once(cxr: Cli, tmp_path: Path) -> None:
    once, twice = (
        "There is a small left pleural effusion.",
        "There is a small left pleural effusion. Effusion is noted.",
    )
    two_sides = "There is a small left pleural effusion. There is a small right pleural effusion."
    missed = [
        weighted(cxr, tmp_path, "The heart is normal in size.", report=said, reference=said)[0]
        for said in (once, twice, two_sides)
    ]
    assert missed[0] == missed[1] > missed[2]


def test_a_hedge_that_is_missed_or_invented_costs_less_than_an_assertion(cxr: Cli, tmp_path: Path) -> None:
    hedge, sure = "Possible pneumonia in the left lung.", "There is pneumonia in the left lung."
    normal = "The heart is normal in size."
    missed = [weighted(cxr, tmp_path, normal, report=said, reference=said)[0] for said in (hedge, sure)]
    invented = weighted(cxr, tmp_path, hedge, sure, report=normal, reference=normal)
    assert missed == invented
    assert 1 > missed[0] > missed[1]


# What a report says, and what may be said of it, from the best to the worst; written before any of it was scored.
LADDERS = [
    (
        "There is a large left pneumothorax. Degenerative changes of the spine.",
        "There is a large left pneumothorax.",
        "There is a small left pneumothorax.",
        "There is a large right pneumothorax.",
        "The heart is normal in size.",
        "There is no pneumothorax.",
    ),
    (
        "Consolidation in the right lower lobe. Small right pleural effusion.",
        "Consolidation in the right lower lobe.",
        "Small right pleural effusion.",
        "The heart is normal in size.",
        "No consolidation. No pleural effusion.",
    ),
    (
        "The heart is normal in size.",
        "The heart is normal in size. Degenerative changes of the spine.",
        "The heart is normal in size. There is a nodule in the left upper lobe.",
        "The heart is normal in size. There is pneumonia in the left upper lobe.",
        "The heart is normal in size. There is a left tension pneumothorax.",
    ),
    (
        "There is an 8 mm nodule in the right upper lobe.",
        "There is a 4 mm nodule in the right upper lobe.",
        "There is an 8 mm nodule in the left upper lobe.",
        "The heart is normal in size.",
        "There is no nodule.",
    ),
    (
        "Hyperinflated lungs. Tortuous aorta. Hiatal hernia. Acute left rib fracture.",
        "Tortuous aorta. Hiatal hernia. Acute left rib fracture.",
        "Hiatal hernia. Acute left rib fracture.",
        "Acute left rib fracture.",
        "Hyperinflated lungs. Tortuous aorta. Hiatal hernia.",
        "Hyperinflated lungs. Tortuous aorta. Hiatal hernia. No rib fracture.",
    ),
    (
        "Free air under the right hemidiaphragm. Mild left basilar atelectasis.",
        "Free air under the right hemidiaphragm.",
        "Mild left basilar atelectasis.",
        "Mild left basilar atelectasis. No free air.",
    ),
    (
        "Cardiomegaly. Pulmonary edema. Bilateral pleural effusions.",
        "Pulmonary edema. Bilateral pleural effusions.",
        "Cardiomegaly. Bilateral pleural effusions.",
        "Cardiomegaly.",
        "Normal heart size. No pulmonary edema. No pleural effusion.",
    ),
    (
        "Small left pleural effusion, increased from the prior study.",
        "Small left pleural effusion, unchanged from the prior study.",
        "The heart is normal in size.",
        "No pleural effusion.",
    ),
    (
        "Possible left lower lobe pneumonia. Calcified granuloma in the right lung.",
        "Possible left lower lobe pneumonia.",
        "Calcified granuloma in the right lung.",
        "No pneumonia. Calcified granuloma in the right lung.",
    ),
    (
        "Mediastinal widening. Median sternotomy wires. Old right rib fracture.",
        "Mediastinal widening. Median sternotomy wires.",
        "Mediastinal widening.",
        "Median sternotomy wires. Old right rib fracture.",
        "Normal mediastinum. Median sternotomy wires. Old right rib fracture.",
    ),
    (
        "The endotracheal tube ends in the right main bronchus. Sternotomy wires.",
        "The endotracheal tube ends in the right main bronchus.",
        "There is an endotracheal tube. Sternotomy wires.",
        "Sternotomy wires.",
        "No endotracheal tube.",
    ),
    (
        "Large right pleural effusion. The heart is normal in size.",
        "Moderate right pleural effusion. The heart is normal in size.",
        "The heart is normal in size.",
        "No pleural effusion. The heart is normal in size.",
    ),
    (
        "There is a left tension pneumothorax.",
        "There is a left pneumothorax.",
        "There is a right pneumothorax.",
        "The heart is normal in size.",
        "There is no pneumothorax.",
    ),
    (
        "Consolidation in the left upper lobe.",
        "Opacity in the left upper lobe.",
        "The heart is normal in size.",
        "The lungs are clear.",
    ),
]


@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: ladder[0][:30])
def test_what_a_radiologist_calls_worse_scores_lower(cxr: Cli, tmp_path: Path, ladder: tuple[str, ...]) -> None:
    found = weighted(cxr, tmp_path, *ladder, report=ladder[0], reference=ladder[0])
    assert found[0] == 1
    assert all(better > worse for better, worse in pairwise(found)), found


def test_a_misplaced_tube_is_an_emergency_and_a_placed_one_is_not(cxr: Cli, tmp_path: Path) -> None:
    said = "The endotracheal tube ends 5 cm above the carina. The endotracheal tube ends in the right main bronchus."
    (line,) = scored(cxr, tmp_path, said)
    assert [finding["significance"] for finding in line["prediction"]] == ["notable", "critical"]


def test_without_the_option_the_output_is_as_before(cxr: Cli, tmp_path: Path) -> None:
    (line,) = scored(cxr, tmp_path, TENSION)
    done = cxr("radrscore", "in.jsonl", "-o", "plain.jsonl")
    assert done.returncode == 0, done.stderr
    plain = json.loads((tmp_path / "plain.jsonl").read_text())
    assert {name: plain[name] for name in RADRSCORE} == {name: line[name] for name in RADRSCORE}
    assert not {"weighted", "weights"} & plain.keys()
    assert all("significance" not in finding for finding in (*plain["prediction"], *plain["reference"]))
    done = cxr("radrscore", "in.jsonl", "-o", "plain.jsonl", "--weights", "importance")
    assert done.returncode == 2
    assert "weights" in done.stderr


SIGNIFICANT = {
    "tension_pneumothorax": "critical",
    "free_air": "critical",
    "pneumothorax": "urgent",
    "infiltrate": "urgent",
    "nodule": "notable",
    "nodular_opacity": "notable",
    "picc": "notable",
    "osteophytes": "routine",
    "hiatal_hernia": "routine",
    "surgical_clips": "routine",
}


@pytest.mark.parametrize(("concept", "significance"), SIGNIFICANT.items())
def test_concepts_have_the_significance_of_what_they_are_kinds_of(concept: str, significance: str) -> None:
    assert load_significances().of(concept) == significance


def test_the_nearest_kind_counts_and_of_several_the_highest() -> None:
    level = {"source": "invented"}
    table = SignificanceTable.model_validate(
        {
            "default": "routine",
            "level": [
                {"significance": "urgent", "concepts": ["far"], **level},
                {"significance": "notable", "concepts": ["near", "own"], **level},
                {"significance": "critical", "concepts": ["beside"], **level},
            ],
        }
    )
    parents = {"far": (), "near": ("far",), "own": ("beside",), "beside": (), "both": ("near", "beside"), "alone": ()}
    found = Significances(table, parents | {"kind": ("near",)})
    said = {name: str(found.of(name)) for name in ("kind", "own", "both", "alone", "unheard of")}
    assert said == {
        "kind": "notable", "own": "notable", "both": "critical", "alone": "routine", "unheard of": "routine",
    }  # fmt: skip


def test_every_entry_of_the_pack_says_where_it_comes_from_and_costs_fall() -> None:
    table = pack().significance
    assert all(level.source for level in table.level)
    assert all(circumstance.source for circumstance in table.circumstance)
    costs = [table.weights[significance] for significance in Significance]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)
    details = {str(error): share for error, share in table.details.items()}
    assert details["severity"] < details["side"] < details["presence"] == 1


def test_a_pack_without_the_table_weighs_all_findings_alike(cxr: Cli, tmp_path: Path) -> None:
    toy = tmp_path / "toy"
    shutil.copytree(Path(__file__).parent / "toy_pack", toy)
    assert set(load_pack(str(toy)).significance.weights.values()) == {1.0}
    assert len(load_pack(str(toy)).digest) == 64
    row = {"id": "1", "report": "FINDINGS: There is a quoll.", "reference": "A quoll.", "prediction": "No quoll."}
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    done = cxr("radrscore", "in.jsonl", "-o", "out.jsonl", "--weights", "significance", CXR_PACK=str(toy))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.jsonl").read_text())["weighted"] < 1


LEVEL = '[[level]]\nsignificance = "urgent"\nsource = "a"\nconcepts = ["quoll"]\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (LEVEL.replace("quoll", "quolls"), "did you mean 'quoll'?"),
        (LEVEL.replace("urgent", "soon"), "significance is 'soon'"),
        (LEVEL.replace('source = "a"\n', ""), "source is missing; add it"),
        (2 * LEVEL, "'quoll' has a significance twice"),
        ("[weights]\ncritical = 2\n", "weights has no entry notable; add it"),
        (LEVEL.replace("level", "circumstance"), "does not say when it holds"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    toy = tmp_path / "toy"
    shutil.copytree(Path(__file__).parent / "toy_pack", toy)
    (toy / "significance.toml").write_text(text)
    with pytest.raises(PackError) as refused:
        load_pack(str(toy))
    assert str(refused.value).startswith("the pack toy: significance.toml: ")
    assert sentence in str(refused.value)


def test_score_weighs_what_was_scored_without_and_says_it_once(cxr: Cli, tmp_path: Path) -> None:
    write_openi(tmp_path / "openi", openi_rows([each for each in INVENTED for _ in range(8)]))
    for command in (("ingest", "openi", "openi"), ("ask",), ("mine",), ("score",)):
        done = cxr(*command)
        assert done.returncode in {0, 4}, done.stderr
    query = "select chain_id, radrscore from scores order by all"

    def rows(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(tmp_path / "cxr.duckdb"), read_only=True) as store:
            return store.execute(sql).fetchall()

    before, verdicts = rows(query), rows("select count(*) from findings")
    assert rows("select count(weighted) from scores") == [(0,)]
    done = cxr("score", "--weights", "significance")
    assert done.returncode == 0, done.stderr
    assert "weighted" in done.stdout
    assert "another version" not in done.stderr
    assert (rows(query), rows("select count(*) from findings")) == (before, verdicts)
    assert rows("select count(*) from scores where weighted between 0 and 1 and weights like 'significance %'") == [
        (len(before),)
    ]
    for options in (("--weights", "significance"), ()):
        assert "0 chains scored" in cxr("score", *options).stderr


def test_evaluate_shows_the_weighted_score_where_it_is_asked_for(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    predict(tmp_path)
    plain = evaluate(tmp_path, "--format", "json")
    assert plain.returncode == 0, plain.stderr
    assert all("weighted" not in row for row in json.loads(plain.stdout))
    weighed = evaluate(tmp_path, "--format", "json", "--weights", "significance")
    assert weighed.returncode == 0, weighed.stderr
    found = [row for row in json.loads(weighed.stdout) if row["radrscore"]["value"] is not None]
    assert found
    assert all(row["weighted"]["value"] == pytest.approx(1) for row in found)
    assert "0 predictions scored" in evaluate(tmp_path, "--weights", "significance").stderr
    assert "0 predictions scored" in evaluate(tmp_path).stderr
