"""Sentences as radiologists write them, and what they mean: + present, ? uncertain, - absent, then the attributes."""

import pytest

from cxr.miner.language import analyse
from tests.language import read

DENIALS = [
    ("No pleural effusion.", ["-pleural_effusion"]),
    ("No effusion, pneumothorax or consolidation.", ["-pleural_effusion", "-pneumothorax", "-consolidation"]),
    ("There is no pneumothorax, and no effusion is seen.", ["-pneumothorax", "-pleural_effusion"]),
    ("Neither pneumothorax nor effusion is identified.", ["-pneumothorax", "-pleural_effusion"]),
    ("Negative for focal consolidation, effusion, or pneumothorax.",
     ["-consolidation", "-pleural_effusion", "-pneumothorax"]),
    ("The lungs are free of any focal infiltrates.", ["-infiltrate"]),
    ("Without evidence of pneumonia.", ["-pneumonia"]),
    ("Pneumothorax is not seen.", ["-pneumothorax"]),
    ("Pleural effusion and pneumothorax are not present.", ["-pleural_effusion", "-pneumothorax"]),
    ("Consolidation is absent.", ["-consolidation"]),
    ("Pneumonia has been excluded.", ["-pneumonia"]),
    ("Pneumonia is unlikely.", ["-pneumonia"]),
    ("No large pleural effusion.", ["-pleural_effusion severe"]),
    ("The heart is not enlarged.", ["-cardiomegaly"]),
    ("The costophrenic angles are not blunted.", ["-costophrenic_angle_blunting"]),
    ("There is no consolidation to suggest pneumonia.", ["-consolidation", "-pneumonia"]),
    ("No opacities that would suggest pneumonia.", ["-lung_opacity", "-pneumonia"]),
    ("No effusion or hilar or mediastinal adenopathy.", ["-pleural_effusion", "-lymphadenopathy"]),
    ("A nodule is seen on the frontal view, not identified on the lateral view.", ["+nodule"]),
    ("No definite pneumothorax.", ["-pneumothorax"]),
    ("No acute bony abnormality.", ["-acute_bone_abnormality"]),
    ("Osseous structures are without acute abnormality.", ["-acute_bone_abnormality"]),
    ("No acute cardiopulmonary process.", ["-acute_cardiopulmonary_abnormality"]),
    ("Lungs demonstrate no acute findings.", ["-acute_pulmonary_abnormality"]),
]  # fmt: skip

SCOPE_ENDS = [
    ("No pneumothorax, but there is a small left effusion.", ["-pneumothorax", "+pleural_effusion left mild"]),
    ("No evidence of pneumothorax; however, the heart is enlarged.", ["-pneumothorax", "+cardiomegaly"]),
    ("Although there is no effusion, atelectasis is present.", ["-pleural_effusion", "+atelectasis"]),
    ("No pneumothorax, small left effusion.", ["-pneumothorax", "+pleural_effusion left mild"]),
    ("No effusion is seen, left basilar atelectasis.", ["-pleural_effusion", "+atelectasis left lung_base"]),
    ("No effusion and the heart is enlarged.", ["-pleural_effusion", "+cardiomegaly"]),
    ("No effusions, pneumothoraces, or consolidations; heart is enlarged.",
     ["-pleural_effusion", "-pneumothorax", "-consolidation", "+cardiomegaly"]),
    ("Mild congestion without overt edema.", ["+vascular_congestion mild", "-edema"]),
    ("No consolidation, though evaluation is limited by rotation.", ["-consolidation"]),
    ("The left lung is clear; the right lung shows a patchy infiltrate.", ["+clear_lungs left", "+infiltrate right"]),
]  # fmt: skip

HEDGES = [
    ("Pneumonia cannot be excluded.", ["?pneumonia"]),
    ("Cannot exclude a small effusion.", ["?pleural_effusion mild"]),
    ("Cannot rule out pneumonia.", ["?pneumonia"]),
    ("Possible right lower lobe pneumonia.", ["?pneumonia right lower_lobe"]),
    ("Opacity may represent atelectasis.", ["+lung_opacity", "?atelectasis"]),
    ("Atelectasis versus pneumonia.", ["?atelectasis", "?pneumonia"]),
    ("Scarring or atelectasis in the lingula.", ["?scarring lingula", "?atelectasis lingula"]),
    ("Opacity is suspicious for malignancy.", ["+lung_opacity", "?malignancy"]),
    ("Opacity, which could be due to pneumonia.", ["+lung_opacity", "?pneumonia"]),
    ("Differential diagnosis includes pneumonia, aspiration, and edema.", ["?pneumonia", "?aspiration", "?edema"]),
    ("Right base opacity, ? pneumonia.", ["+lung_opacity right lung_base", "?pneumonia"]),
    ("Questionable nodule in the right apex.", ["?nodule right lung_apex"]),
    ("Opacities are likely atelectasis.", ["+lung_opacity", "+atelectasis"]),
    ("Findings consistent with mild edema.", ["+edema mild"]),
    ("No new consolidation.", ["-consolidation new"]),
    ("Borderline cardiomegaly.", ["?cardiomegaly minimal"]),
    ("The heart is borderline enlarged.", ["?cardiomegaly minimal"]),
]

