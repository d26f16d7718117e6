"""ms-swift: chats for `swift sft`, prompts with what rewards need for GRPO, and a plugin that gives our rewards."""

from collections.abc import Mapping
from pathlib import Path

from cxr.miner.export.card import short_card
from cxr.miner.export.chat import ASKED, FINE_TUNING, messages_sql, write_chats
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, Slices
from cxr.miner.export.settings import ExportSettings
from cxr.miner.export.sft import ORIGIN_SQL, answer_sql

# ms-swift hands every column that is none of its own to the rewards, by its name.
_GRPO = f"select {messages_sql('prompt')}, images, {answer_sql()}, {ORIGIN_SQL} from {ASKED}"

REWARD = '''"""cxr's rewards for ms-swift.

    --external_plugins reward.py --reward_funcs cxr_format cxr_accuracy cxr_process

Needs cxr in the environment of the training (`pip install cxr`); no GPU, no network.
"""

try:
    from swift.rewards import ORM, orms
except ImportError:  # before ms-swift 4
    from swift.plugin import ORM, orms

from cxr.trainer.reward.swift import reward_classes

orms.update(reward_classes(ORM, process_reward="grounded"))
'''

_HOW = """\
`sft/` is for supervised fine-tuning, `grpo/` for GRPO with cxr's rewards, by the plugin `reward.py`.
In this folder, with your own settings of training beside these:

```
export MAX_PIXELS={max_pixels}
swift sft --model Qwen/Qwen2-VL-7B-Instruct --dataset sft/train-*.jsonl --output_dir sft-run
swift rlhf --rlhf_type grpo --model sft-run/.../checkpoint-... --dataset grpo/train-*.jsonl \\
    --external_plugins reward.py --reward_funcs cxr_format cxr_accuracy cxr_process --reward_weights 1 1 1
```

Where image paths are relative, `ROOT_IMAGE_DIR` says what they are relative to. ms-swift opens images itself, with
Pillow: 16-bit files come out white, and DICOM not at all; `cxr train` reads both."""


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `sft/<split>-*.jsonl`, `grpo/<split>-*.jsonl` and `reward.py`."""
    (folder / "reward.py").write_text(REWARD, encoding="utf-8")
    slices = Slices(benchmark, settings, split)
    return [*write_chats(slices, FINE_TUNING, folder / "sft"), *write_chats(slices, _GRPO, folder / "grpo")]


def describe(benchmark: Benchmark, folder: Path, _: Mapping[str, str], settings: ExportSettings) -> None:
    """Write `README.md`: what it is, under which licence, and the commands that read it."""
    how = _HOW.format(max_pixels=settings.max_pixels)
    (folder / "README.md").write_text(short_card(benchmark.manifest, how), encoding="utf-8")


FORMAT = ExportFormat(write, describe=describe)
