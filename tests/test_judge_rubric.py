"""Every rule of the rubric and of its clarifications, as invented reports with the verdict they must get."""

import pytest

from cxr.miner.judge import RulesJudge
from cxr.schemas import Finding, JudgedFinding, Verdict

S = Verdict.SUPPORTED
C = Verdict.CONTRADICTED
UN = Verdict.UNMENTIONED_NORMAL
UA = Verdict.UNMENTIONED_ABNORMAL
NA = Verdict.NOT_ASSESSABLE

JUDGE = RulesJudge()


def judge(report: str, observation: str, status: str = "") -> JudgedFinding:
    return JUDGE.verdicts(report, [Finding(observation=observation, status=status)])[0]


Case = tuple[str, str, str, Verdict]

RULES: dict[str, list[Case]] = {
    "stated and denied": [
        ("There is a small left pleural effusion.", "Left pleural effusion", "confirmed", S),
        ("There is a small left pleural effusion.", "Pleural effusion", "not present", C),
        ("No pneumothorax is seen.", "Pneumothorax", "present", C),
        ("No pneumothorax is seen.", "Pneumothorax", "absent", S),
        ("The heart is enlarged.", "Cardiomegaly", "confirmed", S),
        ("Heart size is normal.", "Cardiomegaly", "present", C),
    ],
    "unmentioned": [
        ("Heart size is normal.", "Rib fracture", "not present", UN),
        ("Heart size is normal.", "Rib fracture", "confirmed", UA),
        ("The lungs are clear.", "Scoliosis", "absent", UN),
        ("The lungs are clear.", "Pacemaker", "present", UA),
    ],
    "not assessable": [
        ("The lungs are clear.", "Image quality", "adequate", NA),
        ("The lungs are clear.", "Patient positioning", "no significant rotation", NA),
        ("The lungs are clear.", "Cardiac silhouette", "not provided", NA),
        ("The lungs are clear.", "Best option", "based on reasoning", NA),
        ("The lungs are clear.", "Pneumothorax", "needs further evaluation", NA),
    ],
    "non-committal statuses (v2 4)": [
        ("The lungs are clear.", "Consolidation", "uncertain", NA),
        ("The lungs are clear.", "Consolidation", "ambiguous", NA),
        ("The lungs are clear.", "Consolidation", "cannot be assessed", NA),
        ("The lungs are clear.", "Consolidation", "not applicable", NA),
        ("The lungs are clear.", "Consolidation", "valid", NA),
        ("The lungs are clear.", "Consolidation", "unlikely", S),
        ("The lungs are clear.", "Consolidation", "not confirmed", S),
        ("The lungs are clear.", "Consolidation", "not supported", S),
        ("The lungs are clear.", "Consolidation", "not suggested", S),
    ],
    "possible and cannot be excluded assert presence": [
        ("No pneumothorax.", "Pneumothorax", "possible", C),
        ("No pneumothorax.", "Pneumothorax", "cannot be excluded", C),
        ("Small right effusion.", "Pleural effusion", "suggested", S),
    ],
    "compound denials": [
        ("Small left effusion. No pneumothorax.", "Pleural effusion or pneumothorax", "not present", C),
        ("No pneumothorax.", "Pneumothorax or rib fracture", "not present", S),
        ("No pneumothorax. No pleural effusion.", "Effusion or pneumothorax", "absent", S),
        ("Heart size normal.", "Scoliosis or rib fracture", "not present", UN),
    ],
    "compound presence claims": [
        ("Cardiomegaly and small effusion.", "Cardiomegaly and pleural effusion", "present", S),
        ("Cardiomegaly.", "Cardiomegaly and rib fracture", "present", UA),
        ("Cardiomegaly. No pleural effusion.", "Cardiomegaly and pleural effusion", "present", C),
    ],
    "more general than the report": [
        ("Left basilar atelectasis.", "Lung opacity", "present", S),
        ("Scarring and/or atelectasis in the left lung base.", "Scarring in the left lung base", "present", S),
        ("Left basilar atelectasis.", "Lung opacity", "not present", C),
        ("Right lower lobe pneumonia.", "Opacity in the right lung", "present", S),
        ("Sternotomy wires are intact.", "Support devices", "absent", C),
        ("Spurring of the thoracic spine.", "Degenerative changes of the spine", "confirmed", S),
    ],
    "denial of a specific variant": [
        ("There is mild cardiomegaly.", "Severe cardiomegaly", "not present", S),
        ("Small right pleural effusion.", "Left pleural effusion", "not present", S),
        ("There is a pleural effusion.", "Left pleural effusion", "not present", C),
        ("Cardiomegaly.", "Mild cardiomegaly", "unlikely", C),
        ("Right upper lobe opacity.", "Opacity in the left lower lobe", "absent", S),
    ],
    "conflict of side, place or severity": [
        ("Mild cardiomegaly.", "Severe cardiomegaly", "present", C),
        ("Small right pleural effusion.", "Left pleural effusion", "present", C),
        ("Right upper lobe calcified granuloma. Lungs otherwise clear.", "Nodule in the left lower lobe", "present", C),
    ],
    "lung fields clear": [
        ("Calcified granuloma in the right upper lobe.", "Lung fields", "clear", C),
        ("Bibasilar atelectasis.", "Lung fields", "normal", C),
        ("Interstitial edema.", "Lung fields", "clear", C),
        ("Scarring in the left apex.", "Lung fields", "clear and normal", C),
        ("The lungs are clear.", "Lung fields", "clear", S),
        ("Heart size normal.", "Lung fields", "clear", UN),
    ],
    "heart and bones": [
        ("Borderline heart size.", "Heart size", "normal", C),
        ("The heart is mildly enlarged.", "Heart size", "within normal limits", C),
        ("Degenerative changes of the thoracic spine.", "Bony structures", "normal", C),
        ("Bony structures are intact.", "Bony structures", "normal", S),
        ("Heart size is normal.", "Cardiomegaly", "not present", S),
        ("Heart size within normal limits, stable mediastinal contours.", "Heart size", "normal", S),
        ("Heart and mediastinum of normal size and contour.", "Cardiomegaly", "present", C),
        ("The heart and pulmonary XXXX are normal.", "Atelectasis", "present", UA),
        ("The cardiomediastinal silhouette is within normal limits.", "Cardiac silhouette", "normal", S),
    ],
    "top normal is normal, borderline is not (v2 7)": [
        ("Heart size is top normal.", "Cardiomegaly", "not present", S),
        ("Heart size at the upper limits of normal.", "Heart size", "normal", S),
        ("Heart size is borderline.", "Cardiomegaly", "not present", C),
        ("Heart is mildly enlarged.", "Cardiomegaly", "not present", C),
    ],
    "the report hedges": [
        ("Left base opacity may represent atelectasis.", "Atelectasis", "present", S),
        ("Left base opacity may represent atelectasis.", "Atelectasis", "not present", C),
        ("Possible small left pleural effusion.", "Pleural effusion", "confirmed", S),
        ("Possible small left pleural effusion.", "Pleural effusion", "absent", C),
    ],
    "resolved and improved": [
        ("The right pleural effusion has resolved.", "Pleural effusion", "present", C),
        ("Resolved left pneumothorax.", "Pneumothorax", "confirmed", C),
        ("The right effusion has improved.", "Pleural effusion", "present", S),
        ("Improved bibasilar opacities.", "Opacity at lung bases", "present", S),
    ],
    "clear lungs entail (v2 1)": [
        ("Lungs are clear.", "Consolidation", "not present", S),
        ("Lungs are clear bilaterally.", "Pneumonia", "absent", S),
        ("Clear lungs.", "Pulmonary edema", "not present", S),
        ("The lungs are grossly clear.", "Nodule in the right upper lobe", "not present", S),
        ("No focal opacity.", "Atelectasis", "not present", S),
        ("Lungs are clear.", "Right basilar atelectasis", "present", C),
        ("Lungs are clear.", "Lung mass", "present", C),
        ("Lungs are clear.", "Patchy opacity in the left lung", "confirmed", C),
    ],
    "no focal consolidation entails only airspace disease (v2 1)": [
        ("No focal consolidation.", "Pneumonia", "not present", S),
        ("No infiltrate.", "Consolidation", "not present", S),
        ("No focal airspace disease.", "Pneumonia", "present", C),
        ("No focal consolidation.", "Atelectasis", "present", UA),
        ("No focal consolidation.", "Atelectasis", "not present", UN),
        ("No focal airspace disease.", "Lung nodule", "present", UA),
        ("No focal airspace disease.", "Lung nodule", "not present", UN),
        ("No infiltrate.", "Lung opacity", "not present", UN),
        ("Right lower lobe infiltrate.", "Consolidation in the right lower lobe", "present", S),
    ],
    "the same statement in the report wins (v2 2)": [
        ("Calcified granuloma. Lungs are clear.", "Lungs", "clear", S),
        ("Calcified granuloma. Lungs are clear.", "Calcified granuloma", "present", S),
        ("No acute bony abnormality. Old rib fractures.", "Old rib fractures", "present", S),
    ],
    "no acute abnormality (v2 3)": [
        ("No acute cardiopulmonary abnormality.", "Pneumonia", "not present", S),
        ("No acute cardiopulmonary abnormality.", "Pleural effusion", "present", C),
        ("No active disease.", "Pneumothorax", "not present", S),
        ("Negative chest.", "Pulmonary edema", "not present", S),
        ("No acute cardiopulmonary abnormality.", "Calcified granuloma", "present", UA),
        ("No acute cardiopulmonary abnormality.", "Scoliosis", "not present", UN),
        ("No acute cardiopulmonary abnormality.", "Pacemaker", "present", UA),
        ("No acute cardiopulmonary abnormality.", "Degenerative changes of the spine", "present", UA),
    ],
    "conflicts of cause (v2 5)": [
        ("Scarring in the left lung base.", "Atelectasis in the left lung base", "present", UA),
        ("Left base atelectasis or scarring.", "Atelectasis in the left lung base", "present", S),
        ("Opacity in the left base, atelectasis versus scar.", "Scar in the left lung base", "present", S),
    ],
    "bilateral and multiple (v2 6)": [
        ("Right pleural effusion.", "Bilateral pleural effusion", "present", C),
        ("Right pleural effusion.", "Bilateral pleural effusion", "not present", S),
        ("A single nodule in the right upper lobe.", "Multiple lung nodules", "not present", S),
        ("There is a calcified granuloma in the left lung.", "Multiple calcified granulomas", "not present", S),
    ],
    "calcified granuloma (v2 8)": [
        ("Calcified granuloma in the right lung.", "Nodule in the right lung", "present", S),
        ("Calcified granuloma in the right lung.", "Calcification in the right lung", "confirmed", S),
        ("Calcified right hilar lymph nodes.", "Calcinosis of lymph nodes", "not present", C),
    ],
    "words for the same thing (v2 9)": [
        ("Degenerative changes of the thoracic spine.", "Thoracic spondylosis", "present", S),
        ("Thoracic spine osteophytes.", "Degenerative changes of the thoracic spine", "not present", C),
        ("The lungs are hyperexpanded.", "Hyperinflation", "confirmed", S),
        ("Flattened diaphragms.", "Hyperinflation of the lungs", "present", S),
        ("Ectatic thoracic aorta.", "Tortuous aorta", "present", S),
        ("Aortic calcification.", "Atherosclerosis of the aorta", "confirmed", S),
        ("Enlarged cardiac silhouette.", "Cardiomegaly", "present", S),
        ("Left chest wall port with tip in the SVC.", "Implanted medical device", "present", S),
        ("Surgical clips in the right upper quadrant.", "Surgical instruments", "present", S),
        ("Right internal jugular central line.", "Indwelling catheter", "confirmed", S),
    ],
    "no large effusion, and angles (v2 10, 12)": [
        ("No large pleural effusion.", "Pleural effusion", "not present", S),
        ("No large pleural effusion.", "Small pleural effusion", "present", UA),
        ("No pleural effusion.", "Blunted left costophrenic angle", "present", UA),
        ("No pleural effusion.", "Costophrenic angles", "sharp", S),
        ("No pleural effusion or pneumothorax.", "Costophrenic angles", "clear", S),
    ],
    "blanks are not guessed (v2 12)": [
        ("There is a XXXX in the right lung.", "Nodule in the right lung", "present", UA),
        ("The XXXX are intact.", "Rib fracture", "not present", UN),
    ],
    "narrower denials are entailed (v2 13)": [
        ("No consolidation.", "Right upper lobe consolidation", "not present", S),
        ("No pleural effusion.", "Small left pleural effusion", "absent", S),
        ("No nodules.", "Multiple nodules in the left lung", "not present", S),
    ],
}

