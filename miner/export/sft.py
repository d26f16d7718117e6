"""Supervised fine-tuning: prompt and completion as messages, as TRL's SFTTrainer reads them."""

import pyarrow as pa

from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, mixed
from cxr.miner.export.registry import ExportFormat
from cxr.prompts.instructions import ASK_FOR_ANSWER, ASK_WITH_REASONING, SYSTEM

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

ORIGIN = [(name, pa.string()) for name in ("mode", "task", "corpus", "licence", "sample_id", "patient_id")]
"""Columns of every row for training: where it comes from."""

SCHEMA = pa.schema([("images", IMAGES), ("prompt", MESSAGES), ("completion", MESSAGES), *ORIGIN])

# The paper's two formats (section 6.2); a reasoning-augmented question is in the benchmark in both modes.
PROMPT_SQL = (
    f"[{{'role': 'system', 'content': '{SYSTEM}'}}, {{'role': 'user', 'content': question || ' ' || "
    f"if(mode = 'reasoning', '{ASK_WITH_REASONING}', '{ASK_FOR_ANSWER}')}}] as prompt"
)
COMPLETION_SQL = (
    "[{'role': 'assistant', 'content': if(mode = 'reasoning', '<think> ' || reasoning || ' </think>', '') "
    "|| '<answer> ' || answer || ' </answer>'}] as completion"
)

SELECT = (
    f"select {IMAGES_SQL}, {PROMPT_SQL}, {COMPLETION_SQL}, mode, task, corpus, licence, sample_id, patient_id "
    "from samples"
)

FORMAT = ExportFormat(mixed(SCHEMA, SELECT), pixels=True, stage="sft")
