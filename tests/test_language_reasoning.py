"""What models' reasoning asserts, by the way it is said: each meaning was written down before it was read."""

import pytest

from tests.language import concepts

LOOKED_FOR = [
    ("I would check for a pneumothorax at the apices.", set()),
    ("I would first look for cardiomegaly on the frontal view.", set()),
    ("To assess for effusion, look at the costophrenic angles; none is seen.", {"-pleural_effusion"}),
    ("Check the bases for consolidation; nothing of the sort is visible.", {"-consolidation"}),
    ("We start by analyzing several possibilities, including nodules, signs of atelectasis, and any rib fractures.",
     set()),
    ("Examine the spine for scoliosis, such as a lateral curve, but find no such abnormality.", {"-scoliosis"}),
    ("Inspect the left base for atelectasis, but detect normal lung tissue instead.",
     {"-atelectasis", "+clear_lungs"}),
    ("Next, examine the lung apices for evidence of pleural thickening.", set()),
    ("Finally, assess the lung bases for any hazy opacities or consolidation that indicate infection.", set()),
    ("For increased lucency, I inspect the lung fields for any hyperlucency.", set()),
    ("Consider the features associated with emphysema, which include flattened diaphragms and bullae.", set()),
    ("The chest X-ray should display an enlarged cardiac silhouette in cardiomegaly.", set()),
    ("To determine if a chest tube is inserted, visibility of tubes in the pleural space is necessary.", set()),
    ("Next, we need to assess for a pacemaker by looking for leads.", set()),
    ("The problem also considers the presence of free air, which would be indicated by lucency under the diaphragm.",
     set()),
    ("The aorta was assessed for calcification, and none was detected.", {"-calcification"}),
]  # fmt: skip

OPTIONS = [
    ("Option A suggests a right pleural effusion.", set()),
    ("Option B describes mild cardiomegaly.", set()),
    ("For option C, multiple nodules on the left, we assessed the region for opacities that could indicate a mass.",
     set()),
    ("First, for the option of severe cardiomegaly, the heart size is normal.", {"-cardiomegaly", "+normal_heart"}),
    ("One of the potential findings is a large pneumothorax.", set()),
    ("A possible diagnosis is pneumonia.", {"?pneumonia"}),
    ("The options are pneumonia, effusion, or a normal chest.", set()),
    ("A) Pneumonia - not supported.", {"-pneumonia"}),
    ("Ruling out pneumonia, effusion and fracture leaves pneumothorax.",
     {"-pneumonia", "-pleural_effusion", "-fracture", "+pneumothorax"}),
    ("This excludes granuloma as a possible finding.", {"-granuloma"}),
    ("The correct answer is therefore pleural effusion.", {"+pleural_effusion"}),
]  # fmt: skip

GENERAL = [
    "Granulomas are commonly associated with earlier infections.",
    "Nodules are often seen in metastatic disease.",
    "Pneumothorax is defined as air in the pleural space.",
    "Pleural effusion is generally identified by blunting of the costophrenic angles.",
    "Interstitial opacity refers to a reticular pattern.",
    "Cardiomegaly indicates an enlarged heart.",
    "If there were an effusion, we would expect blunting of the costophrenic angle.",
    "Were there a pneumothorax, a pleural line would be visible.",
    "In the case of tuberculosis, similar calcified granulomas are seen.",
    "In emphysema, flattened diaphragms are seen.",
    "Patients with heart failure often show Kerley B lines.",
    "Indicators of edema such as septal lines should be sought.",
    "Signs such as septal lines would point to edema.",
    "Pneumonia typically presents with consolidation.",
    "A normal heart size and clear lungs indicate a healthy chest.",
]

GENERAL_AND_SEEN = [
    ("Pleural effusion is generally identified by blunting of the angles, which is not observed here.",
     {"-costophrenic_angle_blunting", "-pleural_effusion"}),
    ("Active tuberculosis would often show cavities, which are not observed.", {"-cavity", "-tuberculosis"}),
    ("The calcified granulomas are commonly associated with earlier infections.", {"+calcified_granuloma"}),
    ("There are nodules, often seen in metastatic disease.", {"+nodule"}),
    ("These nodules are typically associated with metastases.", {"+nodule"}),
    ("An effusion is present, which typically presents with blunting.", {"+pleural_effusion"}),
    ("The heart is enlarged, which indicates cardiomegaly.", {"+cardiomegaly"}),
    ("The normal heart size and clear lungs indicate a healthy chest.",
     {"+normal_heart", "+clear_lungs", "+normal_chest"}),
]  # fmt: skip

