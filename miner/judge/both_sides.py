"""What is told of each side apart: "moderate right and small left X", "X at the left Y and the right Z"."""

from collections.abc import Mapping

from cxr.miner.language.items import Items, read_items
from cxr.schemas import NormalForm, Severity, Side

_BOTH = {Side.LEFT, Side.RIGHT}


def by_side(form: NormalForm, words: str) -> list[NormalForm]:
    """Split a form that is on both sides where its words tell a degree, a measure or a place of each; else keep it."""
    several = form.severity is not None or form.size_mm is not None or len(form.locations) > 1
    if form.side is not Side.BILATERAL or not several:
        return [form]
    items = read_items(words)
    return _by_degree(form, items) or _by_measure(form, items) or _by_place(form, items) or [form]


def _by_degree(form: NormalForm, items: Items) -> list[NormalForm]:
    told = [entry.severity or entry.side for entry in items.entries if entry.severity or entry.side in _BOTH]
    match told:
        case [Severity() as first, Side() as one, Severity() as second, Side() as other] if one is not other:
            degrees = {one: first, other: second}
        case [Side() as one, Severity() as first, Side() as other, Severity() as second] if one is not other:
            degrees = {one: first, other: second}
        case _:
            return []
    order = list(Severity)
    form = _with_larger(form, {side: float(order.index(degree)) for side, degree in degrees.items()})
    return [form.model_copy(update={"severity": severity, "side": side}) for side, severity in degrees.items()]


def _by_measure(form: NormalForm, items: Items) -> list[NormalForm]:
    sides = [(at, entry.side) for at, entry in enumerate(items.entries) if entry.side in _BOTH]
    match sides, items.sizes:
        case [(at, Side() as one), (beyond, Side() as other)], [(_, first), (start, second)] if at < start < beyond:
            sizes = {one: first, other: second}
        case _:
            return []
    form = _with_larger(form, sizes)
    return [form.model_copy(update={"size_mm": size, "side": side}) for side, size in sizes.items()]


def _by_place(form: NormalForm, items: Items) -> list[NormalForm]:
    told = [value for entry in items.entries for value in (entry.side, entry.part and entry.part.id) if value]
    match told:
        case [Side() as one, here, Side() as other, there] if {one, other} == _BOTH:
            places = {one: here, other: there}
        case _:
            return []
    if not {*places.values()} <= {*form.locations}:
        return []
    return [form.model_copy(update={"side": side, "locations": (place,)}) for side, place in places.items()]


def _with_larger(form: NormalForm, measures: Mapping[Side, float]) -> NormalForm:
    """Return a form with the quality that names its larger side, where there is one."""
    if len({*measures.values()}) == 1:
        return form
    larger = max(measures, key=measures.__getitem__)
    return form.model_copy(update={"qualities": (*form.qualities, f"larger_{larger}")})
