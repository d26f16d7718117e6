"""Vocabulary of other settings, and descriptions in place of names: invented sentences, written before they were run.

In each table the second column holds what the sentence states: `+concept` present, `-concept` absent; `!concept` must
not be stated at all.
"""

import pytest

from cxr.miner.language import analyse
from cxr.miner.language.labeler import label
from cxr.schemas import Presence

DESCRIBED = [  # Fleischner 2008 and 2024 glossaries; Felson
    # free air
    ("A crescent of gas lies beneath the right dome.", "+free_air"),
    ("Air is seen under both hemidiaphragms.", "+free_air"),
    ("Lucency below the right hemidiaphragm, separate from bowel.", "+free_air"),
    ("There is no air beneath the diaphragm.", "-free_air"),
    ("Both sides of the bowel wall are outlined by gas, a positive Rigler sign.", "+free_air"),
    # pneumothorax
    ("A thin pleural line parallels the left chest wall, with no lung markings beyond it.", "+pneumothorax"),
    ("No vessels are seen beyond a fine apical pleural line.", "+pneumothorax"),
    ("Deep left costophrenic sulcus on this supine film.", "+pneumothorax"),
    ("There is air in the right pleural space.", "+pneumothorax"),
    ("No air is identified in the pleural space.", "-pneumothorax"),
    ("No pleural fluid or air.", "-pleural_effusion -pneumothorax"),
    ("There is neither pleural fluid nor air.", "-pleural_effusion -pneumothorax"),
    ("The pleural spaces contain neither air nor fluid.", "-pleural_effusion -pneumothorax"),
    ("The lung edge lies 15 mm from the chest wall.", "+pneumothorax"),
    # effusion
    ("Homogeneous density at the left base with a meniscus.", "+pleural_effusion +lung_opacity"),
    ("Fluid tracks up the lateral chest wall.", "+pleural_effusion"),
    ("Neither costophrenic angle contains fluid.", "-pleural_effusion"),
    ("The minor fissure is thickened by fluid.", "+fissural_fluid !pleural_thickening"),
    ("Veil-like opacity over the right hemithorax.", "+pleural_effusion +lung_opacity"),
    ("The pleura is dry.", "+normal_pleura"),
    ("Costophrenic recesses are deep and sharp.", "+sharp_costophrenic_angles !pneumothorax"),
    ("Both angles are sharp.", "+sharp_costophrenic_angles"),
    ("No angle is blunted.", "-costophrenic_angle_blunting"),
    ("The left costophrenic angle is obliterated.", "+costophrenic_angle_blunting"),
    # heart
    ("Cardiothoracic ratio 0.42.", "+normal_heart !cardiomegaly"),
    ("The cardiothoracic ratio measures 0.61.", "+cardiomegaly !normal_heart"),
    ("CTR of 58%.", "+cardiomegaly"),
    ("CTR 47 percent.", "+normal_heart"),
    ("Ratio of heart to thorax is 0.5.", "+normal_heart"),
    ("The cardiothoracic ratio exceeds 50%.", "+cardiomegaly"),
    ("The cardiothoracic ratio is less than 0.5.", "+normal_heart !cardiomegaly"),
    ("The cardiothoracic ratio is not greater than 0.5.", "!cardiomegaly"),
    ("The transverse diameter of the heart is more than half of the thorax.", "+cardiomegaly"),
    ("Cardiac breadth is less than half of the chest.", "+normal_heart"),
    ("The heart occupies well over half of the thoracic width.", "+cardiomegaly"),
    ("Cardiothoracic ratio is normal.", "+normal_heart"),
    ("Water-bottle heart.", "+cardiomegaly +pericardial_effusion"),
    ("Double contour along the right heart border with a splayed carina.", "+chamber_enlargement"),
    ("The right heart border is crisp.", "+sharp_heart_contour !cardiomegaly"),
    # vessels
    ("The upper zone vessels are distended, with upper lobe blood diversion.", "+vascular_prominence"),
    ("Cephalization of flow.", "+vascular_prominence"),
    ("Vessels are equalized between upper and lower zones.", "+vascular_prominence"),
    ("Short horizontal lines at the costophrenic angles, Kerley B lines.", "+kerley_lines"),
    # collapse and volume
    ("The minor fissure is elevated.", "+fissure_displacement"),
    ("The left hilum is pulled up.", "+hilar_displacement"),
    ("Tenting of the left hemidiaphragm.", "+diaphragm_tenting"),
    ("A reverse S sign of Golden outlines the right upper zone.", "+lobar_collapse +hilar_enlargement"),
    ("Crowded ribs on the left.", "+volume_loss"),
    # hyperinflation
    ("Both domes are flattened.", "+hyperinflation"),
    ("The interspaces are widened.", "+hyperinflation"),
    ("Eleven posterior ribs are visible above the diaphragm.", "+hyperinflation"),
    ("The retrosternal air space is increased.", "+hyperinflation"),
    ("Peripheral vessels are sparse.", "+hyperlucency"),
    # airways
    ("Tram tracks and ring shadows in the lower zones.", "+bronchiectasis"),
    ("Finger-in-glove opacities in the left upper lobe.", "+mucus_plugging"),
    ("Steeple-shaped narrowing of the subglottic airway.", "+airway_narrowing"),
    ("The mass narrows the trachea.", "+airway_narrowing"),
    # other air
    ("Continuous diaphragm sign.", "+pneumomediastinum"),
    ("Air outlines the left heart border.", "+pneumomediastinum"),
    ("Streaks of gas in the soft tissues of the neck.", "+subcutaneous_emphysema"),
    ("A straight horizontal air-fluid level crosses the right hemithorax.", "+air_fluid_level"),
    # mediastinum, aorta, bones
    ("The aortic knob is unfolded.", "+tortuous_aorta"),
    ("The mass widens the mediastinum.", "+mediastinal_widening"),
    ("The trachea is pushed to the left.", "+tracheal_deviation"),
    ("Trachea deviates to the right.", "+tracheal_deviation"),
    ("The mediastinum is drawn to the left.", "+mediastinal_shift"),
    ("Cortical step-off in the left seventh rib.", "+fracture"),
    ("Loss of height of the T8 vertebral body.", "+vertebral_deformity"),
    ("H-shaped vertebral bodies.", "+vertebral_deformity"),
    ("The silhouette of the left hemidiaphragm is lost.", "+diaphragm_obscuration"),
    ("Silhouetting of the right hemidiaphragm.", "+diaphragm_obscuration !lung_opacity"),
]