CHANGES = [
    ("The effusion has resolved.", ["-pleural_effusion resolved"]),
    ("Small left effusion, unchanged.", ["+pleural_effusion left mild unchanged"]),
    ("Resolution of left lower lobe pneumonia.", ["-pneumonia left lower_lobe resolved"]),
    ("The nodule is no longer seen.", ["-nodule resolved"]),
    ("Pulmonary edema has improved.", ["+edema improved"]),
    ("Unchanged small right effusion.", ["+pleural_effusion right mild unchanged"]),
    ("No significant change in the effusion.", ["+pleural_effusion unchanged"]),
    ("No worsening of the effusion.", ["+pleural_effusion unchanged"]),
    ("Interval worsening of bibasilar opacities.", ["+lung_opacity bilateral lung_base worsened"]),
    ("New right upper lobe opacity.", ["+lung_opacity right upper_lobe new"]),
    ("The right pneumothorax is smaller.", ["+pneumothorax right improved"]),
    ("Endotracheal tube and NG tube have been removed.", ["-endotracheal_tube resolved", "-enteric_tube resolved"]),
    ("Effusions and atelectasis are unchanged.", ["+pleural_effusion unchanged", "+atelectasis unchanged"]),
]

NORMALS = [
    ("Heart size is normal.", ["+normal_heart"]),
    ("The heart is normal in size.", ["+normal_heart"]),
    ("The lungs are clear.", ["+clear_lungs"]),
    ("Clear lungs.", ["+clear_lungs"]),
    ("Both lungs are clear and expanded.", ["+normal_lung_volumes bilateral", "+clear_lungs bilateral"]),
    ("The lungs are hyperexpanded but clear.", ["+clear_lungs", "+hyperinflation"]),
    ("The lungs are clear of focal airspace disease.", ["-airspace_disease"]),
    ("The lungs are clear without infiltrate.", ["+clear_lungs", "-infiltrate"]),
    ("Costophrenic angles are sharp.", ["+sharp_costophrenic_angles"]),
    ("The trachea is midline.", ["+midline_trachea"]),
    ("Cardiomediastinal silhouette is within normal limits.", ["+normal_cardiomediastinum"]),
    ("The heart and mediastinum are unremarkable.", ["+normal_heart", "+normal_mediastinum"]),
    ("Normal heart size and mediastinal contours.", ["+normal_heart", "+normal_mediastinum"]),
    ("Pulmonary vascularity is normal.", ["+normal_vasculature"]),
    ("Bony structures are intact.", ["+normal_bones"]),
    ("The heart is top normal in size.", ["+normal_heart"]),
    ("Normal chest.", ["+normal_chest"]),
    ("Interstitial markings are normal.", ["+normal_interstitium"]),
]

