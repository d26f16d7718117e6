"""What reasoning written by language models asserts: plans and what comes of them, options, definitions, grounds."""

import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.files import judge_line
from cxr.miner.language import analyse
from tests.language import concepts

NOT_FOUND = [
    # looked for in one sentence, denied in the next
    ("I looked for linear opacities in both bases. These were not present.", {"-lung_opacity"}),
    ("I examined the left base for consolidation. None was seen.", {"-consolidation"}),
    ("Next, check the apices for a pneumothorax. No such finding is visible.", {"-pneumothorax"}),
    ("We search the hila for lymphadenopathy or a mass. Neither is identified.", {"-lymphadenopathy", "-mass"}),
    ("Assess the pleura for effusion or pleural thickening. The radiograph shows no such abnormalities.",
     {"-pleural_effusion", "-pleural_thickening"}),
    ("The ribs were inspected for fractures. The images do not reveal any such changes.", {"-fracture"}),
    ("Emphysema would present with flattened diaphragms. These features are absent.",
     {"-emphysema", "-hyperinflation"}),
    ("Now consider cardiomegaly. This is not evident.", {"-cardiomegaly"}),
    ("To identify atelectasis, one looks for volume loss. No indication of this was found.",
     {"-volume_loss", "-atelectasis"}),
    ("I evaluated the lungs for nodules. The absence of such features suggests a benign picture.", {"-nodule"}),
    ("First, let us consider the possibility of pneumonia. The lungs show none of these signs.", {"-pneumonia"}),
    ("Signs of edema include septal lines. None of these are noted.", {"-edema", "-kerley_lines"}),
    # and in the same sentence
    ("Check for a hiatal hernia, but observe none.", {"-hiatal_hernia"}),
    ("Inspect the spine for scoliosis and find no such abnormality.", {"-scoliosis"}),
    ("Examine the lungs for nodules, masses, or cavities, none of which are seen.",
     {"-nodule", "-mass", "-cavity"}),
    ("Investigate the aorta for calcification, which is absent.", {"-calcification"}),
    ("The search for a pleural effusion reveals none.", {"-pleural_effusion"}),
    ("Evaluating the bones for lytic lesions shows no abnormality.", {"-bone_lesion", "-bone_abnormality"}),
    # what is sought and found normal
    ("Lung bases were assessed for infiltrates. This was found to be normal.", {"-infiltrate"}),
]  # fmt: skip

FOUND = [
    ("I looked for septal lines. These are clearly visible.", {"+kerley_lines"}),
    ("Hyperinflation is marked by flattened diaphragms. These features are present on the film.",
     {"+hyperinflation"}),
    ("Next, assess for cardiomegaly. This is confirmed on the frontal view.", {"+cardiomegaly"}),
    ("We check the spine for osteophytes. Such changes are observed at several levels.", {"+osteophytes"}),
    ("I should look for a large pneumothorax, which I see.", {"+pneumothorax"}),
    ("We look for pleural effusion, which is present on the right.", {"+pleural_effusion"}),
    ("Search for sternal wires, and these are seen.", {"+sternotomy_wires"}),
]  # fmt: skip

OPEN = [
    # sought, and the next sentence says of something else
    ("Check the apices for pneumothorax. The heart is normal in size.", {"+normal_heart"}),
    ("Look for blunted angles. There is no pneumothorax.", {"-pneumothorax"}),
    ("We should look for edema. This is an important step.", set()),
    ("Assess the heart for enlargement. These images were taken in two views.", set()),
    ("Examine the lungs for nodules. The liver is not present on the film.", set()),
    # nothing was sought: "these" are what the sentence before asserts
    ("There are calcified granulomas. These are not suspicious.", {"+calcified_granuloma"}),
    ("A small effusion is seen. This is not visible on the lateral view.", {"+pleural_effusion"}),
    # what a sought sign could mean is not sought
    ("Look for a mediastinal opacity, which could suggest lymphadenopathy. No such finding is present.",
     {"-lung_opacity"}),
    ("Dense areas may indicate calcification if present.", set()),
    ("Such a finding could indicate conditions like malignancy or tuberculosis.", {"?malignancy", "?tuberculosis"}),
]  # fmt: skip

