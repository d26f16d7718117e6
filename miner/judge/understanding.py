"""What a finding asserts, ready to be judged: its normal forms without those that only introduce another."""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from cxr.miner.judge.facts import share_places
from cxr.miner.judge.relations import load_relations
from cxr.miner.language import load_lexicon
from cxr.miner.language.course import compares_sides
from cxr.miner.language.items import read_items
from cxr.miner.language.statements import read_finding
from cxr.miner.pack import pack
from cxr.schemas import Certainty, Finding, NormalForm, Presence

# "Increased X suggesting Y: not present" denies the Y.
_LINK = re.compile(
    r"\b(?:suggest(?:s|ing|ive of)|indicat(?:es|ing|ive of)|consistent with|compatible with|represent(?:s|ing)|"
    r"reflect(?:s|ing)|due to|related to|signs? of|evidence of)\b",
    re.IGNORECASE,
)
# "X - holes in Y": what follows explains and asserts nothing of its own.
_EXPLANATION = re.compile(
    r" - |,? (?:indicated|evidenced|shown|characteri[sz]ed|manifested|demonstrated) by\b", re.IGNORECASE
)
# "Confirmed by increased density": the ground of a status is no second finding.
_GROUNDS = re.compile(r",? (?:by|based on|as evidenced by|because of|given)\b", re.IGNORECASE)
# A status that denies from its first word on, other than "no change".
_DENIAL = re.compile(
    r"\s*(?:no|none|without|absence of|negative for)\b(?!\s+(?:significant\s+|interval\s+)*change)", re.IGNORECASE
)
# "Not present, normal findings": the first words decide, the rest comments on them.
_PLAIN_STATUS = re.compile(
    r"\s*((?:not (?:present|seen|visible|observed|evident|identified|detected)|absent|present|confirmed|unlikely|"
    r"excluded|ruled out))\s*[,;.(]",
    re.IGNORECASE,
)
# After these, what is called normal may have something abnormal in it.
_EXCEPTION = re.compile(r"\b(?:except|but|however|other than|apart from|although|though)\b", re.IGNORECASE)
_NORMAL = re.compile(r"\b(?:normal|unremarkable)\b", re.IGNORECASE)
_ALL_NORMAL = {"normal", "completely normal", "all normal", "entirely normal", "no abnormalities", "no abnormality"}


# Nobody words a finding at such length; what lies behind is not read, so that time stays linear.
LONGEST = 1000


class _Patterns(NamedTuple):
    """The pack's words as patterns."""

    past_cause: re.Pattern[str]
    """What is over while its traces are not: "suggestive of a prior resolved ..."."""
    pointing: re.Pattern[str]
    """Words that only point at what is spoken of: "normal findings of Y" are a normal Y."""


@cache
def _patterns() -> _Patterns:
    words = pack().judge_words
    return _Patterns(
        re.compile(rf"\b(?:resolved|healed|resolving)\s+(?=(?:\w+\s+){{0,3}}(?:{'|'.join(words.past_causes)}))"),
        re.compile(rf"\b(?:{'|'.join(words.pointing)})\b", re.IGNORECASE),
    )


def understood(finding: Finding) -> Finding:
    """Return a finding with its normal forms, reading its words where it has none; cached by words."""
    if finding.normal_forms:
        return finding
    return _read(finding.observation[:LONGEST], finding.status[:LONGEST])


@lru_cache(maxsize=8192)
def _read(observation: str, status: str) -> Finding:
    plain = _PLAIN_STATUS.match(status)
    status = plain.group(1) if plain else _patterns().past_cause.sub("", _without_grounds(status))
    observation = _named(observation)
    read = read_finding(observation, status)
    forms = read.normal_forms or _without_pointers(observation, status)
    if _DENIAL.match(status):
        forms = _all_denied(forms)
    if len(forms) > 1 and all(form.presence is Presence.ABSENT for form in forms):
        forms = _named_last(observation, status) or forms
    relations = load_relations()
    words = f"{observation} {status}".lower()
    forms = tuple(relations.over_the_border(form, observation) for form in forms)
    forms = tuple(relations.as_normal(form) for form in _without_generic(forms))
    sharpened = [_changed(relations.sharpened(form, words), observation, status) for form in forms]
    share_places(range(len(sharpened)), sharpened, relations, listed=True)
    forms = tuple(dict.fromkeys(sharpened))
    if not _EXCEPTION.search(words):
        forms = _without_what_is_normal(forms)
    forms = _without_implied(forms)
    return read if forms == read.normal_forms else read.model_copy(update={"normal_forms": forms})