NAMED = [  # PadChest's findings, RadLex, and what reports of other settings call things
    ("Surgical emphysema in the neck.", "+subcutaneous_emphysema !emphysema"),
    ("Pneumatocele in the right mid zone.", "+pneumatocele"),
    ("Peripheral infarct at the right base.", "+pulmonary_infarct"),
    ("Biopsy-related hemorrhage around the nodule.", "+pulmonary_hemorrhage"),
    ("Blossoming right pulmonary contusion.", "+pulmonary_contusion"),
    ("Septic emboli are suspected.", "+septic_emboli"),
    ("Lymphangitic spread of tumor.", "+lymphangitic_tumor"),
    ("Left-sided air trapping.", "+air_trapping"),
    ("Suspected bronchopleural fistula.", "+bronchopleural_fistula"),
    ("The gastric conduit is distended.", "+gastric_conduit"),
    ("Empyema on the right.", "+empyema"),
    ("Left hemothorax.", "+hemothorax"),
    ("Tension pneumothorax on the left.", "+tension_pneumothorax"),
    ("Small basal pneumothorax without tension.", "+pneumothorax -tension_pneumothorax"),
    ("Right lower lobectomy.", "+postsurgical_change"),
    ("Status post left mastectomy.", "+mastectomy"),
    ("Surgical absence of the spleen.", "+postsurgical_change"),
    ("The left clavicle is surgically absent.", "+postsurgical_change"),
    ("Incidental azygos lobe.", "+azygos_lobe !right_aortic_arch"),
    ("Right-sided aortic arch.", "+right_aortic_arch"),
    ("Left aortic arch.", "+normal_aortic_arch"),
    ("Avascular necrosis of the humeral head.", "+osteonecrosis"),
    ("Fungus ball in an old cavity.", "+aspergilloma"),
    ("Pleural mesothelioma encases the lung.", "+pleural_mass"),
    ("Dilated, fluid-filled esophagus of achalasia.", "+esophageal_dilatation"),
    ("Goiter indents the trachea.", "+airway_narrowing"),
    ("The cardiothymic silhouette is normal.", "+normal_cardiomediastinum"),
    ("Mediastinum is central.", "+midline_mediastinum !normal_mediastinum"),
    ("NAD.", "-abnormality"),
    ("Patchy shadowing at the right base.", "+lung_opacity"),
    ("Raised right hemidiaphragm.", "+elevated_hemidiaphragm"),
    ("Reperfusion oedema in the transplanted lung.", "+edema"),
    ("Gynecomastia.", "+soft_tissue_abnormality"),
    ("Bone island in the rib.", "+bone_lesion"),
    ("Intraosseous cement at T11.", "+spinal_fusion"),
    ("Round atelectasis beside pleural plaques.", "+atelectasis +pleural_plaque"),
    ("Secondary to infection.", "+pneumonia"),
    ("Heart small.", "+small_heart"),
    ("The heart is narrow.", "+small_heart"),
    ("Streaky changes at the bases.", "+lung_opacity"),
    ("Patchy streaky density in the lingula.", "+lung_opacity"),
    ("Slight haze at the left base.", "+lung_opacity"),
    ("Age-appropriate skeleton.", "+physiologic_skeleton !normal_bones"),
    ("No bony injury.", "-fracture"),
    ("No air leak.", "-pneumothorax"),
]

