"""How fast `cxr predict` is with a local model, and how busy it keeps the device.

    python benchmarks/prediction.py                                  # a tiny random model, invented pictures
    python benchmarks/prediction.py --model Qwen2-VL-7B-Instruct/ --samples 512 --batch 32 --max-pixels 200704

Pictures are drawn once, as large JPEG files, because decoding them is what a device has to wait for. Each row is one
run over all samples: with `ahead` 0 a batch is prepared when the device is idle, with 2 while it writes the batches
before. `busy` is the share of the time between the first batch and the last in which the model wrote.
"""

import json
import tempfile
from argparse import Namespace
from itertools import cycle, product
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.kit import parser
from cxr.miner.benchmark.settings import Mode
from cxr.trainer.models.tiny import build_tiny
from cxr.trainer.phantom import draw, draw_lots
from cxr.trainer.predict.local import LocalModel
from cxr.trainer.predict.samples import Request, ShownSample
from cxr.trainer.predict.settings import PredictSettings
from cxr.trainer.predict.speed import Speed


def pictures(folder: Path, count: int, side: int) -> list[str]:
    """Draw invented chest images with the grain of a detector, slow to decode like real ones."""
    made = []
    for number in range(count):
        rng = np.random.default_rng(number)
        clean = np.asarray(draw(draw_lots(rng), rng, 256).resize((side, side)), dtype=np.float32)
        grainy = np.clip(clean + rng.normal(0, 6, clean.shape), 0, 255).astype(np.uint8)
        path = folder / f"{number}.jpg"
        Image.fromarray(grainy).save(path, quality=95)
        made.append(str(path))
    return made


def measure(model: str, asked: list[Request], settings: PredictSettings) -> Speed:
    loaded = LocalModel(model, settings, speed=Speed())
    # The first batch pays for kernels and caches that all others find made.
    for _ in loaded.predict(asked[: settings.batch]):
        pass
    fresh = loaded.speed = Speed()
    for _ in loaded.predict(asked):
        pass
    fresh.stop()
    return fresh


def main() -> None:
    given = parse()
    if given.threads:
        torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        if given.model is None:
            given.model = str(Path(folder) / "tiny")
            build_tiny(Path(given.model))
        files = cycle(pictures(Path(folder), given.pictures, given.side))
        about = (Mode.REASONING, "binary", "phantom", "public", "Does this chest X-ray show pleural effusion?")
        shown = (ShownSample(str(number), *about, (next(files),)) for number in range(given.samples))
        asked = [Request(sample, sample.mode) for sample in shown]
        if not given.json:
            print(f"{'batch':>5} {'ahead':>5} {'samples/s':>10} {'tokens/s':>9} {'busy':>6} {'GPU %':>6}")
        for batch, ahead in product(given.batch, given.ahead):
            settings = PredictSettings(
                batch=batch, prefetch=ahead, workers=given.workers, max_completion_tokens=given.max_new_tokens,
                max_pixels=given.max_pixels,
            )  # fmt: skip
            told = measure(given.model, asked, settings).numbers()
            if given.json:
                print(json.dumps({"batch": batch, "ahead": ahead, **told}))
                continue
            gpu = "" if told["gpu_percent"] is None else f"{told['gpu_percent']:.0f}"
            rates = f"{told['samples_per_s']:10.1f} {told['tokens_per_s']:9,.0f} {told['busy_share']:6.0%}"
            print(f"{batch:5} {ahead:5} {rates} {gpu:>6}")


def parse() -> Namespace:
    options = parser(__doc__)
    options.add_argument("--model", help="a model folder; default: a tiny random one")
    options.add_argument("--samples", type=int, default=24)
    options.add_argument("--pictures", type=int, default=16, help="different picture files")
    options.add_argument("--side", type=int, default=1500, help="their width and height")
    options.add_argument("--max-pixels", type=int, help="what the model is shown; default: as its processor says")
    options.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    options.add_argument("--ahead", type=int, nargs="+", default=[0, 2])
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--max-new-tokens", type=int, default=64)
    options.add_argument("--threads", type=int, help="torch's threads on a processor")
    options.add_argument("--json", action="store_true", help="a JSON object a line instead of a table")
    return options.parse_args()


if __name__ == "__main__":
    main()
