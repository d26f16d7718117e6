"""Quotes and forms that fit one another, so that the rules engine says nothing which its quotes do not.

The reader takes sides, sizes and degrees from farther away than the clause that it quotes ("a spot. It
measures 2 cm"), and now and then from words that belong to something else.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from cxr.miner.language.sentences import split_sentences
from cxr.miner.mine.relevance import off_topic
from cxr.miner.mine.unquoted import called, unquoted
from cxr.schemas.finding import NormalForm
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Presence

# From here back, and to here on, the sentences of a quote are looked for.
_AROUND = 400
_HEADER = re.compile(r"[A-Za-z ]{3,30}:\s*(?:\d+[.)]\s+)?")


def on_topic(quotes: Iterable[Quote], finding: str, presence: Presence, report_text: str) -> list[Quote]:
    """Return the quotes that are about their finding."""
    return [quote for quote in quotes if not off_topic(quote, finding, presence, report_text)]


def backed(
    say: Callable[[Sequence[NormalForm]], str], forms: Sequence[NormalForm], quotes: Sequence[Quote], report_text: str
) -> tuple[str, list[Quote]]:
    """Return what `say` makes of the forms, and the quotes in which all of it stands.

    Quotes grow to their sentence where that adds what is missing; what is missing then is left out of the forms.
    """
    said = say(forms)
    kept, missing = with_what_is_missing(said, quotes, report_text)
    return (say([_without(form, missing) for form in forms]) if missing else said), kept


def with_what_is_missing(
    statement: str, quotes: Sequence[Quote], report_text: str
) -> tuple[list[Quote], tuple[str, ...]]:
    """Return the quotes, grown to their sentence and the next where this adds something, and what is still missing.

    The first that adds something grows, the others stay as they are.
    """
    kept = list(quotes)
    missing = unquoted(statement, kept)
    for further in (0, 1):
        for at, quote in enumerate(kept):
            if not missing:
                return kept, missing
            wider = _sentence(quote, report_text, further)
            left = unquoted(statement, [*kept[:at], wider, *kept[at + 1 :]])
            if len(left) < len(missing):
                kept[at], missing = wider, left
    return kept, missing


def _sentence(quote: Quote, report_text: str, further: int) -> Quote:
    """Return the sentence of a quote with the given number of sentences that follow it."""
    first, last = max(0, quote.start - _AROUND), min(len(report_text), quote.end + _AROUND)
    spans = split_sentences(report_text, first, last)
    touched = [index for index, (start, end) in enumerate(spans) if start < quote.end and quote.start < end]
    if not touched:
        return quote
    start = min(spans[touched[0]][0], quote.start)
    if header := _HEADER.match(report_text, start, quote.start):
        start = header.end()
    end = max(spans[min(touched[-1] + further, len(spans) - 1)][1], quote.end)
    return Quote(start=start, end=end, text=report_text[start:end])


def _without(form: NormalForm, missing: Sequence[str]) -> NormalForm:
    """Return a form without the attributes that stand nowhere."""
    given = {
        "side": str(form.side),
        "severity": str(form.severity),
        "number": str(form.number),
        "size_mm": "" if form.size_mm is None else f"{form.size_mm:g} mm",
    }
    lacking: dict[str, object] = dict.fromkeys(name for name, value in given.items() if value in missing)
    locations = tuple(place for place in form.locations if called(place) not in missing)
    if locations != form.locations:
        lacking["locations"] = locations
    return form.model_copy(update=lacking) if lacking else form