OUT_OF_OPTIONS = [
    ("For option A, 'severe cardiomegaly', we review the heart. The heart is normal in size, ruling out this option.",
     {"-cardiomegaly", "+normal_heart"}),
    ("Option B involves looking for a pneumothorax. No pleural line is seen, so this option is excluded.",
     {"-pneumothorax"}),
    ("Consider option C, calcified granuloma. The lungs are clear, thus option C can be eliminated.",
     {"-calcified_granuloma", "+clear_lungs"}),
    ("Therefore, option D, relating to scoliosis, is not supported by the film.", {"-scoliosis"}),
    ("Option A, a hiatal hernia, is unlikely.", {"-hiatal_hernia"}),
    ("Next, we assess the possibility of emphysema. Lung volumes are normal, which rules this out.",
     {"-emphysema", "+normal_lung_volumes"}),
    ("We assess the possibility of infiltrates. Examination of the bases reveals clear lungs, excluding this finding.",
     {"-infiltrate", "+clear_lungs"}),
    ("The first option is pleural effusion. The costophrenic angles are sharp, making this option unlikely.",
     {"-pleural_effusion", "+sharp_costophrenic_angles"}),
]  # fmt: skip

CHOSEN = [
    ("Thus, the correct answer is B) mild cardiomegaly.", {"+cardiomegaly"}),
    ("The final answer is: pleural effusion and atelectasis.", {"+pleural_effusion", "+atelectasis"}),
    ("Option B, 'tortuous aorta', is the correct finding.", {"+tortuous_aorta"}),
    ("The findings are consistent with option A, which includes emphysema and scoliosis.",
     {"+emphysema", "+scoliosis"}),
    ("This aligns with option D, indicating a tortuous aorta.", {"+tortuous_aorta"}),
    ("The answer is C) normal chest.", {"+normal_chest"}),
    # an option that nobody chose
    ("Option B mentions a calcified granuloma.", set()),
    ("The options are: atelectasis, cardiomegaly, pleural effusion, or normal.", set()),
    ("Consider the options provided: pneumonia, nodule, or scoliosis.", set()),
    # what a sentence says before it turns to an option is said
    ("The aorta is tortuous, supporting option D.", {"+tortuous_aorta"}),
    ("There is no effusion, excluding option A.", {"-pleural_effusion"}),
]  # fmt: skip

REPORTED = [
    # nouns of looking, with a verb that reports
    ("A review of the radiograph shows that the lungs are clear.", {"+clear_lungs"}),
    ("Evaluation of the bones reveals a rib fracture.", {"+fracture"}),
    ("Inspection of the bases demonstrates no effusion.", {"-pleural_effusion"}),
    ("Analysis of the heart indicates cardiomegaly.", {"+cardiomegaly"}),
    ("Examination of the apices does not show a pneumothorax.", {"-pneumothorax"}),
    ("Observe the enlarged heart.", {"+cardiomegaly"}),
    ("Note the presence of a pleural effusion.", {"+pleural_effusion"}),
    ("Identify the absence of scarring.", {"-scarring"}),
    ("I observed a small nodule in the left upper lobe.", {"+nodule"}),
    ("Observe the heart size and mediastinum, which appear normal.", {"+normal_heart", "+normal_mediastinum"}),
    ("Upon examining the film, cardiomegaly is seen.", {"+cardiomegaly"}),
    ("Evaluate for edema; however, the lungs are clear.", {"+clear_lungs"}),
    # and without one
    ("Observe whether the heart is enlarged.", set()),
    ("Observe the lungs for any nodules.", set()),
    ("Identify any pleural effusion.", set()),
    ("A review of the radiograph for effusion is the next step.", set()),
]  # fmt: skip