ATTRIBUTES = [
    ("There is a 5 mm nodule in the right upper lobe.", ["+nodule right upper_lobe 5mm"]),
    ("A mass measuring 4.5 x 3.2 cm.", ["+mass 45mm"]),
    ("Mild bibasilar atelectasis.", ["+atelectasis bilateral lung_base mild"]),
    (
        "Right effusion is small and left effusion is moderate.",
        ["+pleural_effusion right mild", "+pleural_effusion left moderate"],
    ),
    ("Multiple rib fractures on the left.", ["+fracture left rib multiple"]),
    ("Large right pleural effusion.", ["+pleural_effusion right severe"]),
    ("Small, left-sided effusion.", ["+pleural_effusion left mild"]),
    ("The cardiac silhouette is moderately enlarged.", ["+cardiomegaly moderate"]),
    ("The right hemidiaphragm is elevated.", ["+elevated_hemidiaphragm right"]),
    ("In the left lower lobe, there is a patchy opacity.", ["+lung_opacity left lower_lobe"]),
    ("The right lung shows a patchy infiltrate.", ["+infiltrate right"]),
    ("Bilateral, left greater than right, pleural effusions.", ["+pleural_effusion bilateral"]),
    ("Opacities in the right upper and left lower lobes.", ["+lung_opacity bilateral lower_lobe"]),
    ("The aorta is tortuous and calcified.", ["+tortuous_aorta", "+aortic_atherosclerosis"]),
    ("Old left rib fractures.", ["+healed_fracture left rib"]),
    ("Tortuous, calcified thoracic aorta.", ["+tortuous_aorta", "+aortic_atherosclerosis"]),
    ("Heavily calcified and mildly tortuous aorta.", ["+tortuous_aorta mild", "+aortic_atherosclerosis severe"]),
    (
        "Normal heart size, large effusion, tortuous aorta.",
        ["+normal_heart", "+pleural_effusion severe", "+tortuous_aorta"],
    ),
    ("Hilar and mediastinal adenopathy.", ["+lymphadenopathy"]),
    ("Mild dextro curvature of the thoracic spine.", ["+scoliosis right thoracic_spine mild"]),
    ("Calcified 8 mm right apical granuloma.", ["+calcified_granuloma right lung_apex 8mm"]),
    ("5 mm nodule and 8 mm mass.", ["+nodule 5mm", "+mass 8mm"]),
    ("Low volumes accentuate the heart, which is enlarged.", ["+hypoinflation", "+cardiomegaly"]),
    ("Vascular engorgement appears within normal limits.", ["-vascular_prominence"]),
    ("Mildly tortuous aorta, otherwise the mediastinum is normal.", ["+tortuous_aorta mild", "+normal_mediastinum"]),
    ("Calcification of the aortic arch.", ["+aortic_atherosclerosis"]),
    ("Right LLL opacity.", ["+lung_opacity bilateral lower_lobe"]),
    ("RUL opacity.", ["+lung_opacity right upper_lobe"]),
    ("Degenerative changes in the thoracic spine.", ["+spine_degeneration thoracic_spine"]),
]

DEVICES = [
    ("Right PICC with tip in the SVC.", ["+picc right"]),
    ("Endotracheal tube terminates 3 cm above the carina.", ["+endotracheal_tube carina 30mm"]),
    ("NG tube tip is in the stomach.", ["+enteric_tube abdomen"]),
    ("Interval removal of the right chest tube.", ["-chest_tube right resolved"]),
    ("Left chest port.", ["+port left"]),
    ("Sternotomy wires are intact.", ["+sternotomy_wires"]),
    ("The lateral screw is fractured.", ["+orthopedic_hardware", "+broken_device"]),
]

SAYS_NOTHING = [
    "Is there a pneumothorax?",
    "Are there any nodules in the right lung?",
    "I should examine the lungs for consolidation.",
    "Look for blunting of the costophrenic angles.",
    "Inspect both lung fields for any nodules, masses, or opacities.",
    "Signs of effusion include blunted costophrenic angles.",
    "Consolidation is characterized by increased opacity.",
    "Atelectasis typically appears as increased density.",
    "To determine whether pneumonia is present",
    "Recommend CT to evaluate for nodule.",
    "If there is concern for pneumothorax, obtain expiratory views.",
    "History of pneumonia.",
    "Finally, we examine the aorta for tortuosity.",
    "The diaphragms should be rounded and clear.",
    "If patient is at risk for malignancy, CT would be helpful.",
    "A) consolidation in the right upper lobe",
    "Option B describes severe emphysema and rib fractures.",
    "**Pneumothorax**",
    "# Pleural effusion",
    "Please note that fractures may not be demonstrated.",
    "Stable appearance of the chest.",
    "XXXX XXXX are XXXX.",
]

HEADINGS = [
    ("**Pneumothorax:** none", ["-pneumothorax"]),
    ("- Pleural effusion: not present", ["-pleural_effusion"]),
    ("Lungs: Clear.", ["+clear_lungs"]),
    ("Heart: Enlarged.", ["+cardiomegaly"]),
    ("Cardiomegaly: The heart is normal in size.", ["+normal_heart"]),
    ("Pleura: No effusion or pneumothorax.", ["-pleural_effusion", "-pneumothorax"]),
    ("Check the pleura: no effusion is seen.", ["-pleural_effusion"]),
    ("Look for calcified plaques, which are not seen.", ["-pleural_plaque"]),
]

