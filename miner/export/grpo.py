"""GRPO: a prompt, and what the rewards need to know: answer, options, report and mode."""

import pyarrow as pa

from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, mixed
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.sft import MESSAGES, ORIGIN, PROMPT_SQL

ANSWER = [
    ("answer", pa.string()),
    ("answer_text", pa.string()),
    ("answer_findings", pa.list_(pa.string())),
    ("options", pa.list_(pa.string())),
    ("report", pa.string()),
    ("reference", pa.string()),
]
"""What rewards need to know."""

REFERENCE_SQL = "array_to_string(list_transform(evidence, lambda e: e.statement), ' ')"
"""What the evidence of the mined chain states, which completions are compared with, as `cxr score` reads it."""

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
    "list_transform(options, lambda o: o.letter || ') ' || o.text) as options, report, "
    f"{REFERENCE_SQL} as reference, mode, task, corpus, licence, "
    "sample_id, patient_id from samples"
)

FORMAT = ExportFormat(mixed(SCHEMA, SELECT), pixels=True, stage="grpo")