TABLE = [pytest.param(*case, id=f"{rule}: {case[1]}, {case[2]}") for rule, cases in RULES.items() for case in cases]


@pytest.mark.parametrize(("report", "observation", "status", "expected"), TABLE)
def test_rubric(report: str, observation: str, status: str, expected: Verdict) -> None:
    answer = judge(report, observation, status)
    assert answer.verdict is expected, answer.reason


@pytest.mark.parametrize(
    ("report", "observation", "status"),
    [
        ("There is an opacity in the lung.", "Opacity in the left upper lobe", "present"),
        ("Pleural effusion.", "Small pleural effusion", "present"),
        ("Left base opacity may represent atelectasis.", "Atelectasis", "present"),
        ("Possible left effusion.", "Left effusion", "confirmed"),
        ("Elevated left hemidiaphragm.", "Mildly elevated left hemidiaphragm", "present"),
    ],
)
def test_details_that_the_report_does_not_state_are_marked(report: str, observation: str, status: str) -> None:
    answer = judge(report, observation, status)
    assert answer.verdict is S
    assert answer.extra_detail


@pytest.mark.parametrize(
    ("report", "observation", "status", "reason", "quoted"),
    [
        ("Mild cardiomegaly.", "Severe cardiomegaly", "present", "severity_conflict", "Mild cardiomegaly"),
        ("Heart size normal. Right effusion.", "Left effusion", "present", "side_conflict", "Right effusion"),
        ("The lungs are clear.", "Consolidation", "absent", "entailed_by_clear_lungs", "lungs are clear"),
        ("Heart size is normal.", "Cardiomegaly", "absent", "entailed_by_normal_heart_size", "Heart size is normal"),
        ("Left basilar atelectasis.", "Lung opacity", "present", "more_general", "Left basilar atelectasis"),
        ("Heart size is normal.", "Rib fracture", "present", "not_mentioned", ""),
        ("Heart size is normal.", "Image quality", "adequate", "asserts_nothing", ""),
        ("Possible pneumonia.", "Pneumonia", "present", "hedged", "Possible pneumonia"),
        ("No pleural effusion.", "Pleural effusion", "absent", "stated", "No pleural effusion"),
        ("Pleural effusion.", "Blunted costophrenic angle", "present", "entailed_by_sign", "Pleural effusion"),
        ("Pleural effusion.", "Small effusion", "present", "extra_detail", "Pleural effusion"),
        ("No focal opacity.", "Atelectasis", "not present", "denied_in_general", "No focal opacity"),
        ("Bones are unremarkable.", "Scoliosis", "absent", "entailed_by_normal_structure", "Bones are unremarkable"),
        ("No acute disease.", "Pneumonia", "absent", "entailed_by_no_acute_abnormality", "No acute disease"),
        ("No effusion.", "Costophrenic angle blunting", "absent", "normal_sign_of_absence", "No effusion"),
        ("Mild cardiomegaly.", "Severe cardiomegaly", "absent", "other_variant", "Mild cardiomegaly"),
        ("No pneumothorax.", "Pneumothorax", "present", "opposite_stated", "No pneumothorax"),
        ("Left basilar atelectasis.", "Lung fields", "clear", "kind_present", "Left basilar atelectasis"),
        ("Pleural effusion.", "Left effusion", "absent", "could_be_the_denied_variant", "Pleural effusion"),
        ("Possible effusion.", "Effusion", "absent", "hedged_in_report", "Possible effusion"),
        ("The effusion has resolved.", "Effusion", "present", "resolved", "effusion has resolved"),
        ("Right upper lobe nodule.", "Right lower lobe nodule", "present", "location_conflict", "upper lobe nodule"),
        ("A nodule in the lung.", "Multiple lung nodules", "present", "number_conflict", "nodule in the lung"),
        ("Unchanged effusion.", "Worsening effusion", "present", "change_conflict", "Unchanged effusion"),
    ],
)
def test_reason_and_evidence(report: str, observation: str, status: str, reason: str, quoted: str) -> None:
    answer = judge(report, observation, status)
    assert answer.reason == reason
    assert quoted in " ".join(quote.text for quote in answer.evidence)
    for quote in answer.evidence:
        assert report[quote.start : quote.end] == quote.text
