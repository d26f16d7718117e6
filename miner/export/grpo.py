"""GRPO: a prompt, and what the rewards need to know: answer, options, report and mode."""

import pyarrow as pa

from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, mixed
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.sft import ANSWER, MESSAGES, OPTIONS_SQL, ORIGIN, PROMPT_SQL, REFERENCE_SQL

SCHEMA = pa.schema(
    [
        ("images", IMAGES),
        ("prompt", MESSAGES),
        *ANSWER,
        *ORIGIN,
    ]
)
"""`report` and `reference` are null for answer-only samples, so that their process reward is none; `options` read
"A) ..."."""

SELECT = (
    f"select {IMAGES_SQL}, {PROMPT_SQL}, answer, answer_text, answer_findings, "
    f"{OPTIONS_SQL}, report, {REFERENCE_SQL} as reference, mode, task, corpus, licence, "
    "sample_id, patient_id from samples"
)

FORMAT = ExportFormat(mixed(SCHEMA, SELECT), pixels=True, stage="grpo")
