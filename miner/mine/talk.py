"""Talk of reports: what somebody says who reads a text about an image, and no reader of the image could say.

The chain is what a model that sees only the image shall learn (paper, section 2). So each word is decided by what such
a reader can say: that a finding is *noted* or *described as* something, that an option *mentions* it, that a thing ends
*as planned*; not that it is *mentioned*, that *the images do not describe* it, nor what an earlier examination, a
history or a patient's age have told. What is honest is taken out first, and what tells is looked for in the rest.
"""

import re

_TELLS = r"(?:mentions?|describes?|reports?|states?|lists?|notes?|specifies|documents?|says?|quotes?|refers? to)"
_TOLD = r"(?:mentioned|described|reported|stated|listed|noted|specified|documented|quoted)"
_ASKED = r"(?:options?|choices?|answers?|alternatives?|possibilit(?:y|ies)|questions?|prompt)"

_HONEST = re.compile(
    # An option or the question is there to be read: "option B, which mentions a small X".
    rf"\b{_ASKED}(?:\s\W?[A-H]\b\W?)?(?:,?\s(?:which|that|and|also|only|specifically|would))*\s(?:{_TELLS}|{_TOLD})\b"
    rf"|\b{_TOLD}\s(?:in|by|as|for|under|among|above)\s(?:the\s|each\s|any\s)?(?:\w+\s)?{_ASKED}\b"
    # What the chain itself has named before.
    r"|\b(?:afore|above)[- ]?mentioned\b|\b(?:the|these|those|other|all)\s(?:other\s)?mentioned\s(?=[a-z])"
    r"|\b(?:not\sto|worth|without)\smention(?:ing)?\b"
    # What everybody knows.
    r"|\bwell[- ](?:documented|described|known|reported)\b"
    r"|\b(?:commonly|often|frequently|classically|typically|rarely|usually)\s(?:described|reported|documented)\b"
    r"|\b(?:described|reported|documented)\sin\s(?:the\s(?:medical\s|radiolog\w+\s)?literature|up\sto|about|\d)"
    # Advice on what to do next.
    r"|\bcorrelat\w+\s(?:\w+\s){0,3}?(?:with|to)\s(?:\w+\s){0,4}?(?:history|information|findings|records?|reports?)\b",
    re.IGNORECASE,
)

_SEEN = r"(?:image|images|imaging|x-?ray\w?|radiogra\w+|films?|views?|stud(?:y|ies)|exam(?:ination)?s?|scans?)"
_ACCOUNT = (
    r"(?:findings?|impressions?|conclusions?|analysis|assessment|observations?|interpretation|information|diagnosis"
    r"|evidence|comparison|history|indication|summary|text)"
)
_WRITER = r"(?:radiologists?|clinicians?|physicians?|doctors?|technologists?|dictator|author|provider)"
_BEFORE = r"(?:prior|previous|earlier|preceding|last|former|older?|outside|recent|comparison|past|baseline)"
# Which examination: at most three words that join no two things.
_KIND = r"(?!(?:in|on|of|at|and|or|by|with|from|to|for|is|was)\b)[\w-]+"
_EXAMINATION = r"(?:exam(?:ination)?s?|stud(?:y|ies)|images?|imaging|films?|radiogra\w+|x-?ray\w?|cts?|scans?|mris?)"

