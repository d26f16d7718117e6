"""Credit by steps and groups that teach nothing: advantages by hand, tokens by their text, groups answered again."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from transformers import AutoTokenizer  # noqa: E402

from cxr.miner.judge import RulesJudge  # noqa: E402
from cxr.schemas import Finding, JudgedFinding, Span  # noqa: E402
from cxr.schemas.vocabulary import Verdict  # noqa: E402
from cxr.trainer.models.families import FAMILIES  # noqa: E402
from cxr.trainer.models.tiny import build_tiny  # noqa: E402
from cxr.trainer.reward.process import GroundedReward, ProcessReward  # noqa: E402
from cxr.trainer.reward.rewards import format_reward  # noqa: E402
from cxr.trainer.reward.steps import wrong_sentences  # noqa: E402
from cxr.trainer.train.advantages import Rewards, advantages, equal_groups, with_group_means  # noqa: E402
from cxr.trainer.train.groups import by_token, rows_again  # noqa: E402
from cxr.trainer.train.settings import Scale  # noqa: E402
from cxr.trainer.train.tokens import tokens_within  # noqa: E402
from tests.rewarding import REPORT, TRUE, reasoned  # noqa: E402

NAN = float("nan")
SCALES: tuple[Scale, ...] = ("group", "batch", "none", "normalize_then_sum")


def spread(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def of_sequences(rows: Sequence[Sequence[float]], scale: Scale, group: int = 2) -> list[float]:
    """Return the advantages of a batch, with weights of 1 and 2, and check that both kinds of tokens have the same."""
    found = advantages(Rewards.of_sequences(torch.tensor(rows)), torch.tensor([1.0, 2.0]), group, scale)
    assert found[:, 0].tolist() == found[:, 1].tolist()
    return [float(value) for value in found[:, 0]]


# Two groups of two; the totals, with weights of 1 and 2, are 1, 3, 0 and 1.
BATCH = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.5]]


def test_advantages_of_sequences_under_each_scale_by_hand() -> None:
    root = 2**0.5
    assert of_sequences(BATCH, "none") == pytest.approx([-1, 1, -0.5, 0.5])
    by_group = [-1 / (root + 1e-4), 1 / (root + 1e-4), -0.5 / (root / 2 + 1e-4), 0.5 / (root / 2 + 1e-4)]
    assert of_sequences(BATCH, "group") == pytest.approx(by_group, abs=1e-4)
    whole = spread([1, 3, 0, 1])
    assert of_sequences(BATCH, "batch") == pytest.approx([-1 / whole, 1 / whole, -0.5 / whole, 0.5 / whole], abs=1e-4)
    # The first reward is equal in each group; the second is -0.707 and 0.707 in each, twice, and so normalized again.
    each = 3**0.5 / 2
    assert of_sequences(BATCH, "normalize_then_sum") == pytest.approx([-each, each, -each, each], abs=1e-3)


def test_advantages_of_steps_under_group_by_hand() -> None:
    """One completion of two has a wrong sentence, a quarter of its tokens: format 1, process 0.5 of which 0.9 is left.

    Its other tokens have 1.9, the wrong ones 1; the other completion has 1 + 0.2.
    """
    rewards = torch.tensor([[1.0, 0.5], [1.0, 0.2]])
    given = Rewards.of_steps(rewards, 1, torch.tensor([0.25, 0.0]), torch.tensor([0.9, 0.0]))
    mean = (0.75 * 1.9 + 0.25 * 1.0 + 1.2) / 2
    width = (((1.9 - mean) ** 2 + (1 - mean) ** 2) / 2 + (1.2 - mean) ** 2) ** 0.5 + 1e-4
    found = advantages(given, torch.ones(2), 2, "group")
    assert found[0].tolist() == pytest.approx([(1.9 - mean) / width, (1 - mean) / width])
    assert found[0].tolist() == pytest.approx([0.908, -0.859], abs=1e-3)
    assert found[1, 0].item() == pytest.approx((1.2 - mean) / width)
    assert 0.75 * found[0, 0] + 0.25 * found[0, 1] + found[1, 0] == pytest.approx(0, abs=1e-6)
    unscaled = advantages(given, torch.ones(2), 2, "none")
    assert unscaled[0].tolist() == pytest.approx([1.9 - mean, 1 - mean])


@pytest.mark.parametrize("share", [0.5, 0.01, 1e-6])
def test_a_single_wrong_sentence_has_a_bounded_advantage_however_short(share: float) -> None:
    rewards = torch.ones(8, 1)
    shares = torch.tensor([share] + [0.0] * 7)
    found = advantages(Rewards.of_steps(rewards, 0, shares, torch.ones(8)), torch.ones(1), 8, "group")
    assert -(14**0.5) < found[0, 1] < -2
    assert (found[1:, 0] >= 0).all()


@pytest.mark.parametrize("scale", SCALES)
def test_a_batch_without_a_wrong_sentence_has_what_sequences_have(scale: Scale) -> None:
    rewards = torch.tensor(BATCH)
    none = Rewards.of_steps(rewards, 1, torch.zeros(4), torch.full((4,), 0.9))
    weights = torch.tensor([1.0, 2.0])
    assert torch.equal(
        advantages(none, weights, 2, scale), advantages(Rewards.of_sequences(rewards), weights, 2, scale)
    )


@pytest.mark.parametrize("scale", SCALES)
def test_tokens_of_wrong_sentences_have_less_than_the_rest_of_their_completion(scale: Scale) -> None:
    rewards = torch.tensor(BATCH)
    given = Rewards.of_steps(rewards, 1, torch.tensor([0, 0.3, 0, 0.1]), torch.tensor([0, 1.0, 0, 0.75]))
    found = advantages(given, torch.ones(2), 2, scale)
    assert (found[[1, 3], 0] > found[[1, 3], 1]).all()
    assert found.isfinite().all()


@pytest.mark.parametrize("scale", SCALES)
def test_what_could_not_be_judged_moves_nothing_under_any_scale(scale: Scale) -> None:
    """One of a group unjudged stands at its mean; a group that is unjudged whole differs by its other rewards alone."""
    full, filled = with_group_means(torch.tensor([[1.0, 0.2], [1.0, NAN], [1.0, 0.8]]), 3)
    assert filled == [0, 1]
    alone = advantages(Rewards.of_sequences(full), torch.ones(2), 3, scale)[:, 0]
    assert alone[1].item() == pytest.approx(0, abs=1e-6)
    assert alone[0] < 0 < alone[2]
    full, filled = with_group_means(torch.tensor([[1.0, NAN], [0.0, NAN], [1.0, 0.5], [1.0, 0.5]]), 2)
    assert filled == [0, 0]
    whole = advantages(Rewards.of_sequences(full), torch.ones(2), 2, scale)[:, 0]
    assert whole[0] == -whole[1] > 0
    assert whole[2:].tolist() == pytest.approx([0, 0], abs=1e-6)
    nothing = advantages(Rewards.of_sequences(torch.full((2, 2), NAN)), torch.ones(2), 2, scale)
    assert nothing.tolist() == [[0, 0], [0, 0]]


def test_equal_groups_are_those_in_which_nothing_is_better() -> None:
    rewards = torch.tensor(
        [[1.0, 0.5], [1.0, 0.5], [1.0, 0.0], [0.0, 1.0], [0.0, NAN], [1.0, NAN], [NAN, NAN], [NAN, NAN]]
    )
    plain, ones = Rewards.of_sequences(rewards), torch.ones(2)
    assert equal_groups(plain, ones, 2, "group") == [True, True, False, True]
    assert equal_groups(plain, ones, 2, "normalize_then_sum") == [True, False, False, True]
    assert equal_groups(plain, torch.tensor([0.0, 1.0]), 2, "normalize_then_sum") == [True, False, True, True]
    by_steps = Rewards.of_steps(rewards, 1, torch.tensor([0.2, 0.2, 0, 0, 0, 0, 0, 0]), torch.full((8,), 0.9))
    assert equal_groups(by_steps, ones, 2, "group") == [False, True, False, True]


def test_every_process_answers_as_many_again() -> None:
    equal = [True, True, False, False, False, False]  # two groups a process, of two each
    assert [rows_again(equal, 2, 4, process) for process in range(3)] == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
    some = [False, True, False, False, True, False]
    assert [rows_again(some, 2, 4, process) for process in range(3)] == [[2, 3], [0, 1], [0, 1]]
    assert rows_again([False] * 6, 2, 4, 1) == []
    # A group of four in two processes of two rows each: nothing smaller is whole.
    assert rows_again([False, True], 4, 2, 0) == [0, 1]


def test_marked_tokens_have_the_second_advantage_and_padding_the_first() -> None:
    values = torch.tensor([[1.0, -1.0], [0.5, 0.0]])
    assert by_token(values, [[False, True], None], 3).tolist() == [[1, -1, 1], [0.5, 0.5, 0.5]]


# Tokens.


@pytest.fixture(scope="module", params=FAMILIES)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    build_tiny(folder, request.param)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    "think",
    [
        "There is an effusion. [The heart is large.] No pneumothorax.",
        "Ein Erguß, größer als zuvor. [Das Herz ist groß 🫀🫁.] Kein Pneumothorax.",
        "有胸腔积液。 [心脏 large 心脏🫀] No pneumothorax.",
    ],
)
def test_the_tokens_of_a_sentence_are_found_in_any_text(tokenizer: Any, think: str) -> None:
    """The brackets stand for where the sentence is."""

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=True))

    bracketed = f"<think> {think} </think><answer> B </answer>"
    start, end, text = bracketed.index("["), bracketed.index("]") - 1, re.sub(r"[\[\]]", "", bracketed)
    ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    marked = tokens_within([(start, end)], text, ids, decode)
    assert marked is not None
    own = [at for at, is_in in enumerate(marked) if is_in]
    assert own == list(range(own[0], own[-1] + 1))
    assert len(decode(ids[: own[0]])) <= start
    assert decode(ids[: own[-1] + 1]).startswith(text[:end])
    # Nothing more than the tokens that write it: without the outer ones a part is missing.
    assert len(decode(ids[: own[0] + 1])) > start
    assert not decode(ids[: own[-1]]).startswith(text[:end])
    assert marked[-1] is False
    assert tokens_within([(start, end)], text, ids[:-4], decode) is None  # cut at the limit: it is another text
    assert tokens_within([], text, ids, decode) == [False] * len(ids)


# What is wrong, and what would be left.


def judged(observation: str, verdict: Verdict, span: tuple[int, int] | None = None) -> JudgedFinding:
    where = None if span is None else Span(start=span[0], end=span[1])
    return JudgedFinding(finding=Finding(observation=observation, span=where), verdict=verdict, reason="said")


def test_a_sentence_is_wrong_by_where_its_judge_or_its_words_say() -> None:
    text = "The heart is normal. There is a 2.5 cm mass. No effusion."
    second = (21, 44)
    assert text[slice(*second)] == "There is a 2.5 cm mass."
    assert wrong_sentences(text, [judged("mass", Verdict.UNMENTIONED_ABNORMAL, (39, 43))]) == (second,)
    assert wrong_sentences(text, [judged("Mass", Verdict.CONTRADICTED)]) == (second,)
    assert wrong_sentences(text, [judged("heart", Verdict.SUPPORTED), judged("x", Verdict.NOT_ASSESSABLE)]) == ()
    assert wrong_sentences(text, [judged("mass", Verdict.CONTRADICTED), judged("nodule", Verdict.CONTRADICTED)]) == ()


@pytest.mark.parametrize("kind", [ProcessReward, GroundedReward])
def test_the_process_reward_says_which_sentences_are_wrong_and_what_is_left(kind: type[ProcessReward]) -> None:
    wrong = "There is a right rib fracture."
    texts = [reasoned(TRUE), reasoned(f"{TRUE} {wrong}"), reasoned(wrong), f"<think> {wrong}", "<answer> B </answer>"]
    columns: dict[str, Any] = {
        "mode": ["reasoning"] * 4 + ["answer_only"],
        "report": [REPORT] * 4 + [None],
        "reference": [TRUE] * 4 + [None],
    }
    reward = kind(RulesJudge(), by_steps=True)
    values = reward(texts, **columns)
    assert values[:1] + values[2:] == [1, 0, 0, None]
    assert values[1] is not None
    assert 0 < values[1] < 1
    first, second, third, *others = reward.steps
    assert (first, *others) == (None, None, None)
    assert second is not None
    assert third is not None
    assert [texts[1][slice(*span)] for span in second.spans] == [wrong]
    assert [texts[2][slice(*span)] for span in third.spans] == [wrong]
    assert (second.without, third.without) == (1, 0)
    assert kind(RulesJudge())(texts, **columns) == values


@pytest.mark.parametrize("nothing", ["", "   \n", "\u200b\u200d", "\u3164", "...", "-", "_", "___", "\u2800", "!?"])
def test_parts_without_a_letter_or_digit_that_can_be_seen_earn_no_format(nothing: str) -> None:
    assert format_reward(reasoned("Clear.", nothing), mode="reasoning") == 0
    assert format_reward(reasoned(nothing, "B"), mode="reasoning") == 0
    assert format_reward(f"<answer>{nothing}</answer>", mode="answer_only") == 0
    assert format_reward(f"<answer>{nothing}B</answer>", mode="answer_only") == 1
