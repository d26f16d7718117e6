"""Supervised fine-tuning: prompt and completion as messages, as TRL's SFTTrainer reads them."""

import pyarrow as pa

from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, mixed
from cxr.miner.export.registry import ExportFormat

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

ORIGIN = [(name, pa.string()) for name in ("mode", "task", "corpus", "licence", "sample_id", "patient_id")]
"""Columns of every row for training: where it comes from."""

ANSWER = [
    ("answer", pa.string()),
    ("answer_text", pa.string()),
    ("answer_findings", pa.list_(pa.string())),
    ("options", pa.list_(pa.string())),
    ("report", pa.string()),
    ("reference", pa.string()),
]
"""What rewards and validation need to know."""

REFERENCE_SQL = "array_to_string(list_transform(evidence, lambda e: e.statement), ' ')"
"""What the evidence of the mined chain states, which completions are compared with, as `cxr score` reads it."""

OPTIONS_SQL = "list_transform(options, lambda o: o.letter || ') ' || o.text)"

ORIGIN_SQL = ", ".join(name for name, _ in ORIGIN)


def answer_sql(**made: str) -> str:
    """Return SQL for the columns of ANSWER; `made` says how some of them are made instead."""
    made = {"options": OPTIONS_SQL, "reference": REFERENCE_SQL, **made}
    return ", ".join(f"{made.get(name, name)} as {name}" for name, _ in ANSWER)


SCHEMA = pa.schema([("images", IMAGES), ("prompt", MESSAGES), ("completion", MESSAGES), *ORIGIN, *ANSWER])
"""`report` and `reference` are null in the rows of train: only what is held out is judged."""

# In the form that the settings name (rows.py); a reasoning-augmented question is in the benchmark in both modes.
PROMPT_SQL = "conversation(asked(mode, question)) as prompt"
COMPLETION_SQL = (
    "[{'role': 'assistant', 'content': if(mode = 'reasoning', '<think> ' || reasoning || ' </think>', '') "
    "|| '<answer> ' || answer || ' </answer>'}] as completion"
)

_HELD_OUT = {
    name: f"if(split = 'train', null, {made})" for name, made in (("report", "report"), ("reference", REFERENCE_SQL))
}
SELECT = f"select {IMAGES_SQL}, {PROMPT_SQL}, {COMPLETION_SQL}, {answer_sql(**_HELD_OUT)}, {ORIGIN_SQL} from samples"

FORMAT = ExportFormat(mixed(SCHEMA, SELECT), pixels=True, stage="sft")
