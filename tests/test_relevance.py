"""Whether quotes are about their findings, and statements stand in their quotes: invented sentences, by kind."""

import pytest

from cxr.miner.mine.relevance import check_relevance, denies_less, off_topic
from cxr.miner.mine.unquoted import check_measured, check_statements, unquoted, without
from cxr.schemas.reasoning import Chain, ChainStep, Evidence
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason

PRESENT, ABSENT = Presence.PRESENT, Presence.ABSENT


def _quote(words: str, report: str | None = None) -> Quote:
    start = (report or words).index(words)
    return Quote(start=start, end=start + len(words), text=words)


def _evidence(finding: str, presence: Presence, statement: str, *quotes: str) -> Evidence:
    return Evidence(
        evidence_no=1,
        finding=finding,
        kind=EvidenceKind.QUOTED,
        presence=presence,
        statement=statement,
        quotes=tuple(_quote(words) for words in quotes),
    )


ABOUT = [
    # it is named, by any of its names, or a kind of it is
    ("Pleural Effusion", PRESENT, "Trace fluid in the right pleural space"),
    ("Pleural Effusion", PRESENT, "LARGE LEFT HEMOTHORAX"),
    ("Pleural Effusion", ABSENT, "no effusion"),
    ("Pneumonia", ABSENT, "No focal infiltrate"),
    ("Cardiomegaly", PRESENT, "The heart is mildly enlarged"),
    ("Cardiomegaly", PRESENT, "Cardiac silhouette remains large"),
    ("Support Devices", PRESENT, "NGT courses below the diaphragm"),
    ("Fracture", PRESENT, "Old deformity of the left seventh rib"),
    ("Edema", PRESENT, "Septal lines and peribronchial cuffing"),
    ("elevated right hemidiaphragm", PRESENT, "The right hemidiaphragm remains elevated"),
    ("tortuous aorta", PRESENT, "Tortuous and calcified aorta"),
    ("prominent pulmonary vasculature", PRESENT, "Pulmonary vascularity is mildly prominent"),
    ("granulomatous disease", PRESENT, "A few calcified nodules"),
    # a sign of it is
    ("Pleural Effusion", PRESENT, "Blunting of the left costophrenic angle"),
    ("Pneumothorax", ABSENT, "No pleural line is seen"),
    ("Atelectasis", PRESENT, "Volume loss with a shifted minor fissure"),
    # what is normal in its place
    ("Pleural Effusion", ABSENT, "The costophrenic sulci are sharp"),
    ("Cardiomegaly", ABSENT, "Heart size within normal limits"),
    ("Enlarged Cardiomediastinum", ABSENT, "Mediastinal contours are unremarkable"),
    ("Fracture", ABSENT, "Osseous structures are intact"),
    ("Consolidation", ABSENT, "Both lungs are clear"),
    # all is denied
    ("Pneumothorax", ABSENT, "No acute cardiopulmonary abnormality"),
    ("Consolidation", ABSENT, "Normal chest"),
    ("Pleural Effusion", ABSENT, "Unremarkable study"),
    # a finding that is itself something normal
    ("normal heart size", PRESENT, "Heart size is normal"),
    ("No acute finding", PRESENT, "No acute cardiopulmonary process"),
]


@pytest.mark.parametrize(("finding", "presence", "words"), ABOUT)
def test_a_quote_that_names_the_finding_a_sign_or_its_normal_is_about_it(
    finding: str, presence: Presence, words: str
) -> None:
    assert not off_topic(_quote(words), finding, presence, words)


NOT_ABOUT = [
    ("Pleural Effusion", ABSENT, "The heart is not enlarged"),
    ("Pleural Effusion", ABSENT, "The lungs are clear"),
    ("Pneumothorax", ABSENT, "No rib fracture"),
    ("Pneumothorax", ABSENT, "Mediastinal contours are normal"),
    ("Cardiomegaly", ABSENT, "No pleural effusion"),
    ("Cardiomegaly", ABSENT, "No acute bony abnormality"),
    ("Fracture", ABSENT, "No pneumothorax or effusion"),
    ("Fracture", ABSENT, "The trachea is midline"),
    ("Edema", ABSENT, "No pneumothorax"),
    ("Support Devices", ABSENT, "The bones are intact"),
    ("Consolidation", ABSENT, "No widening of the mediastinum"),
    ("Pneumonia", PRESENT, "The catheter ends at the cavoatrial junction"),
    ("Lung Lesion", PRESENT, "Degenerative changes of the spine"),
    ("Atelectasis", PRESENT, "The heart is enlarged"),
    # that something is wrong is no name of it
    ("Pleural Effusion", PRESENT, "An abnormality is seen"),
    ("Pneumonia", PRESENT, "Abnormal study"),
    ("tortuous aorta", PRESENT, "Mild scoliosis"),
    ("elevated left hemidiaphragm", ABSENT, "No effusion"),
    # that nothing is new does not deny what was there
    ("Cardiomegaly", ABSENT, "No new disease"),
]


@pytest.mark.parametrize(("finding", "presence", "words"), NOT_ABOUT)
def test_a_quote_on_something_else_is_not(finding: str, presence: Presence, words: str) -> None:
    assert off_topic(_quote(words), finding, presence, words)