NOT_WHAT_THEY_SOUND_LIKE = [
    ("Obscured heart borders.", "+obscured_heart_contour !lung_opacity"),
    ("The cardiac silhouette is obscured and cannot be measured.", "+obscured_heart_contour !lung_opacity"),
    ("The lung bases are obscured by overlying soft tissue.", "!lung_opacity"),
    ("The side port of the enteric tube lies below the diaphragm.", "+enteric_tube !port !central_line"),
    ("Nasogastric tube with its side hole at the gastroesophageal junction.", "+enteric_tube !port"),
    ("Proximal side port within the stomach.", "!port"),
    ("Right chest port.", "+port"),
    ("Shunt vascularity is increased.", "+vascular_prominence !catheter"),
    ("Right-to-left shunt.", "!catheter"),
    ("Left-to-right shunting at atrial level.", "!catheter"),
    ("Normal pulmonary flow.", "+normal_vasculature !clear_lungs"),
    ("No tension.", "-tension_pneumothorax"),
    ("Gas in the stomach.", "!pneumothorax !free_air"),
    ("Air-filled bowel loops.", "!pneumothorax !free_air"),
    ("The air column of the trachea is midline.", "+midline_trachea !pneumothorax"),
    ("Fluid resuscitation is under way.", "!pleural_effusion"),
    ("Lavage fluid is expected after bronchoscopy.", "!pleural_effusion"),
    ("Pericardial fluid is the likely reason.", "+pericardial_effusion !pleural_effusion"),
    ("The heart measures 13 cm across.", "!cardiomegaly"),
    ("Loss of the pacemaker generator pocket.", "!volume_loss"),
    ("The scapula angle is normal.", "!sharp_costophrenic_angles"),
    ("Cardiophrenic angle fat pad.", "+pericardial_fat_pad !sharp_costophrenic_angles"),
    ("Lymphoma of the stomach is known.", "!lung_lesion"),
    ("The line has been repositioned and ends in the mid SVC.", "+central_line"),
    ("A horizontal line crosses the film, an artifact.", "!central_line"),
    ("Renal failure.", "!heart_failure"),
]

DEVICES = [
    ("LVAD in place.", "+heart_pump !iabp"),
    ("Impella device across the aortic valve.", "+heart_pump"),
    ("IABP tip 2 cm below the arch.", "+iabp"),
    ("Venous ECMO cannula ends in the right atrium.", "+ecmo_cannula"),
    ("Leadless pacer projects over the right ventricle.", "+leadless_pacemaker"),
    ("A loop recorder is noted.", "+cardiac_recorder"),
    ("Implantable cardiac monitor on the left.", "+cardiac_recorder"),
    ("Epidural catheter along the spine.", "+catheter"),
    ("External ventricular drain, partly imaged.", "+catheter"),
    ("Dobhoff tip is postpyloric.", "+enteric_tube"),
    ("OGT in the stomach.", "+enteric_tube"),
    ("Nasojejunal tube passes the ligament of Treitz.", "+enteric_tube"),
    ("Left pigtail at the base.", "+pigtail_catheter"),
    ("Pigtail drain in the right pleural space.", "+pigtail_catheter"),
    ("Left intercostal drain in situ.", "+chest_tube"),
    ("Blake drain in the mediastinum.", "+chest_tube"),
    ("Surgical drains project over the neck.", "+surgical_instrument"),
    ("UAC tip at T7.", "+umbilical_arterial_catheter"),
    ("The umbilical venous catheter ends at T9.", "+umbilical_venous_catheter"),
    ("Endobronchial valves over the right lower lobe.", "+endobronchial_valve !prosthetic_valve"),
    ("TAVR prosthesis.", "+prosthetic_valve"),
    ("MVR noted.", "+prosthetic_valve"),
    ("MitraClip device.", "+prosthetic_valve"),
    ("Chain sutures at the right hilum.", "+surgical_clips"),
    ("Clamshell wires are intact.", "+sternotomy_wires"),
    ("Sternal sutures as before.", "+sternotomy_wires"),
    ("Embolization coils in the right upper quadrant.", "+abdominal_device"),
    ("Triple lumen ends in the upper SVC.", "+central_line"),
    ("Right IJ sheath.", "+central_line"),
    ("Vascath tip in the right atrium.", "+dialysis_catheter"),
    ("Nasal CPAP prongs.", "+device"),
    ("Esophageal temperature probe.", "+enteric_tube"),
    ("Defibrillation pads overlie the left chest.", "+ecg_leads"),
    ("Clavicular plate.", "+orthopedic_hardware"),
    ("Sengstaken-Blakemore tube.", "+enteric_tube"),
    ("Cricothyrotomy tube in the upper trachea.", "+tracheostomy"),
    ("Biventricular pacer with coronary sinus lead.", "+pacemaker"),
    ("Double lumen tube with bronchial limb on the left.", "+endotracheal_tube"),
    ("Amplatzer septal occluder.", "+septal_occluder"),
    ("Intercostal nerve stimulator.", "+device"),
    ("Tracheobronchial stent.", "+stent"),
    ("Fiducial markers around the nodule.", "+surgical_clips"),
    ("Pulmonary artery pressure sensor.", "+device"),
]

