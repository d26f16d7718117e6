"""Why a verdict was given, in words that a researcher can count."""

from enum import StrEnum

from cxr.schemas.vocabulary import ErrorAttribute, Verdict

_OTHER = "the report gives another {}"
_PLAIN = {
    "opposite_stated": "the report says the opposite",
    "kind_present": "the report names a kind of it",
    "could_be_the_denied_variant": "the report names it without saying which kind",
    "hedged_in_report": "the report calls it possible",
    "hedged": "the report only calls it possible",
    "resolved": "the report says that it is gone",
    "side_conflict": _OTHER.format("side"),
    "severity_conflict": _OTHER.format("degree"),
    "location_conflict": _OTHER.format("place"),
    "number_conflict": _OTHER.format("number"),
    "change_conflict": _OTHER.format("change"),
    "size_conflict": _OTHER.format("size"),
    "position_conflict": _OTHER.format("position of the device"),
    "quality_conflict": "the report describes it otherwise",
    "not_mentioned": "the report does not speak of it",
    "asserts_nothing": "it asserts nothing that a report could say",
    "stated": "the report states it",
    "more_general": "the report names a kind of it",
    "entailed_by_sign": "the report names its sign",
    "extra_detail": "the report states it with less detail",
    "granted": "radiologists take it to be said",
}


def in_plain_words(reason: str | None) -> str:
    """Return a reason as a clause for people who do not know its name."""
    return _PLAIN.get(reason or "", "other words of the report rule it out")


class Reason(StrEnum):
    """One word per way in which the rules judge reaches a verdict (docs/judge.md lists them with examples).

    A pack may give normals words of their own (`reasons` in relations.toml) for ENTAILED_BY_NORMAL_STRUCTURE.
    """

    STATED = "stated"
    """The report says the same about the same thing."""
    MORE_GENERAL = "more_general"
    """The finding names a kind of which the report names an instance."""
    ENTAILED_BY_SIGN = "entailed_by_sign"
    """The report names a disease and the finding its sign, or the other way round."""
    HEDGED = "hedged"
    """The report calls the thing possible, and the finding asserts it."""
    GRANTED = "granted"
    """By `--entailment radiologist` alone: the report names what usually means the finding, or only routine things
    that stand against it."""
    EXTRA_DETAIL = "extra_detail"
    """The report says it without the side, place or severity that the finding adds."""
    DENIED_IN_GENERAL = "denied_in_general"
    """The report denies something that includes the finding."""
    ENTAILED_BY_NORMAL_STRUCTURE = "entailed_by_normal_structure"
    """The report calls the structure normal."""
    ENTAILED_BY_NO_ACUTE_ABNORMALITY = "entailed_by_no_acute_abnormality"
    """The report denies acute abnormality, and the finding is an acute one."""
    NORMAL_SIGN_OF_ABSENCE = "normal_sign_of_absence"
    """The report denies the disease whose sign the finding denies."""
    OTHER_VARIANT = "other_variant"
    """The finding denies a side, place, severity or number; the report describes another one."""
    OPPOSITE_STATED = "opposite_stated"
    """The report says present where the finding says absent, or the reverse, of the same thing."""
    KIND_PRESENT = "kind_present"
    """The finding denies something general, and the report names an instance of it."""
    COULD_BE_THE_DENIED_VARIANT = "could_be_the_denied_variant"
    """The finding denies a variant; the report describes the abnormality without saying which variant."""
    HEDGED_IN_REPORT = "hedged_in_report"
    """The report calls possible what the finding denies."""
    RESOLVED = "resolved"
    """The report says that what the finding asserts is gone."""
    SIDE_CONFLICT = "side_conflict"
    """Same abnormality, other side."""
    SEVERITY_CONFLICT = "severity_conflict"
    """Same abnormality, other severity."""
    LOCATION_CONFLICT = "location_conflict"
    """Same abnormality, other place."""
    NUMBER_CONFLICT = "number_conflict"
    """Same abnormality, one where the finding says several."""
    CHANGE_CONFLICT = "change_conflict"
    """Same abnormality, other change since the prior examination."""
    SIZE_CONFLICT = "size_conflict"
    """Same abnormality, other measure."""
    POSITION_CONFLICT = "position_conflict"
    """Same device, other place of its tip, or well placed against badly."""
    QUALITY_CONFLICT = "quality_conflict"
    """Same abnormality, a quality that excludes the finding's: "free" against "loculated"."""
    WORD_OVERLAP = "word_overlap"
    """Words unknown to the lexicon; a sentence of the report shares them, with or against the polarity."""
    NOT_MENTIONED = "not_mentioned"
    """The report says nothing that bears on it."""
    ASSERTS_NOTHING = "asserts_nothing"
    """The finding asserts nothing that a report could confirm or refute."""


# In what a finding is wrong, by the reason for which it is; the other reasons are about whether the thing is there.
_ERRORS: dict[str, ErrorAttribute] = {
    Reason.SIDE_CONFLICT: ErrorAttribute.SIDE,
    Reason.LOCATION_CONFLICT: ErrorAttribute.LOCATION,
    Reason.POSITION_CONFLICT: ErrorAttribute.LOCATION,
    Reason.SEVERITY_CONFLICT: ErrorAttribute.SEVERITY,
    Reason.SIZE_CONFLICT: ErrorAttribute.SIZE,
    Reason.NUMBER_CONFLICT: ErrorAttribute.NUMBER,
    Reason.CHANGE_CONFLICT: ErrorAttribute.CHANGE,
    Reason.QUALITY_CONFLICT: ErrorAttribute.QUALITY,
    Reason.HEDGED_IN_REPORT: ErrorAttribute.CERTAINTY,
}
_WRONG = frozenset({Verdict.CONTRADICTED, Verdict.UNMENTIONED_ABNORMAL})


def error_of(verdict: Verdict, reason: str) -> ErrorAttribute | None:
    """Return in what a finding with this verdict, for this reason, is wrong; None where it is not."""
    if verdict not in _WRONG:
        return None
    return _ERRORS.get(reason, ErrorAttribute.PRESENCE)
