"""What a policy may hide in words that seem to assert nothing is read as asserted; questions and conditions are not."""

import pytest

from tests.language import concepts

HIDDEN = [
    ("A small consolidation is seen as well.", "+consolidation"),
    ("A nodule is seen as well, which is none of the four.", "+nodule"),
    ("Effusions can be seen as expected.", "+pleural_effusion"),
    ("A mass appears as I move down.", "+mass"),
    ("A pneumothorax is present when I look closely.", "+pneumothorax"),
    ("The left lung, which contains a large mass, is small.", "+mass"),
    ("Having found a large pneumothorax, we can proceed.", "+pneumothorax"),
    ("Having a large effusion, the left lung is small.", "+pleural_effusion"),
    ("The answer follows from the large effusion seen at the base.", "+pleural_effusion"),
    ("Option A is right because of the consolidation in the right lower lobe.", "+consolidation"),
    ("The reason for choosing A is the visible pneumothorax.", "+pneumothorax"),
    ("To summarize, there is a mass in the left lung.", "+mass"),
    ("To be precise, the pneumothorax is large.", "+pneumothorax"),
    ("In order to be complete, I also report a rib fracture.", "+fracture"),
    ("For completeness, there is a rib fracture.", "+fracture"),
    ("Regarding the heart, there is severe cardiomegaly.", "+cardiomegaly"),
    ("When looking at the apices, a pneumothorax is seen.", "+pneumothorax"),
    ("When I look at the bases, I see a consolidation.", "+consolidation"),
    ("If we look at the left base, we see a consolidation.", "+consolidation"),
    ("Whether or not it matters, there is a nodule.", "+nodule"),
    ("It is well known that this patient has a large mass.", "+mass"),
    ("As expected, there is a large effusion.", "+pleural_effusion"),
    ("As is typical of heart failure, there is an effusion.", "+pleural_effusion"),
    ("There should be no doubt that there is a mass.", "+mass"),
    ("One should note the large effusion.", "+pleural_effusion"),
    ("We need to report the large pneumothorax.", "+pneumothorax"),
    ("I must point out the consolidation in the left lung.", "+consolidation"),
    ("Note the large mass.", "+mass"),
    ("The key finding to consider is the large mass seen in the left lung.", "+mass"),
    ("A mass is present, which should be evaluated further.", "+mass"),
    ("The mass needs further evaluation.", "+mass"),
    ("This involves the large mass that is visible.", "+mass"),
    ("What we see here is a large pneumothorax.", "+pneumothorax"),
    ("What stands out is a large effusion.", "+pleural_effusion"),
    ("All signs point to pneumonia.", "+pneumonia"),
    ("Everything is consistent with pneumonia.", "+pneumonia"),
    ("The lungs show what can only be a mass.", "+mass"),
    ("Not only is there an effusion, but also a pneumothorax.", "+pneumothorax"),
    ("No one could miss the large mass.", "+mass"),
    ("Nothing but a large effusion is seen.", "+pleural_effusion"),
    ("The absence of the left lung markings is due to a pneumothorax.", "+pneumothorax"),
    ("Aside from the large mass, no abnormality is seen.", "+mass"),
    ("Other than a large effusion, the lungs are clear.", "+pleural_effusion"),
    ("The lungs are clear except for a mass.", "+mass"),
    ("There is no effusion and a pneumothorax is present.", "+pneumothorax"),
    ("No effusion is seen and the mass is visible.", "+mass"),
    ("We can see a large pneumothorax.", "+pneumothorax"),
    ("One can clearly see the effusion on the left.", "+pleural_effusion"),
    ("A mass could be identified on the left.", "+mass"),
    ("A nodule was considered suspicious.", "+nodule"),
    ("The obvious mass needs no further comment.", "+mass"),
    # an assertion in a form that seems to assert nothing
    ("The patient is short of breath, as evidenced by the large effusion that is present.", "+pleural_effusion"),
    ("Looking at the obvious pneumothorax, the diagnosis is simple.", "+pneumothorax"),
    ("Despite the clear consolidation, the heart is normal.", "+consolidation"),
    ("Given the known fracture, the rest is normal.", "+fracture"),
    ("Given the large effusion, the rest follows.", "+pleural_effusion"),
    ("Since there is a large pneumothorax, the lung is small.", "+pneumothorax"),
    ("Because of the obvious mass, the answer is clear.", "+mass"),
    ("Considering the severe cardiomegaly seen here, the rest is normal.", "+cardiomegaly"),
    ("As the pneumothorax shows, the image is abnormal.", "+pneumothorax"),
    ("Apart from the large mass, the lungs are clear.", "+mass"),
    ("Besides the large effusion, nothing is seen.", "+pleural_effusion"),
    ("With the consolidation being so obvious, we go on.", "+consolidation"),
    ("In addition to the pneumothorax, the heart is normal.", "+pneumothorax"),
    ("After noting the pneumothorax, I look at the heart.", "+pneumothorax"),
    ("The large pneumothorax, typical of trauma, is seen.", "+pneumothorax"),
    ("We must not overlook the large effusion on the left.", "+pleural_effusion"),
    ("To explain the fracture that is visible, trauma is likely.", "+fracture"),
    ("I note a mass, which would typically appear as an opacity.", "+mass"),
    ("There is a mass, is there not?", "?mass"),
    ("If one looks closely, there is a mass in the right lung.", "+mass"),
    ("It is important to note that there is a large effusion.", "+pleural_effusion"),
    ("We should mention the large pneumothorax that is present.", "+pneumothorax"),
    ("Normally the lungs are clear, but here there is a consolidation.", "+consolidation"),
    ("I recommend drainage for the large effusion that is present.", "+pleural_effusion"),
    # plain talk
    ("A mass is the key finding.", "+mass"),
    ("This means that there is an effusion.", "+pleural_effusion"),
    ("The appearance is typical of pneumonia.", "+pneumonia"),
    ("The option that fits is pulmonary edema.", "+edema"),
    ("A pacemaker can be made out.", "+pacemaker"),
    ("A pacemaker stands out.", "+pacemaker"),
    ("Option B suggests a mass, and a mass is seen.", "+mass"),
]  # fmt: skip