GROUNDS = [
    ("A pleural effusion is present, as suggested by the blunted costophrenic angle.",
     {"+pleural_effusion", "+costophrenic_angle_blunting"}),
    ("There is severe cardiomegaly, as evidenced by the image.", {"+cardiomegaly"}),
    ("A pneumothorax is seen, as indicated by the film.", {"+pneumothorax"}),
    ("The lungs are hyperinflated, evidenced by flattened diaphragms.", {"+hyperinflation"}),
    ("The heart is enlarged, which is typically due to hypertension.", {"+cardiomegaly"}),
    ("There is an effusion, usually of cardiac origin.", {"+pleural_effusion"}),
    ("A calcified granuloma is seen, often a sign of histoplasmosis.", {"+calcified_granuloma"}),
    ("Cardiomegaly is observed, characterized by an enlarged cardiac silhouette.", {"+cardiomegaly"}),
    ("The spine shows degenerative changes. These changes are characterized by osteophytes.",
     {"+spine_degeneration", "+osteophytes"}),
]  # fmt: skip

NEVER = [
    "Pneumonia generally appears as an area of consolidation.",
    "An enlarged heart is indicated when it takes up more than half of the thorax.",
    "Pneumothorax is identified by a pleural line.",
    "Emphysema is another condition that leads to hyperinflation.",
    "Sarcoidosis might also present with lymphadenopathy.",
    "In pneumonia, one would expect to see consolidation.",
    "Key indicators of edema are septal lines and effusions.",
    "To check for scoliosis, we follow the spine.",
    "For a nodule in the right hilum, we analyze the hilar area.",
    "When assessing for pleural effusion, the angles matter.",
    "Regarding pneumothorax, attention goes to the apices.",
    "Next, I assessed the lungs for markings that might indicate fibrosis, edema, or inflammation.",
    "We look for signs of emphysema, such as flattened diaphragms, bullae, or hyperinflation.",
    "The possibility of atelectasis needs exploration.",
    "Another finding to consider is a hiatal hernia.",
    "A normal film would show clear lungs, a normal heart, and absence of pleural effusion.",
]

EXAMPLES = [
    # an example of what is denied is denied
    ("There is no airspace disease such as pneumonia.", {"-airspace_disease", "-pneumonia"}),
    ("No chronic changes like scarring or fibrosis are seen.", {"-scarring", "-pulmonary_fibrosis"}),
    # and of what is asserted only possible
    ("Findings suggest a prior infection, such as tuberculosis or histoplasmosis.",
     {"?pneumonia", "?tuberculosis", "?granulomatous_disease"}),
    # named for comparison only
    ("No effusion is seen, excluding hyperlucency typical of conditions like emphysema.",
     {"-pleural_effusion", "-hyperlucency"}),
]  # fmt: skip

CONFIRMED = [
    ("The absence of active disease supports the diagnosis of scoliosis.", {"+scoliosis"}),
    ("No effusion is seen, confirming the diagnosis of cardiomegaly.", {"-pleural_effusion", "+cardiomegaly"}),
    ("This lack of effusion corroborates the presence of emphysema.", {"-pleural_effusion", "+emphysema"}),
    ("No nodule is seen, confirming the absence of malignancy.", {"-nodule", "-malignancy"}),
    ("Hyperinflated lungs without effusion suggest emphysema.", {"+hyperinflation", "-pleural_effusion", "?emphysema"}),
    ("The lungs are low in volume without findings that suggest edema.", {"+hypoinflation", "-edema"}),
    ("The absence of effusion suggests these opacities are old.", {"-pleural_effusion", "?lung_opacity"}),
    ("No opacities suggesting the presence of pneumonia.", {"-lung_opacity", "-pneumonia"}),
    ("The histories and views match, leading to this reading of the diaphragm.", set()),
]  # fmt: skip