WHERE_DENIALS_END = [
    ("A lack of densities confirms clear lungs.", {"-lung_opacity", "+clear_lungs"}),
    ("The absence of nodules, along with clear lungs, supports a normal chest X-ray.",
     {"-nodule", "+clear_lungs", "+normal_chest"}),
    ("The absence of effusion, pneumothorax, or pneumonia suggests these nodules are old.",
     {"-pleural_effusion", "-pneumothorax", "-pneumonia", "?nodule"}),
    ("No consolidation is seen, further supporting the presence of reduced lung volumes.",
     {"-consolidation", "+hypoinflation"}),
    ("There are no signs of effusion, further supporting the diagnosis of cardiomegaly.",
     {"-pleural_effusion", "+cardiomegaly"}),
    ("The lack of septal lines and presence of reduced lung volumes make edema unlikely.",
     {"-kerley_lines", "+hypoinflation", "-edema"}),
    ("The clear lungs make pneumonia an unlikely diagnosis.", {"+clear_lungs", "-pneumonia"}),
    ("A small effusion renders pneumothorax improbable.", {"+pleural_effusion", "-pneumothorax"}),
    ("There was no evidence found of consolidation.", {"-consolidation"}),
    ("There is no evidence seen of an effusion.", {"-pleural_effusion"}),
    ("This precludes the confirmation of atelectasis.", {"-atelectasis"}),
    ("The image does not support a diagnosis of pneumonia.", {"-pneumonia"}),
    ("The review discloses an absence of consolidation.", {"-consolidation"}),
    ("This suggests the absence of conditions typically associated with it, such as edema or pneumonia.",
     {"-edema", "-pneumonia"}),
    ("The opacities do not correspond with atelectasis.", {"+lung_opacity", "-atelectasis"}),
    ("The findings are consistent with no pneumothorax.", {"-pneumothorax"}),
    ("Based on the absence of consolidation, pneumonia is unlikely.", {"-consolidation", "-pneumonia"}),
    ("The lungs show calcified granulomas, indicating an infection that has resolved.",
     {"+calcified_granuloma", "-pneumonia"}),
    ("There was a pneumothorax at the left apex, which has since resolved.", {"-pneumothorax"}),
    ("The normal heart reduces the likelihood of pericardial effusion.", {"+normal_heart", "-pericardial_effusion"}),
    ("The heart is normal without widening of the mediastinum, consistent with a normal chest.",
     {"+normal_heart", "-mediastinal_widening", "+normal_chest"}),
    ("The aorta is tortuous without dilatation, consistent with mild tortuosity.",
     {"+tortuous_aorta", "-aortic_enlargement"}),
    ("This might be an artifact rather than a true nodule.", {"?nodule"}),
    ("Evaluating the film for catheters reveals no catheters.", {"-catheter"}),
    ("No pleural line with absence of lung markings beyond it is seen.", {"-pneumothorax"}),
    ("No nodule was found in the X-ray findings.", {"-nodule"}),
    ("No deviation from normal vertebral alignment is seen.", {"+normal_spine"}),
]  # fmt: skip

HEDGES = [
    ("The stripe could suggest the presence of a mass, such as lymphadenopathy.", {"?mass", "?lymphadenopathy"}),
    ("Cardiomegaly could be considered, yet the heart is normal in size.", {"?cardiomegaly", "+normal_heart"}),
    ("Pneumonia was considered; however, the lungs are clear.", {"+clear_lungs"}),
    ("The opacity warrants consideration of various causes, such as infection or malignancy.",
     {"+lung_opacity", "?pneumonia", "?malignancy"}),
    ("Though scoliosis could be identified on other films, it is not addressed here.", set()),
    ("There are indications of emphysema.", {"+emphysema"}),
    ("There are signs of pulmonary edema.", {"+edema"}),
    ("Atelectasis is not mentioned.", set()),
]  # fmt: skip

LISTS = [
    ("- Cardiomegaly: not present\n- Effusion: small, on the right\n- Pneumothorax: none",
     {"-cardiomegaly", "+pleural_effusion", "-pneumothorax"}),
    ("* **Cardiomegaly:** Yes\n* **Pneumothorax:** No", {"+cardiomegaly", "-pneumothorax"}),
    ("| Finding | Status |\n|---|---|\n| Cardiomegaly | absent |\n| Pleural effusion | present |",
     {"-cardiomegaly", "+pleural_effusion"}),
    ("Step 1: Look at the heart. Step 2: The heart is enlarged. Step 3: So there is cardiomegaly.", {"+cardiomegaly"}),
    ("<think>Check for effusion. There is none.</think>\n<answer>No</answer>", {"-pleural_effusion"}),
    ("1. Heart: enlarged.\n2. Lungs: clear.\n3. Pleura: no effusion.",
     {"+cardiomegaly", "+clear_lungs", "-pleural_effusion"}),
    ('The report says "no pneumothorax" and "mild cardiomegaly".', {"-pneumothorax", "+cardiomegaly"}),
    ("Pneumothorax? No. Effusion? Yes.", {"-pneumothorax", "+pleural_effusion"}),
]  # fmt: skip

HIDDEN = [
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
]  # fmt: skip

NOT_HIDDEN = [
    "Is there not a large mass?",
    "Could there be a pneumothorax?",
    "If there is a mass, it would be seen.",
    "Should a fracture be present, it would be visible.",
    "Whether an effusion is present must be decided.",
    "Assuming a pneumothorax, the lung would be small.",
]

CONTRADICTIONS = [
    ("The lungs are clear; there is consolidation in the right lower lobe.", {"+clear_lungs", "+consolidation"}),
    ("Lungs clear; consolidation in the RLL.", {"+clear_lungs", "+consolidation"}),
    ("No acute findings such as effusion, but a small effusion is present.",
     {"-pleural_effusion", "+pleural_effusion"}),
]  # fmt: skip

TABLE = [
    *LOOKED_FOR,
    *OPTIONS,
    *GENERAL_AND_SEEN,
    *WHERE_DENIALS_END,
    *HEDGES,
    *LISTS,
    *CONTRADICTIONS,
]


@pytest.mark.parametrize(("text", "meaning"), TABLE, ids=[text for text, _ in TABLE])
def test_reads_what_reasoning_asserts(text: str, meaning: set[str]) -> None:
    assert concepts(text) == meaning


@pytest.mark.parametrize("text", [*GENERAL, *NOT_HIDDEN])
def test_general_truths_and_suppositions_state_nothing(text: str) -> None:
    assert concepts(text) == set()


@pytest.mark.parametrize(("text", "asserted"), HIDDEN, ids=[text for text, _ in HIDDEN])
def test_no_form_hides_an_assertion(text: str, asserted: str) -> None:
    assert asserted in concepts(text)