DENIED = [
    ("There is not a trace of pleural effusion.", "-pleural_effusion"),
    ("There is nothing that suggests pneumonia.", "-pneumonia"),
    ("There is nothing like a mass.", "-mass"),
    ("Nothing suggests a fracture.", "-fracture"),
    ("Nothing here suggests a fracture.", "-fracture"),
    ("Nothing on the image supports pulmonary edema.", "-edema"),
    ("Nothing points to a pneumothorax.", "-pneumothorax"),
    ("Nothing looks like a nodule.", "-nodule"),
    ("I couldn't find any nodules.", "-nodule"),
    ("I fail to see a pneumothorax.", "-pneumothorax"),
    ("I have not found a fracture.", "-fracture"),
    ("No hint of edema.", "-edema"),
    ("Not seen: a pneumothorax.", "-pneumothorax"),
    ("Not present: cardiomegaly.", "-cardiomegaly"),
    ("A mass is not to be seen.", "-mass"),
    ("Consolidation is not what the image shows.", "-consolidation"),
    ("A fracture is not on the film.", "-fracture"),
    ("A nodule is not the answer.", "-nodule"),
    ("An effusion is not a finding here.", "-pleural_effusion"),
    ("Edema is not among the findings.", "-edema"),
    ("Pneumonia is out of the question.", "-pneumonia"),
    ("Pneumonia is off the table.", "-pneumonia"),
    ("Cardiomegaly is not correct.", "-cardiomegaly"),
    ("A pneumothorax does not exist here.", "-pneumothorax"),
    ("A pneumothorax doesn't appear on this image.", "-pneumothorax"),
    ("An effusion isn't there.", "-pleural_effusion"),
    ("A rib fracture wasn't found.", "-fracture"),
    ("A nodule could not be found.", "-nodule"),
    ("Consolidation cannot be made out.", "-consolidation"),
    ("Edema can be crossed off.", "-edema"),
    ("A pneumothorax (absent).", "-pneumothorax"),
    ("I reject pneumonia.", "-pneumonia"),
    ("The criteria for cardiomegaly are not fulfilled.", "-cardiomegaly"),
    ("Nowhere do I see a mass.", "-mass"),
    ("A mass never appears.", "-mass"),
    ("Pneumonia was considered but ruled out.", "-pneumonia"),
    ("A pneumothorax was sought in vain.", "-pneumothorax"),
    ("I looked in vain for a nodule.", "-nodule"),
    ("I searched for a fracture without success.", "-fracture"),
    ("My search for an effusion came up empty.", "-pleural_effusion"),
    ("I looked for a mass and saw nothing.", "-mass"),
    ("Option B, a mass, is wrong.", "-mass"),
]  # fmt: skip

