"""What somebody says who reads a report, and what who reads an image: invented sentences of both kinds."""

import pytest

from cxr.miner.language import analyse
from cxr.miner.language.grounding import leaves_out_negation, locate
from cxr.miner.mine.talk import talk_of_a_report
from cxr.schemas import Presence
from tests.clocks import processor_s

READS_A_REPORT = [
    # somebody's words
    "The report describes an enlarged heart.",
    "As reported, the heart is enlarged.",
    "No such findings were reported.",
    "The X-ray reports a normal heart size.",
    "A nodule is not mentioned.",
    "There is no mention of a fracture.",
    "The lungs are clear with no nodules mentioned, so the option falls.",
    "An enlarged heart is documented.",
    "This is quoted from above.",
    "As dictated, the lungs are clear.",
    "As noted, the heart is enlarged.",
    "An effusion is present, as previously noted.",
    "As stated, there is no edema.",
    "Normal alignment is described, so there is no scoliosis.",
    "No opacity is described at the base.",
    "The devices are seen as described.",
    "The previously described nodule is calcified.",
    "Nothing is stated about the ribs.",
    # images and accounts that speak
    "The images do not describe a fracture.",
    "The image does not mention a catheter.",
    "The radiograph states that the heart is large.",
    "The X-ray explicitly notes a tortuous aorta.",
    "The impression states that there is no acute disease.",
    "The findings say that the lungs are clear.",
    "According to the findings, the heart is enlarged.",
    "Per the impression, there is no pneumonia.",
    "In the impression there is a nodule.",
    "This stands in the findings section.",
    # what was given besides the image
    "The text says that the heart is enlarged.",
    "The provided observations exclude edema.",
    "The given description fits option B.",
    "There is no information on the shoulder.",
    "Based on the information provided, the lungs are clear.",
    "Evidence 2 excludes edema.",
    "Observation #3 shows the tube.",
    # a plan of looking
    "As planned, the lungs come next.",
    "The plan is to look at the heart.",
    "The areas of the diagnosis plan are examined.",
    "The planned findings are gone through.",
    # a writer
    "The radiologist noted an enlarged heart.",
    "This is the radiologist's reading.",
    "The clinician described a cough.",
    "Read by the radiologist as normal.",
    "This was discussed with Dr. Nobody.",
    # the patient
    "Given the clinical history, pneumonia is likely.",
    "With the known history of cancer, this is a metastasis.",
    "In this 64-year-old, the aorta is calcified.",
    # blanks
    "There is a XXXX opacity in the right base.",
    "The tube was placed on ___.",
    "[**Name**] has a large heart.",
    "The heart is enlarged since [date].",
]
OF_ANOTHER_IMAGE = [
    "It is unchanged from the prior exam.",
    "Compared with the previous chest radiograph, the lungs are clearer.",
    "The nodule looks as on earlier imaging.",
    "A right pneumothorax is again seen.",
    "The previously seen effusion is smaller.",
    "There is an interval increase in heart size.",
    "No prior studies show it.",
    "The priors had a nodule.",
]
READS_AN_IMAGE = [
    "An enlarged heart is noted.",
    "No effusion is noted on the lateral view.",
    "There is no evidence of edema.",
    "The overall impression is that of an enlarged heart.",
    "One is under the impression that the hilum is full.",
    "On plain radiography the heart is enlarged.",
    "The findings support heart failure.",
    "The image shows, reveals and demonstrates a nodule.",
    "The pleural line is described by a thin white edge.",
    "This is best described as a reticular pattern.",
    "The arrangement can be described as perihilar.",
    # what was asked
    "Option B mentions a small granuloma, which is not there.",
    "This fits option D, which reports a granuloma on the left.",
    "For option A, which describes a mass, there is no support.",
    "The question asks for the one finding that is there.",
    "The mass described in option C is absent.",
    "None of the conditions mentioned in the options is seen.",
    "Of the mentioned anomalies only the opacity is there.",
    "The provided images are examined for the given options.",
    "According to the given options, four findings have to be looked for.",
    # what is planned, and by whom
    "The tube ends as planned above the carina.",
    "The catheter ends as planned.",
    "The port lies well for treatment planning.",
    "Surgical planning would need a CT.",
    "The clips lie where a planned resection leaves them.",
    # what everybody knows, and what to do next
    "This is a well documented cause of volume loss.",
    "Such lines are reported in up to half of all patients with failure.",
    "It is worth mentioning that the hila are full.",
    "A radiologist would look for a pleural line.",
    "Radiologists look at the apices first.",
    "Correlation with clinical history is advised.",
    "The course is dictated by the anatomy.",
    "According to its shape, the shadow is a nipple.",
    "Given these observations, the answer is B.",
    "Given the findings, the lungs are normal.",
    # what an image shows of the past
    "These are traces of a prior granulomatous infection.",
    "Clips tell of previous surgery.",
    "This suggests a history of tuberculosis.",
    "A healed, old fracture is seen.",
    "The recent sternotomy is intact.",
    "The left base is darker in comparison with the right.",
]


@pytest.mark.parametrize("sentence", READS_A_REPORT)
def test_talk_of_a_report_is_caught_whatever_is_asked(sentence: str) -> None:
    assert talk_of_a_report(sentence)
    assert talk_of_a_report(sentence, compared=True)


@pytest.mark.parametrize("sentence", OF_ANOTHER_IMAGE)
def test_only_a_question_on_two_images_may_speak_of_the_earlier_one(sentence: str) -> None:
    assert talk_of_a_report(sentence)
    assert talk_of_a_report(sentence, compared=True) is None


@pytest.mark.parametrize("sentence", READS_AN_IMAGE)
def test_the_words_of_people_who_read_images_are_allowed(sentence: str) -> None:
    assert talk_of_a_report(sentence) is None


def test_what_is_told_of_it_holds_no_age_and_no_blank() -> None:
    assert talk_of_a_report("A 64-year-old with cough.") == "the history or age of a patient"
    assert talk_of_a_report("Seen on XXXX.") == "a blank of de-identification"


@pytest.mark.parametrize(
    "piece", ["option B ", "prior chest ", "given the ", "_", "x", "no ", "correlate ", "is ", "  "]
)
def test_endless_steps_are_searched_at_once(piece: str) -> None:
    assert processor_s(lambda: talk_of_a_report(piece * (60_000 // len(piece)))) < 3


@pytest.mark.parametrize(
    "text",
    [
        "No effusion.>] Small pneumothorax.",
        '"No effusion." Small pneumothorax.',
        "(No effusion.) Small pneumothorax.",
        "[No effusion.] Small pneumothorax.",
        "No effusion.\u201d Small pneumothorax.",
        "No effusion.\u00bb Small pneumothorax.",
        "<No effusion.> Small pneumothorax.",
    ],
)
def test_a_sentence_ends_before_what_closes_behind_it(text: str) -> None:
    quote = locate("pneumothorax", text)
    assert quote is not None
    assert not leaves_out_negation(quote, text)
    read = {mention.form.concept: mention.form.presence for mention in analyse(text).mentions}
    assert read == {"pleural_effusion": Presence.ABSENT, "pneumothorax": Presence.PRESENT}


def test_a_heading_without_a_blank_ends_what_was_denied_before() -> None:
    text = "There are no bony abnormalities Impression:Unremarkable chest"
    quote = locate("Unremarkable chest", text)
    assert quote is not None
    assert not leaves_out_negation(quote, text)