SECTIONS = [
    ("INDICATION: Pneumonia. FINDINGS: The lungs are clear.", ["+clear_lungs"]),
    ("HISTORY: Effusion.\n\nFINDINGS: No pneumothorax.\n\nIMPRESSION: Normal chest.",
     ["-pneumothorax", "+normal_chest"]),
    ("COMPARISON: Chest radiograph with pneumothorax.\n\nIMPRESSION: No effusion.", ["-pleural_effusion"]),
]  # fmt: skip

TABLES = [*DENIALS, *SCOPE_ENDS, *HEDGES, *CHANGES, *NORMALS, *ATTRIBUTES, *DEVICES, *HEADINGS, *SECTIONS]


@pytest.mark.parametrize(("text", "meaning"), TABLES, ids=[text for text, _ in TABLES])
def test_means(text: str, meaning: list[str]) -> None:
    assert sorted(read(text)) == sorted(meaning)


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_says_nothing_of_this_image(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(("text", "meaning"), TABLES, ids=[text for text, _ in TABLES])
def test_case_does_not_matter(text: str, meaning: list[str]) -> None:
    if "\n" not in text and "INDICATION" not in text:  # section headers are read by their case
        assert sorted(read(text.lower())) == sorted(meaning)


def test_spans_quote_the_words_that_decide() -> None:
    text = "The heart is enlarged. No effusion, pneumothorax or consolidation."
    analysis = analyse(text)
    quotes = [text[m.clause_start : m.clause_end] for m in analysis.mentions]
    assert quotes == [
        "heart is enlarged",
        "No effusion",
        "No effusion, pneumothorax",
        "No effusion, pneumothorax or consolidation",
    ]
    spans = [finding.span for finding in analysis.findings]
    assert [text[s.start : s.end] for s in spans if s] == [
        "heart is enlarged",
        "effusion",
        "pneumothorax",
        "consolidation",
    ]


def test_every_finding_knows_its_sentence() -> None:
    analysis = analyse("No effusion. The heart is enlarged.")
    sentence = analysis.sentences[analysis.mentions[1].sentence]
    assert analysis.text[sentence.start : sentence.end] == "The heart is enlarged."


def test_alternatives_and_possibilities_are_told_apart() -> None:
    hedges = [mention.hedge for mention in analyse("Atelectasis versus scar. Possible edema. Effusion.").mentions]
    assert hedges == ["alternative", "alternative", "possible", ""]


PORTABLE = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PORTABLE AP)

 INDICATION:  ___ year old man with heart failure // assess for pneumonia, effusion

 COMPARISON:  Chest radiograph ___

 FINDINGS:

 Endotracheal tube terminates 4.3 cm above the carina.  Right internal jugular
 central venous catheter terminates in the mid SVC.  Low lung volumes accentuate
 the cardiac silhouette, which remains moderately enlarged.  There is mild
 pulmonary vascular congestion, similar to prior.  Bibasilar opacities likely
 reflect small pleural effusions and adjacent atelectasis, although superimposed
 infection cannot be excluded.  No pneumothorax is detected.

 IMPRESSION:

 1.  Standard positioning of support devices.
 2.  Stable cardiomegaly.
"""


def test_a_whole_report_in_wrapped_lines() -> None:
    assert read(PORTABLE) == [
        "+endotracheal_tube carina 43mm",
        "+central_line right svc",
        "+hypoinflation",
        "+cardiomegaly moderate unchanged",
        "+vascular_congestion mild unchanged",
        "+lung_opacity bilateral lung_base",
        "+pleural_effusion mild",
        "+atelectasis",
        "?pneumonia",
        "-pneumothorax",
        "+satisfactory_device_position",
        "+device",
        "+cardiomegaly unchanged",
    ]


REASONING = """<think>First, we assess for fusion. To find out, we evaluate two issues: effusion, nodules.
**Cardiomegaly (Option A):** The heart size appears normal.
- **Pneumothorax:** Look for a visible line, which is not seen.
- Atelectasis typically appears as increased density.
The lungs are clear, with no opacities, indicating no pneumonia.
Option B describes emphysema. There doesn't appear to be any scoliosis.</think>"""


def test_model_reasoning_states_only_what_it_observed() -> None:
    assert read(REASONING) == [
        "+normal_heart",
        "-pneumothorax",
        "+clear_lungs",
        "-lung_opacity",
        "-pneumonia",
        "-scoliosis",
    ]
