"""Supervised fine-tuning: prompt and completion as messages, as TRL's SFTTrainer reads them."""

import pyarrow as pa

from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, mixed
from cxr.miner.export.registry import ExportFormat

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

ORIGIN = [(name, pa.string()) for name in ("mode", "task", "corpus", "licence", "sample_id", "patient_id")]
"""Columns of every row for training: where it comes from."""

SCHEMA = pa.schema([("images", IMAGES), ("prompt", MESSAGES), ("completion", MESSAGES), *ORIGIN])

# In the form that the settings name (rows.py); a reasoning-augmented question is in the benchmark in both modes.
PROMPT_SQL = "conversation(asked(mode, question)) as prompt"
COMPLETION_SQL = (
    "[{'role': 'assistant', 'content': if(mode = 'reasoning', '<think> ' || reasoning || ' </think>', '') "
    "|| '<answer> ' || answer || ' </answer>'}] as completion"
)

SELECT = (
    f"select {IMAGES_SQL}, {PROMPT_SQL}, {COMPLETION_SQL}, mode, task, corpus, licence, sample_id, patient_id "
    "from samples"
)

FORMAT = ExportFormat(mixed(SCHEMA, SELECT), pixels=True, stage="sft")
