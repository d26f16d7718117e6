"""`cxr unread`: the phrases of a store that nobody could read, each with an entry for the lexicon to paste."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cxr.miner.audit.settings import UnreadSettings
from cxr.miner.kit.sql import read_sql
from cxr.miner.language import load_lexicon
from cxr.miner.language.lexicon import Role
from cxr.miner.language.tokens import phrase_words
from cxr.miner.pack import pack
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.audit")


class Phrase(NamedTuple):
    """A phrase that could be a finding, in how many reports, in how many of them asserted, and one of these."""

    phrase: str
    reports: int
    asserted: int
    example: str
    region: str | None
    """Where it is named most often, if anywhere."""
    credentialed: bool


@dataclass(frozen=True)
class UnreadResult:
    """The phrases, and how the reports of the store were read."""

    phrases: tuple[Phrase, ...]
    reports: int
    read: int
    """Reports of which it is known how they were read."""
    understood: int

    @property
    def credentialed(self) -> bool:
        """Whether a phrase stands in a report that may not be shared."""
        return any(each.credentialed for each in self.phrases)


def unread_phrases(store: Store, settings: UnreadSettings) -> UnreadResult:
    """Return the most frequent phrases that were not read; nothing of a report but the phrase itself."""
    found = store.rows(_SQL["unread"], {"min_count": settings.min_count, "limit": settings.limit})
    ((reports, read, understood),) = store.rows(_SQL["reading"])
    return UnreadResult(tuple(Phrase(*row) for row in found), reports, read, understood)


def lexicon_entries(phrases: tuple[Phrase, ...]) -> str:
    """Return a TOML table for each phrase that the lexicon has no meaning for, to paste into a file of findings."""
    head = (
        "# Put each into a file of findings of the pack, or a word that is no finding into lexicon/ordinary.toml.\n"
        f"# Regions: {', '.join(pack().regions)}.\n"
        f"# Labels: {', '.join(pack().question_labels)}.\n"
    )
    return "\n".join([head, *_entries(phrases)])


def _entries(phrases: tuple[Phrase, ...]) -> Iterator[str]:
    lexicon, taken = load_lexicon(), set(load_lexicon().concepts)
    for each in phrases:
        known = lexicon.entries.get(phrase_words(each.phrase))
        about = f"# in {each.reports:,} reports, asserted in {each.asserted:,}; for example {each.example}"
        if known is not None and known.roles & (Role.CONCEPT | Role.STATE):
            yield f"{about}\n# {each.phrase!r} is in the lexicon: what stands around it was not understood\n"
            continue
        identity = _new_id(each.phrase, taken)
        region = each.region if each.region in pack().regions else pack().roles.whole_region
        parent = lexicon.regions[region].abnormal if region in lexicon.regions else None
        yield (
            f"{about}\n[{identity}]\n"
            f'name = "{each.phrase}"\n'
            f'region = "{region}"\n'
            f'is_a = ["{parent or pack().roles.anything}"]  # what it is a kind of\n'
            '# label = ""  # the label that it counts for, if any\n'
            f'phrases = ["{each.phrase}"]\n'
            'source = "reports of our own"\n'
        )


def _new_id(phrase: str, taken: set[str]) -> str:
    stem = re.sub(r"\W+", "_", phrase).strip("_")
    identity, number = stem, 2
    while identity in taken:
        identity, number = f"{stem}_{number}", number + 1
    taken.add(identity)
    return identity