_TALK = re.compile(
    r"\breport(?:s|ed|edly|ing)?\b|\bmention(?:s|ed|ing)?\b|\bdocument(?:s|ed|ation)?\b"
    r"|\bquot(?:e|es|ed|ation)\b|\bdictat(?:ed(?!\sby)|ion)\b|\btranscri(?:bed|pt|ption)\b"
    # Somebody's plan of looking, not the plan of a treatment: "it ends as planned".
    r"|(?:^|[.;:!?]\s+)as\splanned\b|\b(?:the|this|that|our|my|given|provided)\s(?:\w+nos\w+\s)?plan\b(?!\sof\b)"
    r"|\b(?:diagnos\w+|analysis|reasoning|search|evidence|reading)\splan\b"
    r"|\bplanned\s(?:findings?|items?|steps?|questions?|search)\b"
    # Images and accounts that speak.
    rf"|\b(?:{_SEEN}|{_ACCOUNT})\s(?:(?:also|further|clearly|explicitly|specifically)\s)?"
    r"(?:describes|states|notes|comments|specifies|lists|says)\b"
    rf"|\b(?:{_SEEN}|{_ACCOUNT})\s(?:do|does|did)(?:\snot|n't)?\s(?:\w+ly\s|even\s|further\s)?"
    r"(?:describe|state|note|comment|specify|list|say|discuss)\b"
    r"|\b(?:findings|observations|impressions?|conclusions?)\s(?:describe|state|comment|specify|say)\b"
    # Told, where nobody but a writer tells.
    r"|\bas\s(?:\w+\s)?(?:noted|described|stated|recorded|specified)\b"
    r"|\b(?:not|never|nor|nowhere|without\sbeing)\s(?:\w+ly\s)?(?:described|stated|specified|commented)\b"
    r"|\b(?:is|are|was|were|been)\s(?:also\s|only\s|\w+ly\s)?(?:described(?!\s(?:as|by|in\sterms)\b)|stated|commented)\b"
    r"|\bno\s(?:\w+\s)?description\b"
    rf"|\b(?:noted|described|stated|recorded|identified|seen|given|provided)\s(?:in|by|on)\s(?:the\s)?"
    rf"(?:{_WRITER}|impression|history|indication|notes?|records?|text)\b"
    rf"|\b(?:according\sto|as\sper|per)\s(?:the\s)?(?:\w+\s)?(?:findings|impression|history|indication|notes?|records?"
    rf"|text|description|information|data|{_WRITER})\b"
    # Sections, texts, and what was given besides the image.
    r"|\b(?:findings|impression|history|comparison|technique|indication)\ssections?\b"
    r"|\b(?:in|from|per)\sthe\simpression\b|\bthe\simpression\s(?:is\sthat|reads)\b"
    r"|\bthe\s(?:provided\s|given\s)?text\b"
    r"|\b(?:provided|(?:the|a|any)\sgiven)\s(?:\w+\s)?(?:observations?|analysis|descriptions?|information|details|findings|data|evidence"
    r"|statements?|summary|narrative|notes?)\b"
    r"|\b(?:no|clinical|patient|available)\sinformation\b|\binformation\s(?:is\s|was\s)?(?:provided|given)\b"
    # Who wrote, told or was told.
    rf"|\b{_WRITER}\s(?:has\s|have\s|had\s|also\s)?"
    r"(?:note[sd]|state[sd]|wrote|writes|describe[sd]|conclude[sd]|comment(?:s|ed)|sa(?:ys|id)|interpret(?:s|ed)"
    rf"|suggest(?:s|ed)|recommend(?:s|ed)|was|were)\b|\b{_WRITER}['\u2019]s?\s|\bby\s(?:the|our|a\s\w+ing|staff)\s{_WRITER}\b"
    r"|\bdrs?\.\s"
    r"|\b(?:evidence|observation)\s*(?:no\.?|number|#)?\s*\d",
    re.IGNORECASE,
)
# What no image shows of a patient.
_TOLD_OF_THE_PATIENT = re.compile(
    r"\b(?:given|per|considering|despite|in\s(?:view|light)\sof|based\son|according\sto|known)\s"
    r"(?:(?:the|a|this|patient['\u2019]?s?|his|her|clinical|medical|reported|known|relevant)\s)*history\b"
    r"|\b(?:clinical|patient['\u2019]?s|provided|reported|available|stated|given|known)\s(?:medical\s)?history\b"
    r"|\b\d{1,3}[\s-]?(?:years?|yrs?)[\s-]old\b|\b\d{1,3}\s?y/?o\b",
    re.IGNORECASE,
)
_BLANK = re.compile(
    r"\bx{3,}\b|_{3,}|\[\*\*|\*\*\]"
    r"|[<\[](?:(?:first|last|doctor|patient|hospital) ?)?(?:name|date|time|id|age|redacted|removed|deleted|phi)[>\]]",
    re.IGNORECASE,
)
# Of one image, nobody can tell what another one showed.
_COMPARED = re.compile(
    rf"\b{_BEFORE}\s(?:{_KIND}\s){{0,3}}?{_EXAMINATION}\b|\bpriors\b"
    r"|\b(?:previously|formerly|earlier)\s(?:seen|noted|identified|observed|demonstrated|visuali[sz]ed|shown|present)\b"
    r"|\b(?:again|still)\s(?:seen|noted|demonstrated|identified|shown|visuali[sz]ed)\b"
    r"|\bcompar(?:ed|ison)\s(?:to|with)\s(?:the\s)?(?:prior|previous|earlier|last|old)\b"
    r"|\binterval\s(?:change|increase|decrease|development|improvement|worsening|progression|resolution|\w+ment)\b"
    r"|\bno\s(?:prior\s|previous\s)?(?:comparisons?|priors?)\b|\bcomparison\s(?:is|was)\s(?:made|available|unavailable)\b",
    re.IGNORECASE,
)
# Of two, one can; but not what was written about the earlier one.
_WRITTEN_BEFORE = re.compile(r"\bpreviously\s(?:described|stated|commented)\b", re.IGNORECASE)


# Each of the patterns above needs one of these; most steps have none, which is known in a microsecond.
_SIGNS = (
    *("report", "mention", "document", "quot", "dictat", "transcri", "plan", "descri", "note", "state", "comment"),
    *("specif", "list", "say", "said", "record", "section", "impression", "text", "provided", "given", "information"),
    *("indication", "history", "discuss", "radiologist", "clinician", "physician", "doctor", "technologist", "author"),
    *(
        "provider",
        "dr.",
        "drs.",
        "evidence",
        "observation",
        "finding",
        "xxx",
        "___",
        "[",
        "<",
        "year",
        "yr",
        "y/o",
        "yo",
    ),
    *("prior", "previous", "earlier", "preceding", "last", "former", "old", "outside", "recent", "comparison", "past"),
    *("yo", "baseline", "again", "still", "compar", "interval"),
)


def talk_of_a_report(text: str, *, compared: bool = False) -> str | None:
    """Return what in a step only a reader of reports could say, in words that may be shown; None for an image reader.

    `compared`: the question is about two images, so that an earlier one may be spoken of, and no report of it.
    Takes time linear in the text.
    """
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS):
        return None
    said = " ".join(text.split())
    return _found(said, compared=compared) and _found(_HONEST.sub(" ; ", said), compared=compared)


def _found(said: str, *, compared: bool) -> str | None:
    if _BLANK.search(said):
        return "a blank of de-identification"
    if _TOLD_OF_THE_PATIENT.search(said):
        return "the history or age of a patient"
    for pattern in (_TALK, _WRITTEN_BEFORE) if compared else (_TALK, _WRITTEN_BEFORE, _COMPARED):
        if talk := pattern.search(said):
            return repr(talk.group().strip(" .;:!?").lower())
    return None
