r"""What other programs left in a report is read through, and quotes still stand in the report as it was written."""

import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.coverage import coverage
from cxr.miner.language.labeler import label, label_evidence
from cxr.miner.language.residues import readable
from cxr.miner.language.sections import outline, trimmed
from cxr.miner.mine.words import words_of
from cxr.schemas import Finding

PLAIN = "FINDINGS: The heart is enlarged.\nNo pneumothorax.\nSmall left pleural effusion."
"""What each of these says."""
WRITTEN = {
    "tags": "<p><b>FINDINGS:</b> The heart is enlarged.</p><P id='x'>No pneumothorax.<br/>"
    "Small left <i>pleural</i> effusion.</P>",
    "escaped tags": "FINDINGS: The heart is enlarged.&lt;br&gt;No pneumothorax.&lt;br/&gt;Small left pleural effusion.",
    "entities": "FINDINGS:&nbsp;The heart&#160;is enlarged.&#10;No&nbsp;pneumothorax.&#x0A;Small&nbsp left pleural&amp;"
    "nbsp;effusion.",
    "rtf": r"{\rtf1\ansi\deff0{\fonttbl{\f0 Heart Arial;}{\f1 Nodule;}}{\*\generator Mass 1.0;}\pard\f0\fs22 FINDINGS: "
    "The heart is \\b enlarged\\b0.\\par\r\nNo pneumothorax.\\line Small left pleural effusion.\\par\r\n}",
    "stray rtf": r"FINDINGS: The heart is enlarged.\par No pneumothorax.\par \b Small left\b0  pleural effusion.\par",
    "escaped line ends": r"FINDINGS:\nThe heart is enlarged.\r\nNo pneumothorax.\nSmall left pleural effusion.",
    "hl7": r"FINDINGS: The heart is enlarged.\.br\No pneumothorax.\.br\Small left pleural effusion.",
    "json": r"FINDINGS: The heart is enlarged.\u000aNo pneumothorax.\u000aSmall left\u00a0pleural effusion.",
    "unseen": "\ufeffFINDINGS: The he\u00adart is enlarged.\nNo pneumo\u200bthorax.\nSmall left\u2060 pleural "
    "effu\u00adsion.",
    "blanks": "FINDINGS: The\u00a0heart\u2009is enlarged.\u2028No\u202fpneumothorax.\x0cSmall left "
    "pleural\u3000effusion.",
    "ligatures": "FINDINGS: The heart is enlarged.\nNo pneumothorax.\nSmall left pleural e\ufb00usion.",
    "encoding": "FINDINGS: The heart\u00c2\u00a0is enlarged.\nNo pneumothorax.\nSmall\u00c2 left pleural effusion.",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_report_with_residues_says_what_it_says_without_them(kind: str) -> None:
    report = WRITTEN[kind]
    assert label(report) == label(PLAIN)
    assert coverage(report).share == 1
    assert [mention.form for mention in analyse_report(report).mentions] == [
        mention.form for mention in analyse_report(PLAIN).mentions
    ]


@pytest.mark.parametrize("kind", WRITTEN)
def test_quotes_stand_in_the_report_as_it_was_written(kind: str) -> None:
    report = WRITTEN[kind]
    quotes = [piece.quote for pieces in label_evidence(report).values() for piece in pieces]
    assert quotes
    for quote in quotes:
        assert report[quote.start : quote.end] == quote.text
        assert readable(quote.text).text.split()[0] in {"No", "Small", "heart", "The"}
    ((judged,),) = (RulesJudge().verdicts(report, [Finding(observation="left pleural effusion", status="present")]),)
    assert judged.verdict == "supported"
    assert all(report[quote.start : quote.end] == quote.text for quote in judged.evidence)


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_place_of_what_is_read_is_one_of_what_was_written(kind: str) -> None:
    report = WRITTEN[kind]
    plain = readable(report)
    places = [(plain.place(at), plain.end(at + 1)) for at in range(len(plain.text))]
    assert all(0 <= start < end <= len(report) for start, end in places)
    assert places == sorted(places)
    assert "".join(f"{block.name}" for block in outline(report)) == "".join(f"{b.name}" for b in outline(plain.text))
    assert any(name == "findings" for name, _, _ in trimmed(report))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a nodule of &lt;5 mm", "a nodule of <5 mm"),
        ("&amp;lt;5 mm &amp; more", "<5 mm & more"),
        ("the patient\u00e2\u20ac\u2122s heart", "the patient\u2019s heart"),
        ("tilted by 40\u00c2\u00b0", "tilted by 40\u00b0"),
        ("\u00ef\u00bb\u00bfClear", "Clear"),
        ("a < b, c > d, R&D, 50 &c.", "a < b, c > d, R&D, 50 &c."),
        ("size <5 mm and >3 mm", "size <5 mm and >3 mm"),
        ("&unheard; of", "&unheard; of"),
        ("\u00c9paule, fen\u00eatre, S\u00e3o", "\u00c9paule, fen\u00eatre, S\u00e3o"),
        (r"{\rtf1 a\'b0 \u8211? b\~c\-d \{x\}}", "a\u00b0 \u2013 b cd {x}"),
        (r"one \T\ two", "one & two"),
    ],
)
def test_signs_are_read_as_what_they_stand_for(written: str, read: str) -> None:
    assert readable(written).text == read


