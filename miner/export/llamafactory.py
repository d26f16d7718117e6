"""LLaMA-Factory: chats for supervised fine-tuning, and the `dataset_info.json` that names them."""

import re
from collections.abc import Mapping
from pathlib import Path

from cxr.miner.benchmark.manifest import write_json
from cxr.miner.export.card import short_card
from cxr.miner.export.chat import FINE_TUNING, write_chats
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, Slices
from cxr.miner.export.settings import ExportSettings

# What its loader calls the OpenAI way of sharegpt. A tag that is not named here is none, not its default.
_LAYOUT = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages", "images": "images"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}

_HOW = """\
For supervised fine-tuning; LLaMA-Factory has no GRPO. In this folder, with your own settings of training beside these:

```
llamafactory-cli train --stage sft --do_train --finetuning_type full --model_name_or_path Qwen/Qwen2-VL-7B-Instruct \\
    --template qwen2_vl --dataset_dir . --dataset {dataset} --image_max_pixels {max_pixels} --cutoff_len 2048 \\
    --output_dir sft-run
```

Where image paths are relative, `--media_dir` says what they are relative to. LLaMA-Factory opens images itself, with
Pillow: 16-bit files come out white, and DICOM not at all; `cxr train` reads both."""


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<split>/<split>-*.jsonl`."""
    return write_chats(Slices(benchmark, settings, split), FINE_TUNING, folder / split)


def describe(benchmark: Benchmark, folder: Path, hashes: Mapping[str, str], settings: ExportSettings) -> None:
    """Write `dataset_info.json`, with a data set for each split, and `README.md`."""
    # Commas part the names on its command line.
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", benchmark.manifest.name)
    splits = list(dict.fromkeys(Path(file).parts[0] for file in hashes))
    write_json(folder / "dataset_info.json", {f"{name}_{split}": {"file_name": split, **_LAYOUT} for split in splits})
    how = _HOW.format(dataset=f"{name}_{splits[0]}", max_pixels=settings.max_pixels)
    (folder / "README.md").write_text(short_card(benchmark.manifest, how), encoding="utf-8")


FORMAT = ExportFormat(write, describe=describe)
