"""What a report says of a part of the body that was examined beside the one that the pack is about, by its headings."""

from functools import cache

from cxr.miner.language.items import read_items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.readings import Sentence
from cxr.miner.pack import pack
from cxr.schemas import NormalForm

_HEADS = Role.PART | Role.SIDE | Role.NUMBER | Role.WORD | Role.CONJUNCTION
_LONGEST = 4
"""So many phrases a heading has at most."""


class Elsewhere:
    """Which part of the body a text speaks of, by its headings, from one sentence to the next."""

    def __init__(self, text: str) -> None:
        written = text.lower()
        self.may = any(word in written for word in _words())
        self.now = False
        """What follows is said of another part of the body."""

    def hear(self, sentence: str) -> bool:
        """Return whether a sentence stands under the heading of another part of the body, or is one itself."""
        if self.may:
            heading = _heads(sentence)
            self.now = self.now if heading is None else heading
        return self.now


def moved(read: Sentence) -> Sentence:
    """Return what a sentence under such a heading states; what can only be of what the image shows stays as it is."""
    return read._replace(readings=tuple(each._replace(form=_moved(each.form)) for each in read.readings))


def _moved(form: NormalForm) -> NormalForm:
    region = pack().roles.elsewhere_region
    there = load_lexicon().concepts[form.concept].at.get(region) if region and not form.locations else None
    return form if there is None else form.model_copy(update={"concept": there, "qualities": ()})


def _heads(sentence: str) -> bool | None:
    """Return whether a heading names another part of the body; None for a sentence that is no heading."""
    items = read_items(sentence)
    end = next((at for at, role in enumerate(items.roles) if role & Role.COLON), len(items.roles))
    heading = range(min(end, len(items.roles)))
    if not heading or len(heading) > _LONGEST or not all(items.roles[at] & _HEADS for at in heading):
        return None
    named = [part.region.id for at in heading if (part := items.entries[at].part) is not None]
    if named:
        return pack().roles.elsewhere_region in named
    return None if end == len(items.roles) else False


@cache
def _words() -> tuple[str, ...]:
    """Return the words that other parts of the body are named by: without any of these a text speaks of none."""
    region = pack().roles.elsewhere_region
    entries = load_lexicon().entries.values()
    named = (entry for entry in entries if entry.part is not None and entry.part.region.id == region)
    return tuple({" ".join(entry.phrase) for entry in named})