def test_the_words_of_a_quote_are_those_of_its_text() -> None:
    assert words_of("No&nbsp;pneumo\u00adthorax").concepts == words_of("No pneumothorax").concepts


# What de-identification leaves, and the same without it: same mentions, labels and understanding.
MASKED = [
    ("There is a ___ left effusion.", "There is a left effusion."),
    ("Compared to ___, there is no pneumothorax.", "There is no pneumothorax."),
    ("No ___ pneumothorax.", "No pneumothorax."),
    ("Comparison to ___. Small left effusion. No pneumothorax.", "Small left effusion. No pneumothorax."),
    ("As compared to ___, the left effusion has increased.", "The left effusion has increased."),
    ("[**Name**] was told. Small right pneumothorax.", "Small right pneumothorax."),
    ("Dr. [**First Name8 (NamePattern2) **] read this. Left pneumothorax.", "Left pneumothorax."),
    ("[**Known lastname **] is a 65 year old male. Mild cardiomegaly.", "Mild cardiomegaly."),
    ("Compared with [**2015-3-4**], the right effusion is larger.", "The right effusion is larger."),
    ("No [**Last Name (un)**] effusion. Heart is normal.", "No effusion. Heart is normal."),
    ("Little change in the [**Hospital1**] left atelectasis.", "Little change in the left atelectasis."),
    ("Small effusion compared with [**Left**].", "Small effusion."),
    ("Nodule of 5 mm compared with [**12 mm**].", "Nodule of 5 mm."),
    ("Clear since [**Month (only) **]. No effusion.", "Clear. No effusion."),
    ("XXXX opacity in the left base. No XXXX of effusion.", "Opacity in the left base. No effusion."),
    ("Heart size is XXXX normal. x-XXXX. No pneumothorax.", "Heart size is normal. No pneumothorax."),
    ("SMALL LEFT EFFUSION, DR. <NAME> TOLD. NO PNEUMOTHORAX.", "SMALL LEFT EFFUSION. NO PNEUMOTHORAX."),
    ("FINDINGS: Small left effusion since <DATE>; no pneumothorax.", "Small left effusion; no pneumothorax."),
    ("Small left effusion compared to [DATE]. No [NAME] pneumothorax.", "Small left effusion. No pneumothorax."),
    ("Small left effusion, [REDACTED], no pneumothorax.", "Small left effusion, no pneumothorax."),
    ("The tube ends ___ cm above the carina.", "The tube ends above the carina."),
    ("Told to Dr. ___ at 3:45 PM. Left pneumothorax.", "Left pneumothorax."),
]


@pytest.mark.parametrize(("masked", "plain"), MASKED)
def test_what_was_taken_out_is_no_finding_no_side_and_no_number(masked: str, plain: str) -> None:
    said, meant = analyse_report(masked).mentions, analyse_report(plain).mentions
    assert [mention.form for mention in said] == [mention.form for mention in meant]
    assert label(masked) == label(plain)
    assert coverage(masked).understood == coverage(plain).understood


@pytest.mark.parametrize(
    "other",
    [
        "\u041f\u043d\u0435\u0432\u043c\u043e\u0442\u043e\u0440\u0430\u043a\u0441 \u0435\u0441\u0442\u044c.",
        "\u53f3\u4fa7\u80f8\u8154\u79ef\u6db2\u3002",
        "\u0627\u0646\u0635\u0628\u0627\u0628 \u062c\u0646\u0628\u064a.",
        "\u0397 \u03ba\u03b1\u03c1\u03b4\u03b9\u03ac.",
        "\u0939\u0943\u0926\u092f \u092c\u0922\u093c\u093e \u0939\u0948\u0964",
        "\U0001fac1 \U0001d4db\U0001d4ee\U0001d4ef\U0001d4fd \u212b \u0130",
    ],
)
def test_words_in_another_script_are_not_understood_and_the_rest_is_read(other: str) -> None:
    report = f"FINDINGS: Small left effusion. {other} No pneumothorax."
    plain = label("FINDINGS: Small left effusion. No pneumothorax.")
    assert {name: value for name, value in label(report).items() if value is not None} == {
        name: value for name, value in plain.items() if value is not None
    }
    assert not coverage(report).understood


UNITS = {
    "one long line": "small left effusion and mild edema without change ",
    "line ends": "\n",
    "one word": "effusion ",
    "brackets": "([{<",
    "numbers": "12.5 ",
    "a list": "no effusion, edema, ",
    "html": "<p>No&nbsp;effusion</p>",
    "open tags": "<p <b &amp;amp;amp;",
    "rtf": r"\par {\b No effusion}\'b0",
    "another script": "\u041f\u043d\u0435\u0432\u043c\u043e ",
    "marks": "[**Name ___ ",
    "encoding": "\u00c3\u00a2\u00e2\u20ac",
}


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("head", ["", r"{\rtf1 "])
def test_any_text_is_read_in_time_in_proportion_to_its_length(kind: str, head: str) -> None:
    report = head + UNITS[kind] * (100_000 // len(UNITS[kind]))
    label(report)  # would not end if it were quadratic
    assert 0 <= coverage(report).share <= 1
