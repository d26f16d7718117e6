"""GRPO: a prompt, and what the rewards need to know: answer, options, report and mode."""

import pyarrow as pa

from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, mixed
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.sft import ANSWER, MESSAGES, ORIGIN, ORIGIN_SQL, PROMPT_SQL, answer_sql

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

SELECT = f"select {IMAGES_SQL}, {PROMPT_SQL}, {answer_sql()}, {ORIGIN_SQL} from samples"

FORMAT = ExportFormat(mixed(SCHEMA, SELECT), pixels=True, stage="grpo")
