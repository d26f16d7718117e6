"""verl: the columns that its trainer reads, and a reward function file that calls ours."""

from pathlib import Path

import pyarrow as pa

from cxr.miner.export.parquet import write_shards
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, Slices
from cxr.miner.export.settings import ExportSettings
from cxr.miner.export.sft import ANSWER, MESSAGES, OPTIONS_SQL, REFERENCE_SQL

_EXTRA = pa.struct(
    [
        ("split", pa.string()),
        ("index", pa.int64()),
        *((name, pa.string()) for name in ("sample_id", "mode", "task", "question")),
        *ANSWER,
        ("licence", pa.string()),
    ]
)

SCHEMA = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", MESSAGES),
        # qwen_vl_utils, through which verl reads images, takes a path and a bound on the area under these keys; without
        # the bound an image of 2,544 x 3,056 pixels is some 9,900 tokens, and verl's filter drops the row.
        ("images", pa.list_(pa.struct([("image", pa.string()), ("max_pixels", pa.int64())]))),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        ("extra_info", _EXTRA),
    ]
)

_SELECT = f"""
    select corpus || '/' || task as data_source,
           conversation(repeat('<image>', len(images)) || asked(mode, question)) as prompt,
           list_transform(images, lambda p: {{'image': p, 'max_pixels': $max_pixels}}) as images,
           'radiology' as ability, {{'style': 'rule', 'ground_truth': answer}} as reward_model,
           {{'split': split, 'index': $first + row_number() over (order by sample_id, copy) - 1,
             'sample_id': sample_id, 'mode': mode, 'task': task, 'question': question,
             'answer': answer, 'answer_text': answer_text, 'answer_findings': answer_findings,
             'options': {OPTIONS_SQL}, 'report': report,
             'reference': {REFERENCE_SQL}, 'licence': licence}} as extra_info
    from samples
"""

REWARD = '''"""The reward of every sample in this folder, by cxr's own functions.

    verl: custom_reward_function.path=reward.py custom_reward_function.name=compute_score
    with reward_model.reward_manager=batch: custom_reward_function.name=compute_scores

The second sees all completions of a step, so that a reasoning that could not be judged gets the mean of its group.
The process reward is `grounded`; +custom_reward_function.reward_kwargs.process_reward=factuality gives the paper's.

Needs cxr in the environment of the reward workers (`pip install cxr`); no GPU, no network.
"""

from functools import partial

from cxr.trainer.reward import verl

compute_score = partial(verl.compute_score, process_reward="grounded")
compute_scores = partial(verl.compute_scores, process_reward="grounded")
'''


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<split>-*.parquet` and `reward.py`."""
    (folder / "reward.py").write_text(REWARD, encoding="utf-8")
    select = _SELECT.replace("$max_pixels", str(settings.max_pixels))
    return write_shards(Slices(benchmark, settings, split), select, SCHEMA, folder)


FORMAT = ExportFormat(write)
