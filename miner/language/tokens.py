"""Words of a text with their places, folded so that one spelling in the lexicon matches all of them."""

import re
from functools import lru_cache

# A word (with an inner apostrophe), a number, a run of line ends, or one other visible character.
TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019][a-z]+)?|\d+(?:\.\d+)?|_{2,}|\n\s*|[^\s\w]|\w", re.IGNORECASE)

_IRREGULAR = {
    "hila": "hilum",
    "apices": "apex",
    "apexes": "apex",
    "bases": "base",
    "bullae": "bulla",
    "bronchi": "bronchus",
    "diagnoses": "diagnosis",
    "diaphragms": "diaphragm",
    "emboli": "embolus",
    "granulomata": "granuloma",
    "indices": "index",
    "lymphadenopathies": "lymphadenopathy",
    "masses": "mass",
    "metastases": "metastasis",
    "pneumothoraces": "pneumothorax",
    "pneumothoraxes": "pneumothorax",
    "processes": "process",
    "sequelae": "sequela",
    "sulci": "sulcus",
    "thoraces": "thorax",
    "vertebrae": "vertebra",
    "viscera": "viscus",
    "atelectases": "atelectasis",
    "cicatrices": "cicatrix",
    "cicatrixes": "cicatrix",
    "pleurae": "pleura",
    "lucencies": "lucency",
    "foci": "focus",
    "calculi": "calculus",
    "loculi": "loculus",
    "bacilli": "bacillus",
    "criteria": "criterion",
    "alveolus": "alveoli",
    "areae": "area",
    "bodies": "body",
}
# British forms and misspellings that occur in reports.
_SPELLING = {
    "oedema": "edema",
    "oedematous": "edematous",
    "haemothorax": "hemothorax",
    "haemorrhage": "hemorrhage",
    "oesophagus": "esophagus",
    "oesophageal": "esophageal",
    "tumour": "tumor",
    "centre": "center",
    "centred": "centered",
    "calibre": "caliber",
    "fibre": "fiber",
    "aeroation": "aeration",
    "cardiomegally": "cardiomegaly",
    "cardiomegalia": "cardiomegaly",
    "pnuemothorax": "pneumothorax",
    "pneumothroax": "pneumothorax",
    "pneumothorx": "pneumothorax",
    "pneumonthorax": "pneumothorax",
    "effussion": "effusion",
    "efffusion": "effusion",
    "atelectasia": "atelectasis",
    "atelactasis": "atelectasis",
    "atelectatis": "atelectasis",
    "atelectesis": "atelectasis",
    "mediastinial": "mediastinal",
    "mediastium": "mediastinum",
    "consolodation": "consolidation",
    "consildation": "consolidation",
    "costrophrenic": "costophrenic",
    "costophernic": "costophrenic",
    "dextroscoliotic": "scoliotic",
    "levoscoliotic": "scoliotic",
    "emphasematous": "emphysematous",
    "emphysemetous": "emphysematous",
    "osseus": "osseous",
    "ossous": "osseous",
    "hyperdistension": "hyperdistention",
    "distension": "distention",
    "hyperextended": "hyperexpanded",
    "demineralisation": "demineralization",
    "visualised": "visualized",
    "localised": "localized",
    "mineralised": "mineralized",
    "unremarkeable": "unremarkable",
    "umremarkable": "unremarkable",
    "torturous": "tortuous",
    "bilatal": "bilateral",
    "bilteral": "bilateral",
    "infitrate": "infiltrate",
    "inflitrate": "infiltrate",
    "infiltrative": "infiltrative",
    "fibrotics": "fibrotic",
    "tuberculous": "tuberculous",
    "pulmanary": "pulmonary",
    "pulmonry": "pulmonary",
    "vascularture": "vasculature",
    "spondyolosis": "spondylosis",
    "skelatal": "skeletal",
    "apicies": "apex",
    "mulitple": "multiple",
    "thorasic": "thoracic",
    "granulomas": "granuloma",
    "xrays": "xray",
    "grey": "gray",
    "caudad": "caudal",
}
# Compounds written as one word, two words or with a hyphen: the lexicon sees the two words.
COMPOUNDS = {
    "airspace": ("air", "space"),
    "groundglass": ("ground", "glass"),
    "platelike": ("plate", "like"),
    "bandlike": ("band", "like"),
    "masslike": ("mass", "like"),
    "infrahilar": ("infra", "hilar"),
    "perihilar": ("peri", "hilar"),
    "parahilar": ("para", "hilar"),
    "suprahilar": ("supra", "hilar"),
    "retrocardiac": ("retro", "cardiac"),
    "retrosternal": ("retro", "sternal"),
    "cardiomediastinal": ("cardio", "mediastinal"),
    "cardiopulmonary": ("cardio", "pulmonary"),
    "cardiothoracic": ("cardio", "thoracic"),
    "pleuroparenchymal": ("pleuro", "parenchymal"),
    "noncalcified": ("non", "calcified"),
    "nondisplaced": ("non", "displaced"),
    "undisplaced": ("non", "displaced"),
    "nonenlarged": ("non", "enlarged"),
    "midlung": ("mid", "lung"),
    "midthoracic": ("mid", "thoracic"),
    "endplate": ("end", "plate"),
    "endotracheal": ("endo", "tracheal"),
    "subsegmental": ("sub", "segmental"),
    "intraaortic": ("intra", "aortic"),
    "intraabdominal": ("intra", "abdominal"),
    "subdiaphragmatic": ("sub", "diaphragmatic"),
    "infradiaphragmatic": ("infra", "diaphragmatic"),
    "subpulmonic": ("sub", "pulmonic"),
    "postsurgical": ("post", "surgical"),
    "postoperative": ("post", "operative"),
    "postinflammatory": ("post", "inflammatory"),
    "posttraumatic": ("post", "traumatic"),
    "reticulonodular": ("reticulo", "nodular"),
    "thoracolumbar": ("thoraco", "lumbar"),
    "hyperinflated": ("hyper", "inflated"),
    "hyperinflation": ("hyper", "inflation"),
    "hyperexpanded": ("hyper", "expanded"),
    "hyperexpansion": ("hyper", "expansion"),
    "hyperlucent": ("hyper", "lucent"),
    "hyperaerated": ("hyper", "aerated"),
    "hypoinflated": ("hypo", "inflated"),
    "hypoinflation": ("hypo", "inflation"),
    "overinflated": ("over", "inflated"),
    "overinflation": ("over", "inflation"),
    "overexpanded": ("over", "expanded"),
    "underinflated": ("under", "inflated"),
    "portacath": ("port", "a", "cath"),
    "cannot": ("can", "not"),
    "nonspecific": ("non", "specific"),
    "bronchovascular": ("broncho", "vascular"),
    "peribronchial": ("peri", "bronchial"),
    "paratracheal": ("para", "tracheal"),
    "sternotomies": ("sternotomy",),
    "multilevel": ("multi", "level"),
    "redemonstration": ("re", "demonstration"),
    "redemonstrated": ("re", "demonstrated"),
    "followup": ("follow", "up"),
    "honeycombing": ("honey", "combing"),
    "bony": ("bone",),
    "disk": ("disc",),
    "disks": ("disc",),
    "lll": ("left", "lower", "lobe"),
    "lul": ("left", "upper", "lobe"),
    "rll": ("right", "lower", "lobe"),
    "rul": ("right", "upper", "lobe"),
    "rml": ("right", "middle", "lobe"),
}
ARTICLES = frozenset({"a", "an", "the"})
"""Left out of phrases and sentences alike: they change no meaning here."""
_KEEP_S = frozenset(
    {
        "is",
        "was",
        "has",
        "as",
        "this",
        "its",
        "us",
        "vs",
        "yes",
        "thus",
        "does",
        "plus",
        "less",
        "lens",
        "whereas",
        "besides",
        "towards",
        "perhaps",
        "series",
        "pus",
        "gas",
        "dis",
        "s",
        "always",
        "across",
        "versus",
        "previous",
        "xxxx",
    }
)


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """Return the form under which the lexicon knows a lower-case word: singular, American, spelled right."""
    word = word.replace("\u2019", "'")
    word = _SPELLING.get(word, word)
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or word in _KEEP_S or not word.endswith("s") or word.endswith(("ss", "us", "is", "'s")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=50_000)
def fold_compound(word: str) -> tuple[str, ...]:
    """Return the folded words that a written word stands for: "airspace" is ("air", "space")."""
    split = COMPOUNDS.get(word)
    if split is not None:
        return split
    folded = fold(word)
    return COMPOUNDS.get(folded, (folded,))


def lowered(text: str) -> str:
    """Lower-case a text without changing its length, so that offsets stay true."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def tokenise(text: str) -> list[tuple[str, int, int]]:
    """Split a lower-cased text into (word, start, end): words, numbers, line ends and single signs."""
    return [(match.group(), match.start(), match.end()) for match in TOKEN.finditer(text)]


def phrase_words(phrase: str) -> tuple[str, ...]:
    """Fold a lexicon phrase into the words it is matched by; hyphens count as spaces."""
    words: list[str] = []
    for word, _, _ in tokenise(lowered(phrase)):
        if (word[0].isalnum() or word[0] == "_") and word not in ARTICLES:
            words.extend(fold_compound(word))
    return tuple(words)