TABLES = DESCRIBED + NAMED + NOT_WHAT_THEY_SOUND_LIKE + DEVICES


def stated(sentence: str) -> set[str]:
    """Return what a sentence states, as in the tables."""
    signs = {Presence.PRESENT: "+", Presence.ABSENT: "-"}
    return {signs[mention.form.presence] + mention.form.concept for mention in analyse(sentence).mentions}


def check(sentence: str, expected: str) -> None:
    """Compare what a sentence states with a row of the tables."""
    found = stated(sentence)
    wanted = {word for word in expected.split() if word[0] != "!"}
    unwanted = {word[1:] for word in expected.split() if word[0] == "!"}
    opposite = {{"+": "-", "-": "+"}[word[0]] + word[1:] for word in wanted}
    assert wanted <= found
    assert not opposite & found
    assert not unwanted & {word[1:] for word in found}


@pytest.mark.parametrize(("sentence", "expected"), TABLES)
def test_what_is_stated(sentence: str, expected: str) -> None:
    check(sentence, expected)


LABELS = [  # the convention that two readers of invented reports agreed on: a structure that is called normal, or free
    # of its signs, is 0 in the label that is about it; what follows beyond that stays open
    ("Lungs are clear.", {"Lung Opacity": 0, "No Finding": 1}),
    ("Clear lungs.", {"Lung Opacity": 0, "No Finding": 1}),
    ("Lungs clear bilaterally.", {"Lung Opacity": 0, "No Finding": 1}),
    ("The right lung is clear.", {"No Finding": 1}),
    ("The lung bases are clear.", {"No Finding": 1}),
    ("Normal cardiomediastinal silhouette.", {"Cardiomegaly": 0, "Enlarged Cardiomediastinum": 0, "No Finding": 1}),
    ("The cardiomediastinal silhouette is not enlarged.",
     {"Cardiomegaly": 0, "Enlarged Cardiomediastinum": 0, "No Finding": 1}),
    ("Costophrenic sulci are sharp.", {"Pleural Effusion": 0, "No Finding": 1}),
    ("The left costophrenic angle is sharp.", {"No Finding": 1}),
    ("Pleural spaces are clear.", {"Pleural Effusion": 0, "No Finding": 1}),
    ("No blunting of the costophrenic angles.", {"Pleural Effusion": 0, "No Finding": 1}),
    ("Bones intact.", {"Fracture": 0, "No Finding": 1}),
    ("Ribs are intact.", {"Fracture": 0, "No Finding": 1}),
    ("Skeleton: age-appropriate.", {"No Finding": 1}),
    ("Mediastinum midline.", {"No Finding": 1}),
    ("Mediastinum of normal width.", {"Enlarged Cardiomediastinum": 0, "No Finding": 1}),
    ("The mediastinum is not wide.", {"Enlarged Cardiomediastinum": 0, "No Finding": 1}),
    ("Heart small.", {"Cardiomegaly": 0, "No Finding": 1}),
    ("Heart of ordinary size.", {"Cardiomegaly": 0, "No Finding": 1}),
    ("No cavitation.", {"No Finding": 1}),
    ("No honeycombing.", {"No Finding": 1}),
    ("No air or fluid in the pleural spaces.", {"Pleural Effusion": 0, "Pneumothorax": 0, "No Finding": 1}),
    ("Lungs clear apart from a granuloma at the left base.", {"Lung Opacity": 0}),
    ("Lungs clear except for right basilar opacity.", {"Lung Opacity": 1}),
    ("Bibasilar septal lines.", {"Lung Opacity": 1}),
    ("Surgical clips in the left axilla.", {"Support Devices": 1, "No Finding": 1}),
    ("Median sternotomy wires.", {"Support Devices": 1, "No Finding": 1}),
    ("Breast implants.", {"No Finding": 1}),
    ("Normal chest.", {"No Finding": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "expected"), LABELS)
def test_labels(sentence: str, expected: dict[str, int]) -> None:
    said = label(f"FINDINGS: {sentence}")
    assert {str(name): value for name, value in said.items() if value is not None} == expected
