"""Limits of speed and of money, without a server."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from openai.types import CompletionUsage

from cxr.miner.kit.errors import BudgetReached, SettingsError
from cxr.miner.kit.machine import utc_now
from cxr.miner.llm.budget import Budget, Spent
from cxr.miner.llm.numbers import duration_s, retry_after_s, usage
from cxr.miner.llm.pace import Pace
from cxr.miner.llm.prices import billed, price_of
from cxr.miner.mine.settings import MineSettings
from cxr.schemas.call import Call
from tests.clocks import seconds_asked_for

LOCAL = "http://127.0.0.1:8000/v1"
CALL = Call(
    call_id="c1",
    stage="plan",
    question_id="q1",
    model="gpt-4o",
    prompt_name="plan",
    prompt_version=2,
    prompt_hash="p",
    request_hash="r",
    attempt=1,
    cache_hit=False,
    latency_s=0.1,
    called_at=utc_now(),
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_s({"retry-after": later}) == pytest.approx(30, abs=15)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1h2m", 3720), ("7", 7), ("x", None), (None, None)],
)
def test_reset_headers_are_durations(said: str | None, seconds: float | None) -> None:
    assert duration_s(said) == seconds


def _seconds_of(pace: Callable[[], Pace], turns: int, tokens: float = 1.0) -> float:
    async def take() -> None:
        made = pace()
        await asyncio.gather(*(made.turn(tokens) for _ in range(turns)))

    return seconds_asked_for(take)


def test_requests_and_tokens_are_spaced_to_the_given_limits() -> None:
    assert _seconds_of(lambda: Pace(rpm=6000, tpm=None, concurrency=8), 21) == pytest.approx(0.2)
    assert _seconds_of(lambda: Pace(rpm=None, tpm=60_000, concurrency=8), 5, tokens=50) == pytest.approx(0.2)
    assert _seconds_of(lambda: Pace(rpm=None, tpm=None, concurrency=8), 1000) == 0.0


def test_the_servers_limit_holds_where_it_is_lower_than_the_users() -> None:
    pace = Pace(rpm=60_000, tpm=None, concurrency=8)
    pace.answered({"x-ratelimit-limit-requests": "600"})
    assert pace.requests_per_s() == pytest.approx(9.8)


def test_a_429_halves_the_rate_once_a_volley_and_it_creeps_up_again() -> None:
    pace = Pace(rpm=600, tpm=None, concurrency=8)
    for _ in range(8):
        pace.throttled({"retry-after": "0.2"})
    slowed = pace.requests_per_s()
    assert slowed is not None
    assert slowed <= 5
    pace._crept_at -= 30
    crept = pace.requests_per_s()
    assert crept is not None
    assert slowed < crept <= 10


def test_a_known_model_has_its_dated_price_at_its_own_address_only() -> None:
    listed = price_of(MineSettings(model="gpt-4o"))
    assert listed is not None
    assert listed.source.startswith("list price of 20")
    assert listed.cost(1_000_000, 1_000_000, batch=False) == pytest.approx(12.5)
    assert listed.cost(1_000_000, 0, 1_000_000, batch=True) == pytest.approx(0.625)
    assert price_of(MineSettings(model="gpt-4o", base_url=LOCAL)) is None
    assert price_of(MineSettings(model="gpt-99")) is None


@pytest.mark.parametrize("given", ["", "2", "a,b", "1,2,3", "-1,2"])
def test_a_price_that_is_not_two_numbers_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match=r"--price 2\.50,10\.00"):
        price_of(MineSettings(model="m", base_url=LOCAL, price=given))


def test_money_is_reserved_before_a_request_leaves_and_given_back_if_it_does_not() -> None:
    settings = MineSettings(model="m", base_url=LOCAL, price="1000,0", max_usd=2.5)
    budget = Budget(settings, price_of(settings), Spent(usd=0.5))
    first = budget.reserve(1000)
    budget.reserve(900)
    with pytest.raises(BudgetReached):
        budget.reserve(200)
    budget.release(first)
    budget.reserve(1000)
    assert budget.calls == 2


def test_calls_of_unknown_cost_count_at_the_mean() -> None:
    settings = MineSettings(model="m", base_url=LOCAL, price="1000,0", max_usd=4.5)
    budget = Budget(settings, price_of(settings), Spent())
    for usd in (1.0, None, 1.0):
        budget.settle(budget.reserve(1000), usd, None if usd is None else 10)
    budget.settle(budget.reserve(1000), 1.0, 10)
    with pytest.raises(BudgetReached, match="1 calls of unknown cost"):
        budget.reserve(1000)


def test_models_of_2026_have_the_day_of_their_price() -> None:
    luna, old = price_of(MineSettings(model="gpt-6-luna")), price_of(MineSettings(model="gpt-4o"))
    assert luna is not None
    assert old is not None
    assert (luna.input, luna.cached_input, luna.output) == (0.10, 0.01, 0.50)
    assert (luna.source, old.source) == ("list price of 2026-09-22", "list price of 2026-03-01")
    claude = price_of(MineSettings(model="claude-haiku-5-5", base_url="https://api.anthropic.com/v1"))
    assert claude is not None
    assert claude.output == 0.50


def test_a_beginning_is_cached_from_what_the_vendor_says_on_and_nowhere_else() -> None:
    listed = price_of(MineSettings(model="gpt-4o"))
    given = price_of(MineSettings(model="m", base_url=LOCAL, price="1,1"))
    assert listed is not None
    assert given is not None
    assert [listed.cached(tokens) for tokens in (0, 1023, 1024, 1151, 1153)] == [0, 0, 1024, 1024, 1152]
    assert given.cached(5000) == 0


def test_thoughts_and_what_was_cached_are_booked_with_a_call() -> None:
    said = usage(
        {
            "prompt_tokens": 1000,
            "completion_tokens": 300,
            "prompt_tokens_details": {"cached_tokens": 600},
            "completion_tokens_details": {"reasoning_tokens": 250},
        }
    )
    told = CompletionUsage.model_validate(said)
    booked = billed(CALL, told, price_of(MineSettings(model="gpt-4o")))
    assert (booked.cached_tokens, booked.reasoning_tokens) == (600, 250)
    assert booked.cost_usd == pytest.approx((400 * 2.5 + 600 * 1.25 + 300 * 10) / 1e6)
    deepseek = usage({"prompt_tokens": 1000, "completion_tokens": 3, "prompt_cache_hit_tokens": 640})
    assert deepseek is not None
    assert deepseek["prompt_tokens_details"] == {"cached_tokens": 640}
    absurd = usage(
        {"prompt_tokens": 1, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 10**30}}
    )
    assert absurd == {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
