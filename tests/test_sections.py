"""Sections: every layout, every known bug of the public parser, and nothing ever lost."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cxr.miner.language.sections import ASSERTIVE, final_text_spans, outline, parse_sections
from tests.clocks import processor_s

RULE = " " + "_" * 78
TITLE = " " * 33 + "FINAL REPORT"


def sections_of(text: str) -> list[tuple[str, str]]:
    return [(section.name, text[section.start : section.end]) for section in parse_sections(text)]


def final_text(text: str) -> list[str]:
    return [text[span.start : span.end] for span in final_text_spans(text)]


CASES = [
    pytest.param(
        f"{TITLE}\n EXAMINATION:  CHEST (PA AND LAT)\n \n INDICATION:  ___F with cough.\n \n TECHNIQUE:  PA and lateral"
        "\n \n COMPARISON:  ___\n \n FINDINGS: \n \n The lungs are\n clear.\n \n IMPRESSION: \n \n Normal chest.\n",
        [
            ("preamble", "FINAL REPORT"),
            ("examination", "CHEST (PA AND LAT)"),
            ("indication", "___F with cough."),
            ("technique", "PA and lateral"),
            ("comparison", "___"),
            ("findings", "The lungs are\n clear."),
            ("impression", "Normal chest."),
        ],
        id="the MIMIC-CXR layout",
    ),
    pytest.param(
        "Findings: Heart size is normal. No effusion. Impression: No acute disease.",
        [("findings", "Heart size is normal. No effusion."), ("impression", "No acute disease.")],
        id="OpenI on one line, capitalised",
    ),
    pytest.param(
        "FINDINGS: Heart size is normal IMPRESSION: No acute disease",
        [("findings", "Heart size is normal"), ("impression", "No acute disease")],
        id="OpenI on one line, capitals, no full stop",
    ),
    pytest.param(
        "indication: cough. findings: clear lungs. impression: normal.",
        [("indication", "cough."), ("findings", "clear lungs."), ("impression", "normal.")],
        id="lower case on one line",
    ),
    pytest.param(
        "FINAL REPORT EXAMINATION: CHEST (PA AND LAT) INDICATION: ___M, cough COMPARISON: ___ FINDINGS: Clear lungs.",
        [
            ("preamble", "FINAL REPORT"),
            ("examination", "CHEST (PA AND LAT)"),
            ("indication", "___M, cough"),
            ("comparison", "___"),
            ("findings", "Clear lungs."),
        ],
        id="a MIMIC report with its newlines lost",
    ),
    pytest.param(
        "NARRATIVE:\nCHEST 1 VIEW, 1-2-2003\n\nCLINICAL HISTORY: 50 YEARS OF AGE, COUGH.\n\nCOMPARISON: NONE.\n\n"
        "PROCEDURE COMMENTS: SINGLE VIEW.\n\nFINDINGS:\nHEART: NORMAL.\nLUNGS: CLEAR.\n\nIMPRESSION:\n\n1. NO EFFUSION."
        "\n2. NO PNEUMOTHORAX.\n\nEND OF IMPRESSION:\n\nSUMMARY: 1-NO SIGNIFICANT ABNORMALITY\nACCESSION NUMBER: 77\n",
        [
            ("narrative", "CHEST 1 VIEW, 1-2-2003"),
            ("history", "50 YEARS OF AGE, COUGH."),
            ("comparison", "NONE."),
            ("technique", "SINGLE VIEW."),
            ("findings", "HEART: NORMAL.\nLUNGS: CLEAR."),
            ("impression", "1. NO EFFUSION.\n2. NO PNEUMOTHORAX."),
            ("summary", "1-NO SIGNIFICANT ABNORMALITY"),
            ("other", "77"),
        ],
        id="CheXpert Plus in capitals, with headings inside the findings",
    ),
    pytest.param(
        "CLINICAL HISTORY: Cough.\\n\\nFINDINGS: Lungs are clear.\\nIMPRESSION: 1. Normal.",
        [("history", "Cough."), ("findings", "Lungs are clear."), ("impression", "1. Normal.")],
        id="CheXpert Plus with literal two-character newlines",
    ),
    pytest.param(
        "NDICATION: Cough.\n IMPRESSION: Normal.",
        [("indication", "Cough."), ("impression", "Normal.")],
        id="bug: ndication became the impression",
    ),
    pytest.param(
        "   FINAL REPORT\n  Findings: The heart is large.\n      Impression:  Cardiomegaly.\n",
        [("preamble", "FINAL REPORT"), ("findings", "The heart is large."), ("impression", "Cardiomegaly.")],
        id="bug: mixed case and indented headers were missed",
    ),
    pytest.param(
        " CHEST 2 VIEWS 8:05 A.M.:\n \n The lungs are clear and well expanded.\n \n IMPRESSION #1:  Normal.\n",
        [("findings", "The lungs are clear and well expanded."), ("impression", "Normal.")],
        id="bug: headers with digits and times were missed",
    ),
    pytest.param(
        " INDICATION:\n FINDINGS: Clear lungs.\n IMPRESSION:\n Normal.\n",
        [("findings", "Clear lungs."), ("impression", "Normal.")],
        id="bug: a header right after an empty header was missed",
    ),
    pytest.param(
        " COMPARISON:  None. FINDINGS:  Clear lungs.\n",
        [("comparison", "None."), ("findings", "Clear lungs.")],
        id="bug: a second header on a line was missed",
    ),
    pytest.param(
        f" WET READ: ___ ___ 8:05 PM\n FINDINGS: No pneumothorax.\n IMPRESSION: Normal.\n{RULE}\n{TITLE}\n"
        " HISTORY:  Fall.\n \n IMPRESSION:  Right apical pneumothorax.\n",
        [
            ("wet_read", "___ ___ 8:05 PM\n FINDINGS: No pneumothorax.\n IMPRESSION: Normal."),
            ("preamble", "FINAL REPORT"),
            ("history", "Fall."),
            ("impression", "Right apical pneumothorax."),
        ],
        id="a wet read keeps its own headers to itself",
    ),
    pytest.param(
        f" FINDINGS: No pneumothorax seen by the resident.\n{TITLE}\n FINDINGS:  Right pneumothorax.\n",
        [
            ("wet_read", "FINDINGS: No pneumothorax seen by the resident."),
            ("preamble", "FINAL REPORT"),
            ("findings", "Right pneumothorax."),
        ],
        id="a read above the FINAL REPORT title is preliminary without saying so",
    ),
    pytest.param(
        " PROVISIONAL FINDINGS IMPRESSION (PFI): ___ 8:40 AM\n  No pneumonia.\n \n"
        f"{TITLE}\n IMPRESSION:  Left lower lobe pneumonia.\n",
        [
            ("wet_read", "___ 8:40 AM\n  No pneumonia."),
            ("preamble", "FINAL REPORT"),
            ("impression", "Left lower lobe pneumonia."),
        ],
        id="a provisional impression is not the impression",
    ),
    pytest.param(
        f" ADDENDUM\n \n The nodule was discussed with Dr. ___.\n \n{RULE}\n{TITLE}\n FINDINGS:  Nodule.\n",
        [
            ("addendum", "The nodule was discussed with Dr. ___."),
            ("preamble", "FINAL REPORT"),
            ("findings", "Nodule."),
        ],
        id="an addendum under its title",
    ),
    pytest.param(
        f" On review there is a small left effusion.\n{RULE}\n{TITLE}\n FINDINGS:  Clear lungs.\n",
        [
            ("addendum", "On review there is a small left effusion."),
            ("preamble", "FINAL REPORT"),
            ("findings", "Clear lungs."),
        ],
        id="an addendum without a header above the line of underscores",
    ),
    pytest.param(
        " IMPRESSION: Normal.\n \n ADDENDUM: See below.\n IMPRESSION: Nodule.\n",
        [("impression", "Normal."), ("addendum", "See below.\n IMPRESSION: Nodule.")],
        id="an addendum below the report keeps its own headers",
    ),
    pytest.param(
        " CHEST, PA AND LATERAL:  The lungs are clear. The heart is normal.\n \n IMPRESSION:  No pneumonia.\n \n"
        " LEFT RIBS, TWO VIEWS:  There is a fracture of the sixth rib.\n \n IMPRESSION:  Rib fracture.\n",
        [
            ("findings", "The lungs are clear. The heart is normal."),
            ("impression", "No pneumonia."),
            ("findings", "There is a fracture of the sixth rib."),
            ("impression", "Rib fracture."),
        ],
        id="two examinations in one report",
    ),
    pytest.param(
        " FINDINGS AND IMPRESSION: Clear lungs.\n",
        [("findings_and_impression", "Clear lungs.")],
        id="a joint section says that it is one",
    ),
    pytest.param(
        " INDICATION:  Cough.\n \n PA and lateral views. The lungs are clear without effusion.\n \n"
        " IMPRESSION: Normal.\n",
        [
            ("indication", "Cough."),
            ("findings", "PA and lateral views. The lungs are clear without effusion."),
            ("impression", "Normal."),
        ],
        id="findings without a header between indication and impression",
    ),
    pytest.param(
        " CHEST, TWO VIEWS: ___\n \n HISTORY:  Dyspnea.\n \n The lungs are clear. No effusion.\n",
        [("examination", "___"), ("history", "Dyspnea."), ("last_paragraph", "The lungs are clear. No effusion.")],
        id="a view header over a date is no findings section",
    ),
    pytest.param(
        "FINDINGS\nLungs are clear.\n\nIMPRESSION\nNormal.",
        [("findings", "Lungs are clear."), ("impression", "Normal.")],
        id="headers without a colon on lines of their own",
    ),
    pytest.param(
        " INDICATION:  Cough.\r\n \r\n FINDINGS:  Clear lungs.\r\n",
        [("indication", "Cough."), ("findings", "Clear lungs.")],
        id="Windows line ends",
    ),
    pytest.param(
        "FINDINGS: ___ is seen. The ___ ________ is intact.",
        [("findings", "___ is seen. The ___ ________ is intact.")],
        id="de-identified blanks are no separators",
    ),
    pytest.param(
        "FINDINGS: Chest  Comparison: There is a mass in the lingula.\nIMPRESSION: Mass.",
        [("findings", "Chest  Comparison: There is a mass in the lingula."), ("impression", "Mass.")],
        id="a comparison inside the findings does not swallow them (OpenI)",
    ),
    pytest.param(
        " IMPRESSION:  AP chest compared to ___:\n \n The tube ends 4 cm above the carina.\n",
        [("impression", "AP chest compared to ___:\n \n The tube ends 4 cm above the carina.")],
        id="a colon in prose is no header",
    ),
    pytest.param(
        " IMPRESSION: There is no acute\n findings: of note is a nodule.\n",
        [("impression", "There is no acute\n findings: of note is a nodule.")],
        id="a wrapped sentence is no header",
    ),
    pytest.param("The heart is large.", [("full_report", "The heart is large.")], id="no header at all"),
    pytest.param("___", [("preamble", "___")], id="nothing but a blank"),
    pytest.param("", [], id="empty"),
    pytest.param(" \n \n", [], id="blank"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_sections(text: str, expected: list[tuple[str, str]]) -> None:
    assert sections_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f" WET READ: No pneumothorax.\n{RULE}\n{TITLE}\n IMPRESSION:  Right pneumothorax.\n",
            ["Right pneumothorax."],
            id="the final read, not the wet read",
        ),
        pytest.param(
            " INDICATION:  Rule out pneumonia.\n \n The lungs are clear.\n",
            ["The lungs are clear."],
            id="the last paragraph where no header announces the reading",
        ),
        pytest.param(
            " REASON FOR EXAM:  Preop.\n \n COMPARISON:  Normal heart size. No pneumothorax is seen.\n",
            ["Normal heart size. No pneumothorax is seen."],
            id="the comparison where the radiologist wrote under it",
        ),
        pytest.param(
            " INDICATION:  Cough.\n \n RECOMMENDATIONS:  There is a nodule in the left lung, repeat the CT.\n",
            ["There is a nodule in the left lung, repeat the CT."],
            id="the last prose where nothing else is",
        ),
        pytest.param("Heart normal. Lungs clear.", ["Heart normal. Lungs clear."], id="the whole text without headers"),
        pytest.param(" WET READ: No pneumothorax.\n", ["No pneumothorax."], id="a wet read that is all there is"),
        pytest.param("INDICATION: Pneumonia?\nFINDINGS: Clear.", ["Clear."], id="the indication asserts nothing"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_the_final_read(text: str, expected: list[str]) -> None:
    assert final_text(text) == expected


# --- nothing is lost -------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        "FINDINGS:", "Findings:", "IMPRESSION:", " IMPRESSION: ", "COMPARISON: ___", "WET READ: ___", "ADDENDUM", "\n",
        "\n \n", "\r\n", RULE, TITLE, "FINAL REPORT:", "CHEST, TWO VIEWS:", "LUNGS:", "The lungs are clear.", "8:05 PM",
        "\\n", " ", "  ", "___", "XXXX", "1. ", "NOTE:", "history: ", "IMPRESSION - ", "é", "\u2028", ":", "EXAM",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=30).map("".join))


@example("\u00ad")  # a soft hyphen, which is read as nothing
@given(TEXTS)
def test_blocks_tile_the_text(text: str) -> None:
    blocks = outline(text)
    assert "".join(text[block.header : block.start] + text[block.start : block.end] for block in blocks) == text
    assert all(block.header <= block.start <= block.end for block in blocks)


@given(TEXTS)
def test_sections_are_ordered_apart_and_without_blank_edges(text: str) -> None:
    sections = parse_sections(text)
    assert all(before.end <= after.start for before, after in pairwise(sections))
    assert all(text[section.start : section.end].strip() for section in sections)


@given(TEXTS)
def test_a_text_with_a_word_always_has_a_final_read(text: str) -> None:
    spans = [(section.start, section.end) for section in parse_sections(text)]
    final = [(span.start, span.end) for span in final_text_spans(text)]
    assert set(final) <= set(spans)
    assert bool(final) == bool(spans)


@pytest.mark.parametrize("body", ["Clear lungs.", "1. Normal.\n 2. No change.", "___ in the left lung.", "No. 8:05 PM"])
@pytest.mark.parametrize("header", ["FINDINGS", "IMPRESSION", "INDICATION", "COMPARISON", "TECHNIQUE", "HISTORY"])
@pytest.mark.parametrize("layout", [" {}:  {}\n", "{}: {}", "   {}:\n \n {}\n", "{}:\r\n{}\r\n"])
def test_a_planted_body_comes_back_whole(layout: str, header: str, body: str) -> None:
    before, after = f"{TITLE}\n EXAMINATION:  CHEST\n \n", "\n \n NOTIFICATION:  Dr. ___ was told.\n"
    text = before + layout.format(header, body) + after
    assert (header.lower(), body) in sections_of(text)


def test_time_grows_with_the_length_and_not_faster() -> None:
    def seconds(copies: int) -> float:
        text = "CHEST:\nFINDINGS: a\n" * copies + RULE + "\nWET READ: x " * copies
        return processor_s(lambda: outline(text))

    small, large = min(seconds(200) for _ in range(3)), min(seconds(4000) for _ in range(2))
    assert large < 20 * small * 5  # linear would be 20, quadratic 400


# --- against the public parser -----------------------------------------------------------------------------------

REASONS = {
    "a view header over a date names the examination, and the reading is the paragraph after the history",
    "a wet read is a section of its own, and FINDINGS AND IMPRESSION is named as joint",
    "without any header the whole report is the reading, not only what follows its first blank line",
    "text above a line of underscores is an addendum",
    "FINDINGS/IMPRESSION is named as joint",
    "STUDY is a name of the examination section",
    "a header repeated on the same line is a header",
}


def reason_for(theirs: list[tuple[str, str]], ours: list[tuple[str, str]], text: str) -> str:
    """Name the reason of a difference; fails where there is none."""
    names, public = [name for name, _ in ours], [name for name, _ in theirs]
    if names == public:
        differing = {name for (name, a), (_, b) in zip(ours, theirs, strict=True) if a != b}
        assert all(f"{name.upper()}:  {name.upper()}:" in text.upper() for name in differing)
        return "a header repeated on the same line is a header"
    if "full report" in public:
        return "without any header the whole report is the reading, not only what follows its first blank line"
    if names[0] == "wet_read":
        return "a wet read is a section of its own, and FINDINGS AND IMPRESSION is named as joint"
    if names[0] == "addendum":
        return "text above a line of underscores is an addendum"
    if "study" in public:
        return "STUDY is a name of the examination section"
    if "findings_and_impression" in names:
        return "FINDINGS/IMPRESSION is named as joint"
    assert names[-1] == "last_paragraph"
    assert dict(theirs)["findings"] == "___"
    return "a view header over a date names the examination, and the reading is the paragraph after the history"


def test_every_difference_to_the_public_parser_has_a_reason(shared: Path) -> None:
    lines = (shared / "gold" / "sections_reference.jsonl").read_text(encoding="utf-8").splitlines()
    reasons: Counter[str] = Counter()
    for line in lines:
        record = json.loads(line)
        theirs = [(name, body.strip()) for name, body in record["sections"] if body.strip()]
        ours = sections_of(record["text"])
        if ours != theirs:
            reasons[reason_for(theirs, ours, record["text"])] += 1
    assert set(reasons) == REASONS
    assert sum(reasons.values()) < len(lines) * 0.55


def test_what_the_public_parser_labels_from_is_in_our_final_read(shared: Path) -> None:
    lines = (shared / "gold" / "sections_reference.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        record = json.loads(line)
        used = [body.strip() for name, body in record["sections"] if name == record["used"]][-1]
        if used != "___":  # the view header over a date: it labels from a blank
            assert used in "\n".join(final_text(record["text"]))


def test_assertive_sections_are_the_readings() -> None:
    assert {str(name) for name in ASSERTIVE} == {
        "findings", "impression", "findings_and_impression", "last_paragraph", "full_report",
    }  # fmt: skip
