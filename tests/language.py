"""Short forms of findings for tables: "+pleural_effusion left mild", "?pneumonia", "-consolidation"."""

from cxr.miner.language import analyse
from cxr.schemas import Certainty, NormalForm, Presence


def short(form: NormalForm) -> str:
    sign = "-" if form.presence is Presence.ABSENT else "?" if form.certainty is Certainty.UNCERTAIN else "+"
    size = f"{form.size_mm:g}mm" if form.size_mm is not None else None
    values = (form.side, *form.locations, form.severity, form.number, size, form.change)
    return " ".join([sign + form.concept, *(str(value) for value in values if value)])


def read(text: str) -> list[str]:
    return [short(mention.form) for mention in analyse(text).mentions]


def concepts(text: str) -> set[str]:
    return {line.split(" ", maxsplit=1)[0] for line in read(text)}