NOT_HIDDEN = [
    "Edema is seen as Kerley lines.",
    "Consolidation is a key finding in pneumonia.",
    # a search of what everybody has
    "I trace the pleural line to the apices.",
    "I follow the visceral pleural line from the base to the apex on each side.",
    "Tracing the visceral pleural line along the chest wall, I see no gap.",
    "The visceral pleural line is followed along the chest wall.",
    "The lung markings extend to the pleural line on both sides.",
    # what an option describes
    "Option B suggests a granuloma in the left base, characterized by a small calcification.",
    "Is there not a large mass?",
    "Could there be a pneumothorax?",
    "If there is a mass, it would be seen.",
    "Should a fracture be present, it would be visible.",
    "Whether an effusion is present must be decided.",
    "Assuming a pneumothorax, the lung would be small.",
]


@pytest.mark.parametrize(("text", "asserted"), HIDDEN, ids=[text for text, _ in HIDDEN])
def test_no_form_hides_an_assertion(text: str, asserted: str) -> None:
    assert asserted in concepts(text)


@pytest.mark.parametrize(("text", "denied"), DENIED, ids=[text for text, _ in DENIED])
def test_no_form_turns_a_denial_round(text: str, denied: str) -> None:
    assert concepts(text) == {denied}


@pytest.mark.parametrize("text", NOT_HIDDEN)
def test_questions_and_suppositions_state_nothing(text: str) -> None:
    assert concepts(text) == set()


ANSWERS = [
    ("Look for flat diaphragms. No such signs, indicating normal inflation.",
     {"-hyperinflation", "+normal_lung_volumes"}),
    ("Edema would show Kerley lines. The image shows no such signs, indicating clear lungs and ruling out this option.",
     {"-edema", "-kerley_lines", "+clear_lungs"}),
    ("Edema would show Kerley lines. No signs of this, indicating clear lungs.", {"-edema", "+clear_lungs"}),
    ("Edema would show Kerley lines. Neither is seen, indicating a normal heart size.",
     {"-edema", "-kerley_lines", "+normal_heart"}),
    ("No such finding, so I do not think this is edema.", {"-edema"}),
    ("Neither costophrenic angle contains fluid.", {"-pleural_effusion"}),
    ("Option B suggests granulomas, characterized by small calcifications. The absence of these eliminates this option.",
     {"-granuloma", "-calcification"}),
    ("Option B, a granuloma, characterized by a small calcification, is not seen.", {"-granuloma", "-calcification"}),
    ("I follow the pleural line to both apices; there is no pneumothorax.", {"-pneumothorax"}),
    ("A visceral pleural line is seen at the right apex.", {"+pneumothorax"}),
    ("I trace the endotracheal tube down to the carina.", {"+endotracheal_tube"}),
    ("Trace left pleural effusion.", {"+pleural_effusion"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), ANSWERS, ids=[text for text, _ in ANSWERS])
def test_what_is_denied_of_what_was_spoken_of(text: str, meaning: set[str]) -> None:
    assert concepts(text) == meaning
