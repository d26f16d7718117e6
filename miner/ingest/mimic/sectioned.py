"""Reports from `mimic_cxr_sectioned.csv`, as MIT-LCP's script or a project of its own wrote it.

Its columns are study (s50414267), impression, findings, last_paragraph, comparison; many projects add others
(formats.md 1.1). The text of a report is built of its columns, so offsets point into that text, not into the report
as the radiologist wrote it: the zip is the better source.
"""

from pathlib import Path

import polars as pl

from cxr.miner.ingest.corpus import REPORTS, conform, rejects_frame
from cxr.miner.ingest.mimic.tables import table_bytes
from cxr.miner.ingest.read.blank import reading
from cxr.miner.ingest.read.files import ROW, read_csv
from cxr.miner.ingest.read.frames import canonical_texts, csv_header, rejects_where
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.visible import columns_found
from cxr.schemas.vocabulary import RejectReason

_STUDY_COLUMNS = ("study", "study_id", "dicom_study")
# Column of the CSV and section, in the order of a report. The public script fills last_paragraph only where there are
# neither findings nor impression: it is the reading.
_SECTIONS = (
    ("examination", "examination"),
    ("indication", "indication"),
    ("history", "history"),
    ("technique", "technique"),
    ("comparison", "comparison"),
    ("findings", "findings"),
    ("last_paragraph", "findings"),
    ("impression", "impression"),
)
_READINGS = ("findings", "last_paragraph", "impression")


def read_sectioned(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return reports with the columns of REPORTS, and rejects. Raises InputError where the columns are others."""
    data = table_bytes(path)
    expected = "study, impression, findings, last_paragraph, comparison"
    columns = csv_header(data, path.name, expected)
    study = next((name for name in _STUDY_COLUMNS if name in columns), None)
    sections = [(column, name) for column, name in _SECTIONS if column in columns]
    if study is None or not {"findings", "impression"} & set(columns):
        raise InputError(
            f"{path.name} is no sectioned CSV of MIMIC-CXR ({columns_found(columns)}); expected {expected}"
        )
    table = read_csv(data, path.name, [study, *(column for column, _ in sections)], key=study)
    if table.frame.is_empty() and not table.rejects:
        raise InputError(f"{path.name} holds no report; expected one row for each below the header")
    number = pl.col(study).str.strip_chars().str.extract(r"^s?(\d{8})(?:\.0+)?$", 1)
    frame = table.frame.with_columns(pl.concat_str(pl.lit("mimic-cxr/s"), number).alias("study_id"))
    frame = frame.with_columns(reading(column) for column, _ in sections if column in _READINGS)
    frame = canonical_texts(frame, sections)
    problems = (
        (pl.col("study_id").is_null(), RejectReason.BAD_VALUE, "the study is no s and eight digits"),
        (
            pl.col("text").is_null(),
            RejectReason.NO_REPORT,
            "all sections are empty; the study is kept without a report",
        ),
        (~pl.col("study_id").is_first_distinct(), RejectReason.DUPLICATE_KEY, "an earlier row has the same study"),
    )
    bad = pl.lit(value=False)
    rejects = [rejects_frame(table.rejects)]
    for condition, reason, message in problems:
        rejects.append(rejects_where(frame.with_row_index("place"), condition & ~bad, reason, path.name, message))
        bad = bad | condition
    return conform(frame.filter(~bad).drop(ROW), REPORTS), pl.concat(rejects)