@pytest.mark.parametrize(
    ("report", "words", "off"),
    [
        (
            "There was a small right effusion. Now there is a moderate one on the left.",
            "a moderate one on the left",
            False,
        ),
        ("Small right effusion, unchanged.", "unchanged", False),
        ("The heart is enlarged. It is unchanged.", "It is unchanged", True),
        ("Left effusion. The heart is large.", "The heart is large", True),
    ],
)
def test_what_names_nothing_is_about_what_its_sentence_or_the_one_before_names(
    report: str,
    words: str,
    off: bool,
) -> None:
    assert off_topic(_quote(words, report), "Pleural Effusion", PRESENT, report) is off


@pytest.mark.parametrize(
    ("finding", "statement", "quote", "less"),
    [
        ("Lung Lesion", "No lung lesion is seen.", "No cavitary changes", True),
        ("Lung Lesion", "No cavity is seen, nor any other sign of a lung lesion.", "No cavitary changes", False),
        ("Lung Lesion", "No lung lesion is seen.", "No nodule or mass", False),
        ("Lung Lesion", "No lung lesion is seen.", "The lungs are clear", False),
        ("Fracture", "No fracture is seen.", "No compression fracture", True),
        ("Fracture", "No fracture is seen.", "No acute fracture", False),
        ("Edema", "No edema is seen.", "No heart failure", True),
        ("Pleural Effusion", "No pleural effusion is seen.", "No left pleural effusion", True),
        ("Pleural Effusion", "No left pleural effusion is seen.", "No left pleural effusion", False),
        ("Pleural Effusion", "No pleural effusion is seen.", "No large pleural effusion", True),
        ("Pleural Effusion", "No pleural effusion is seen.", "No significant pleural effusion", False),
        ("Pleural Effusion", "No pleural effusion is seen.", "No pleural effusion", False),
        ("Pneumothorax", "No pneumothorax is seen.", "No right or left pneumothorax", False),
    ],
)
def test_a_denial_of_one_kind_side_or_degree_denies_no_more(
    finding: str,
    statement: str,
    quote: str,
    less: bool,
) -> None:
    evidence = _evidence(finding, ABSENT, statement, quote)
    assert denies_less(evidence) is less
    rejection = check_relevance((evidence,), quote)
    assert (rejection is not None and rejection.reason is RejectReason.STATEMENT_NOT_QUOTED) is less


@pytest.mark.parametrize(
    ("statement", "quotes", "missing"),
    [
        ("There is a small left pleural effusion.", ["Small left effusion"], ()),
        ("There is a small left pleural effusion.", ["Left effusion"], ("mild",)),
        ("There is a large right effusion.", ["Small left effusion"], ("right", "severe")),
        ("There is a tiny pneumothorax.", ["Trace pneumothorax"], ()),
        ("The heart is mildly enlarged.", ["Slight enlargement of the heart"], ()),
        ("The heart is moderately enlarged.", ["Heart is enlarged"], ("moderate",)),
        ("There are bilateral effusions.", ["Left effusion", "right effusion"], ()),
        ("There is a left effusion.", ["Bilateral effusions"], ()),
        ("There are bilateral effusions.", ["Left effusion"], ("bilateral",)),
        ("There is atelectasis in both lung bases.", ["Atelectasis at the bases"], ()),
        ("There is atelectasis in both lung bases.", ["Bibasilar atelectasis"], ()),
        ("There is a 1.2 cm nodule.", ["A 12 mm nodule"], ()),
        ("There is a 1.2 cm nodule.", ["A nodule"], ("12 mm",)),
        ("There is a 2.1 cm nodule.", ["A nodule of 1.2 cm"], ("21 mm",)),
        ("There is a 14 mm nodule.", ["Nodule of 8 mm, previously 14 mm"], ("14 mm",)),
        ("There are multiple nodules.", ["Nodules"], ()),
        ("There are multiple nodules.", ["A nodule"], ("multiple",)),
        ("There are three nodules.", ["Several nodules"], ("3",)),
        ("There are three nodules.", ["3 nodules"], ()),
        ("There are severe degenerative changes.", ["Significant degenerative changes"], ("severe",)),
        ("There is an effusion.", ["Large left effusion"], ()),
    ],
)
def test_what_no_quote_says_of_side_degree_number_and_size_is_named(
    statement: str, quotes: list[str], missing: tuple[str, ...]
) -> None:
    assert unquoted(statement, [_quote(words) for words in quotes]) == missing
    rejection = check_statements((_evidence("Pleural Effusion", PRESENT, statement, *quotes),))
    assert (rejection is None) == (missing == ())
    assert rejection is None or all(name in rejection.message for name in missing)


@pytest.mark.parametrize(
    ("step", "fits"),
    [
        ("There is a 12 mm nodule.", True),
        ("There is a 1.2 cm nodule.", True),
        ("There is a 2 cm nodule.", False),
        ("There is a nodule.", True),
    ],
)
def test_a_step_gives_no_size_that_no_quote_has(step: str, fits: bool) -> None:
    evidence = _evidence("Lung Lesion", PRESENT, "There is a nodule.", "A 12 mm nodule")
    chain = Chain(steps=tuple(ChainStep(step_no=n, text=step, evidence=(1,)) for n in (1, 2)), answer="Yes")
    assert (check_measured((evidence,), chain) is None) is fits


def test_a_phrase_is_said_without_what_is_missing() -> None:
    assert without("moderate degenerative changes of the spine", ("moderate",)) == "degenerative changes of the spine"
    assert without("small left pleural effusion", ("mild", "left")) == "pleural effusion"
