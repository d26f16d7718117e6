"""What a reader has said of one item: its fields, which values they take, when it is done, and when two differ."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cxr.miner.kit.errors import InputError
from cxr.schemas.vocabulary import Verdict

AXES = ("factuality", "validity", "completeness")
LOWEST, HIGHEST = -10, 10
APART = 4
"""Two readers whose scores on an axis differ by more than this are heard by a third."""
GATE = 5
"""What is below this on an axis is dropped (paper, section 2): readers on both sides of it are heard by a third."""
STEP_VERDICTS = ("right", "wrong", "unnecessary")
STEP_ATTRIBUTES = ("presence", "location", "side", "severity", "change", "certainty", "other")
FINAL = "final."
"""Before the fields of what an adjudicator says at last, with both other views seen."""
LONGEST_TEXT = 4_000

State = dict[str, Any]


class Change(NamedTuple):
    """One change of one field: the page's own id of it, and the value before and after."""

    event: str
    field: str
    old: Any
    new: Any


def read_change(given: object) -> Change:
    """Return a change as the page sends it; raises InputError where it is none."""
    if not isinstance(given, Mapping) or set(given) != set(Change._fields):
        raise InputError("a change is not what was expected; expected event, field, old and new")
    event, field = given["event"], given["field"]
    if not isinstance(event, str) or not 8 <= len(event) <= 64 or not isinstance(field, str):
        raise InputError("a change has no event id of 8 to 64 characters, or no field; expected both")
    return Change(event, field, given["old"], given["new"])


def empty_state() -> State:
    """Return the state of an item of which nothing was said yet."""
    return {
        **dict.fromkeys(AXES),
        "cannot_judge": False,
        "comment": "",
        "missing": "",
        "steps": {},
        "verdict": None,
        "done": False,
    }


def state_of(marks: Mapping[str, Any], round_: str = "first") -> State:
    """Return the state that fields and their values come to; an adjudication has one more for the final word."""
    state = empty_state()
    if round_ == "adjudication":
        state["final"] = empty_state() if marks.get("done") else None
    for field, value in marks.items():
        part = state["final"] if field.startswith(FINAL) else state
        name = field.removeprefix(FINAL)
        if name.startswith("steps."):
            if value is not None:
                part["steps"][name.removeprefix("steps.")] = value
        else:
            part[name] = value
    return state


def value_of(marks: Mapping[str, Any], field: str) -> Any:
    """Return the value that a field has now."""
    if field in marks:
        return marks[field]
    name = field.removeprefix(FINAL)
    return None if name.startswith("steps.") else empty_state()[name]


def checked(field: str, new: Any, round_: str, steps: int) -> Any:
    """Return a value as it is kept; raises InputError for a field that there is not, and a value that it cannot have.

    `steps` is how many steps the chain has.
    """
    name = field.removeprefix(FINAL)
    if field.startswith(FINAL) and round_ != "adjudication":
        raise InputError("only an adjudication has a final word; expected a field of one's own view")
    if name in AXES:
        return _score(name, new)
    if name in {"cannot_judge", "done"}:
        if not isinstance(new, bool):
            raise InputError(f"{name} takes true or false")
        return new
    if name in {"comment", "missing"}:
        if not isinstance(new, str) or len(new) > LONGEST_TEXT:
            raise InputError(f"{name} takes a text of up to {LONGEST_TEXT:,} characters")
        return readable(new)
    if name == "verdict":
        if new is not None and new not in set(Verdict):
            raise InputError(f"verdict takes one of {', '.join(Verdict)}")
        return new
    if name.startswith("steps."):
        return _step(name.removeprefix("steps."), new, steps)
    raise InputError("a change names a field that there is not; expected one of a review's")


def demand_complete(state: Mapping[str, Any], what: str) -> None:
    """Raise InputError where a review is called done that lacks a score or a verdict and does not say why."""
    if state["cannot_judge"]:
        return
    wanted = ("verdict",) if what == "finding" else AXES
    if missing := [name for name in wanted if state[name] is None]:
        raise InputError(f"{', '.join(missing)} is not given yet; give it, or say that it cannot be judged")


def differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether a third reader is to be heard: more than 4 apart on an axis, both sides of 5, other verdicts."""
    if one["cannot_judge"] or other["cannot_judge"]:
        return False
    if one["verdict"] != other["verdict"]:
        return True
    scores = [(one[axis], other[axis]) for axis in AXES if None not in {one[axis], other[axis]}]
    return any(abs(a - b) > APART or (a < GATE) != (b < GATE) for a, b in scores)


def readable(value: Any) -> Any:
    """Return a text without what no file keeps: halves of surrogate pairs and zero bytes; anything else as it is."""
    if not isinstance(value, str):
        return value
    return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _score(axis: str, new: Any) -> int | None:
    if new is None:
        return None
    is_number = isinstance(new, int | float) and not isinstance(new, bool)
    if not is_number or not LOWEST <= new <= HIGHEST or new != int(new):
        raise InputError(f"{axis} takes a whole number from {LOWEST} to {HIGHEST}")
    return int(new)


def _step(number: str, new: Any, steps: int) -> dict[str, Any] | None:
    if not (number.isascii() and number.isdecimal()) or not 1 <= int(number) <= steps or str(int(number)) != number:
        raise InputError("a change names a step that the chain does not have")
    if new is None:
        return None
    if not isinstance(new, Mapping) or not set(new) <= {"verdict", "attribute"} or "verdict" not in new:
        raise InputError("a step takes a verdict and an attribute")
    verdict, attribute = new["verdict"], new.get("attribute")
    if verdict not in STEP_VERDICTS or (attribute is not None and attribute not in STEP_ATTRIBUTES):
        raise InputError(
            f"a step is one of {', '.join(STEP_VERDICTS)}, and wrong in one of {', '.join(STEP_ATTRIBUTES)}"
        )
    if attribute is not None and verdict != "wrong":
        raise InputError("only a wrong step has an attribute in which it is wrong")
    return {"verdict": verdict, "attribute": attribute}
