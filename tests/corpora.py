"""Small invented corpora in the owners' layouts, for tests that go through the real command line."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

OPENI_COLUMNS = ("uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression")

# (findings, impression) of invented studies; every one of the question findings is present somewhere.
INVENTED: tuple[tuple[str, str], ...] = (
    ("There is a moderate left pleural effusion. No pneumothorax. Heart size is normal.", "Left pleural effusion."),
    ("The heart is enlarged. The lungs are clear. No pleural effusion or pneumothorax.", "Cardiomegaly."),
    ("Patchy consolidation in the right lower lobe. No pleural effusion.", "Right lower lobe pneumonia."),
    ("There is a small right apical pneumothorax. No pleural effusion.", "Small right pneumothorax."),
    ("Linear opacities at the left base are consistent with atelectasis. Heart size is normal.", "Atelectasis."),
    ("Diffuse interstitial pulmonary edema. The heart is enlarged. No pneumothorax.", "Pulmonary edema."),
    ("There is a 2 cm nodule in the right upper lobe. No pleural effusion. Heart size is normal.", "Lung nodule."),
    ("Displaced fracture of the left seventh rib. No pneumothorax. The lungs are clear.", "Rib fracture."),
    ("An endotracheal tube ends 4 cm above the carina. No pneumothorax.", "Endotracheal tube in place."),
    ("The mediastinum is widened. No pleural effusion. The lungs are clear.", "Widened mediastinum."),
    ("The lungs are clear. Heart size is normal. No pleural effusion or pneumothorax.", "Normal chest."),
    ("No focal consolidation, effusion or pneumothorax. Heart size is normal.", "No acute disease."),
)


def openi_rows(texts: Iterable[tuple[str, str]] = INVENTED) -> list[dict[str, str]]:
    """Give rows of `indiana_reports.csv` with ids from 1."""
    return [
        {"uid": str(uid), "indication": "Cough.", "comparison": "None.", "findings": findings, "impression": impression}
        for uid, (findings, impression) in enumerate(texts, start=1)
    ]


def write_openi(folder: Path, rows: Iterable[Mapping[str, str]] | None = None) -> Path:
    """Write the CSV layout of OpenI into a folder and give the folder."""
    chosen = list(openi_rows() if rows is None else rows)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "indiana_reports.csv", OPENI_COLUMNS, chosen)
    images = [
        {"uid": row["uid"], "filename": f"{row['uid']}_IM-0001-4001.dcm.png", "projection": "Frontal"} for row in chosen
    ]
    _write(folder / "indiana_projections.csv", ("uid", "filename", "projection"), images)
    return folder


def _write(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(columns), restval="")
        writer.writeheader()
        writer.writerows(rows)