def _named(observation: str) -> str:
    """Cut the explanation off: "X - holes that look dark" names X."""
    named = _EXPLANATION.split(observation, maxsplit=1)[0]
    return named if named != observation and read_finding(named, "").normal_forms else observation


def _without_grounds(status: str) -> str:
    """Cut off what a status is based on: "confirmed by increased density" confirms."""
    kept = _GROUNDS.split(status, maxsplit=1)[0]
    return kept if kept.strip() else status


def _without_implied(forms: tuple[NormalForm, ...]) -> tuple[NormalForm, ...]:
    """Drop what another part of the finding asserts more exactly ("X, confirmed as striped").

    Of two that are only possible, either may be meant ("X, or a kind of X").
    """
    relations = load_relations()
    present = [form for form in forms if form.presence is Presence.PRESENT]
    return tuple(
        form
        for form in forms
        if form not in present
        or not any(
            form.concept != other.concept
            and Certainty.CERTAIN in {form.certainty, other.certainty}
            and form.concept in relations.denied_with(other.concept)
            and other.concept not in relations.denied_with(form.concept)
            for other in present
        )
    )


def _all_denied(forms: tuple[NormalForm, ...]) -> tuple[NormalForm, ...]:
    """Let "X, Y or Z: no X" deny the whole list, where it denies one of one organ."""
    relations = load_relations()
    denied = [form for form in forms if form.presence is Presence.ABSENT]
    return tuple(
        form.model_copy(update={"presence": Presence.ABSENT})
        if form.presence is Presence.PRESENT
        and form.concept not in relations.normals
        and any(relations.same_region(form.concept, other.concept) for other in denied)
        else form
        for form in forms
    )


def _without_pointers(observation: str, status: str) -> tuple[NormalForm, ...]:
    """Read again without words that only point ("normal findings of Y"); "Normal: confirmed" is about everything."""
    plain = " ".join(_patterns().pointing.sub(" ", observation).split())
    if plain != observation and (forms := read_finding(plain, status).normal_forms):
        return forms
    about_all = plain.lower() in _ALL_NORMAL or (not plain and _NORMAL.search(status))
    if not about_all:
        return ()
    return read_finding(load_lexicon().concepts[pack().roles.all_normal].name, status).normal_forms


def _named_last(observation: str, status: str) -> tuple[NormalForm, ...]:
    """Read what stands behind a link ("suggesting"), which is what a denial is about; nothing without a link."""
    links = list(_LINK.finditer(observation))
    if not links or not observation[: links[-1].start()].strip():
        return ()
    link = links[-1]
    return read_finding(observation[link.end() :], status).normal_forms


def _changed(form: NormalForm, observation: str, status: str) -> NormalForm:
    """Take a change since the prior examination from the status: "X: improved"."""
    if form.change is not None or form.presence is Presence.ABSENT or not status:
        return form
    items = read_items(status)
    entries = items.entries
    changes = (entry.change or entry.course for at, entry in enumerate(entries) if not compares_sides(items, at))
    change = next((change for change in changes if change is not None), None)
    if change is None and entries and (state := entries[0].state) is not None and _is_named(form, observation):
        change = state.change  # "X: increased", but not "size of Y: increased"
    return form if change is None else form.model_copy(update={"change": change})


def _is_named(form: NormalForm, observation: str) -> bool:
    """Return whether the observation alone names the thing, so that its status only says how it does."""
    return any(each.concept == form.concept for each in read_finding(observation, "").normal_forms)


def _without_what_is_normal(forms: tuple[NormalForm, ...]) -> tuple[NormalForm, ...]:
    """Drop what the same finding calls normal: "Bend of Y: normal bend" is no bent Y."""
    relations = load_relations()
    present = [form for form in forms if form.presence is Presence.PRESENT]
    broken = {
        concept
        for form in present
        if form.concept in relations.normals
        for concept in relations.normals[form.concept].broken_by
    }
    if not broken:
        return forms
    return tuple(
        form
        for form in forms
        if form not in present
        or form.concept in relations.normals
        or broken.isdisjoint(relations.denied_with(form.concept))
    )


def _without_generic(forms: tuple[NormalForm, ...]) -> tuple[NormalForm, ...]:
    """Drop "abnormality" beside anything named: "abnormal X or Y" is about X and Y.

    "Abnormalities in Z: no X" denies, so a region's own abnormality goes too where the rest denies.
    """
    relations, anything = load_relations(), pack().roles.anything
    denied = any(form.presence is Presence.ABSENT for form in forms)
    named = tuple(
        form
        for form in forms
        if not relations.says_little(form.concept)
        or (form.presence is Presence.ABSENT and form.concept != anything)
        or (form.presence is Presence.PRESENT and form.concept != anything and not denied)
    )
    return named or forms