HEADED = [
    # what a sentence says behind its heading settles the heading
    ("For a hiatal hernia, the film shows no such structure.", {"-hiatal_hernia"}),
    ("For option A, a pneumothorax, the review reveals no pleural line.", {"-pneumothorax"}),
    ("Regarding cardiomegaly, the heart is normal in size with no cardiomegaly.", {"-cardiomegaly", "+normal_heart"}),
    ("When assessing for pulmonary edema, the images did not reveal septal lines.",
     {"-edema", "-kerley_lines"}),
    ("For option B, scoliosis, the spine shows mild scoliosis.", {"+scoliosis"}),
    ("In assessing effusion, there is cardiomegaly.", {"+cardiomegaly"}),
    # an aside between a subject and its predicate
    ("Infiltrates, which would indicate pneumonia, are absent.", {"-infiltrate"}),
    # "this option" is what another sentence names
    ("The heart is enlarged, making this option unlikely.", {"+cardiomegaly"}),
    ("There is no active infection, this granuloma is stable.", {"-pneumonia", "+granuloma"}),
    # what is asserted may mean something
    ("A basal opacity is seen, which may represent atelectasis.", {"+lung_opacity", "?atelectasis"}),
    ("Calcified nodes suggest a history of tuberculosis.", {"+calcified_lymph_node", "?tuberculosis"}),
    ("The effusion raises concern for malignancy.", {"+pleural_effusion", "?malignancy"}),
]  # fmt: skip

REPORTS = [
    # words of plans that reports use otherwise
    ("Considering differences in technique, stable mild cardiomegaly.", {"+cardiomegaly"}),
    ("Considerations would include pericardial effusion or cardiomyopathy.", {"?pericardial_effusion"}),
    ("After further review there is a right upper lobe opacity.", {"+lung_opacity"}),
    ("Concerning findings for fibrosis in the bases.", {"+pulmonary_fibrosis"}),
    ("The pneumothorax for which it was placed is not seen.", {"-pneumothorax"}),
    ("No infiltrates that would suggest pneumonia.", {"-infiltrate", "-pneumonia"}),
    ("Review of the prior study demonstrates calcified granulomas.", {"+calcified_granuloma"}),
    ("Evaluation of the lung bases is limited. There is no effusion.", {"-pleural_effusion"}),
]  # fmt: skip

TABLE = [
    *NOT_FOUND,
    *FOUND,
    *OPEN,
    *OUT_OF_OPTIONS,
    *CHOSEN,
    *REPORTED,
    *GROUNDS,
    *EXAMPLES,
    *CONFIRMED,
    *HEADED,
    *REPORTS,
]


@pytest.mark.parametrize(("text", "meaning"), TABLE, ids=[text for text, _ in TABLE])
def test_reads_what_a_chain_asserts(text: str, meaning: set[str]) -> None:
    assert concepts(text) == meaning


@pytest.mark.parametrize("text", NEVER)
def test_states_nothing_of_this_image(text: str) -> None:
    assert concepts(text) == set()


def test_an_answer_marks_the_place_that_was_sought() -> None:
    text = "I looked for a nodule in the left lung. None was seen."
    (mention,) = analyse(text).mentions
    assert text[mention.start : mention.end] == "nodule in the left lung"
    assert mention.sentence == 0


def test_an_answer_comes_soon_or_not_at_all() -> None:
    later = "Check for scoliosis. The heart is normal. The lungs are clear. No such finding is present."
    assert "-scoliosis" not in concepts(later)
    assert "-scoliosis" in concepts("Check for scoliosis. The bones were reviewed. No such finding is present.")
    assert "-scoliosis" not in concepts("Check for scoliosis. The heart is normal. No abnormality is seen.")


def test_falling_silent_hides_no_falsehood() -> None:
    for text in (
        "There is a large pneumothorax, as suggested by the image.",
        "There is a large pneumothorax, typically a sign of trauma.",
        "I should look for a large pneumothorax, which I see.",
        "We check for a pneumothorax. This is present.",
        "The correct answer is B) a large pneumothorax.",
        "A review of the film shows a large pneumothorax.",
    ):
        assert "+pneumothorax" in concepts(text), text


def test_a_judged_text_marks_every_place_and_says_what_repeats() -> None:
    text = "The heart is enlarged. No effusion. Thus there is cardiomegaly."
    findings = judge_line({"report": "Cardiomegaly.", "text": text}, RulesJudge())["findings"]
    assert [item["observation"] for item in findings] == ["heart is enlarged", "effusion", "cardiomegaly"]
    assert [item.get("repeats") for item in findings] == [None, None, 0]
    assert len(RulesJudge().extract(text)) == 2
