"""The paper's ablation (section 3.3, Fig. 5): six ways of training one model, predicted and evaluated alike.

Each step is a command line of `cxr` that anybody could type, run in a process of its own; what is finished is not
done again, so a run that was stopped goes on.
"""

import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cxr.miner.benchmark.settings import Mode
from cxr.miner.kit.console import say
from cxr.miner.kit.errors import CxrError, SettingsError
from cxr.miner.kit.files import whole_file
from cxr.schemas.base import Frozen
from cxr.schemas.measures import MEAN
from cxr.trainer.phantom.world import PhantomExports, make_world
from cxr.trainer.train.data import find_export
from cxr.trainer.train.run import FINAL
from cxr.trainer.train.run_record import read_record
from cxr.trainer.train.settings import PRESETS, GRPOSettings, SFTSettings

COMPARED = ("factuality", "completeness", "effectiveness", "radrscore", "accuracy")


class Published(Frozen):
    """What the paper reports of a variant; None where it does not."""

    radrscore: float | None = None
    accuracy: float | None = None
    derived: bool = Field(default=False, description="computed from a relative improvement that the text gives")


class Variant(Frozen):
    """One way of training: a stage, where it starts, and what it changes."""

    name: str
    model: str = Field(description="the folder of its run")
    stage: Literal["sft", "grpo"]
    start: str | None = Field(default=None, description="the variant whose model it starts from; None: the base model")
    settings: dict[str, str | list[str]]
    paper: Published = Published()


@dataclass(frozen=True)
class World:
    """What all variants share."""

    base: str
    store: Path
    benchmark: Path
    exports: Mapping[str, Path]
    output: Path
    preset: str
    given: tuple[str, ...] = ()
    """`--set` of the user, each with its stage: `sft.steps=100`."""


def find_world(output: Path, preset: str, data: Path | None, model: str | None, given: tuple[str, ...]) -> World:
    """Say where the world of an ablation is, or will be once `make_shared` has made it.

    The preset tiny draws phantoms, with a random model, where no data are given. Raises SettingsError where another
    preset comes without data or model.
    """
    if data is None and model is None and preset == "tiny":
        folder = output / "phantom"
        data, model, made = PhantomExports.inside(folder).store, str(folder / "model"), folder
    elif data is None or model is None:
        raise SettingsError(
            f"the preset {preset} needs --data (a store with scored chains) and --model (the base model); the preset "
            "tiny alone draws phantoms where neither is given"
        )
    else:
        made = output / "data"
    exports = {"sft": made / "sft", "grpo": made / "grpo"}
    return World(model, data, made / "benchmark", exports, output, preset, given)


def make_shared(world: World) -> None:
    """Draw the phantoms, or compile and export the store, unless a run that was stopped has done so."""
    made = world.benchmark.parent
    if made.name == "phantom":
        make_world(made)
        return
    made.mkdir(parents=True, exist_ok=True)
    for stage in (SFTSettings, GRPOSettings):
        find_export(world.store, made, stage.from_preset(world.preset, world.store, {}))


def predict_options(preset: str) -> list[str]:
    """Return what `cxr predict` has to know of a preset: how long a completion may be, and how large an image."""
    settings = GRPOSettings.from_preset(preset, Path("cxr.duckdb"), {})
    return ["--max-new-tokens", str(settings.max_completion_length), "--max-pixels", str(settings.max_pixels)]


def read_variants() -> list[Variant]:
    """Read `presets/ablation.toml`, in the order in which they have to be trained."""
    told = tomllib.loads(PRESETS.joinpath("ablation.toml").read_text("utf-8"))
    return [Variant.model_validate(variant) for variant in told["variant"]]


def train_command(variant: Variant, world: World) -> list[str]:
    """Return the command that trains a variant, or goes on with it."""
    model = world.base if variant.start is None else str(world.output / variant.start / FINAL)
    words = ["train", variant.stage, "--preset", world.preset, "--model", model]
    words += ["--data", str(world.exports[variant.stage]), "-o", str(world.output / variant.model)]
    for name, value in variant.settings.items():
        words += ["--set", f"{name}={value if isinstance(value, str) else ','.join(value)}"]
    for text in world.given:
        stage, _, setting = text.partition(".")
        if stage == variant.stage:
            words += ["--set", setting]
    return [*words, "--existing", "resume", "--db", str(world.store)]


def predict_command(variant: Variant, world: World, more: Iterable[str] = ()) -> list[str]:
    """Return the command that asks a variant everything, with reasoning."""
    model = str(world.output / variant.model / FINAL)
    words = ["predict", str(world.benchmark), "--model", model, "--mode", Mode.REASONING, "--name", variant.model]
    return [*words, "-o", str(world.output / f"{variant.model}.jsonl"), "--db", str(world.store), *more]


def run_ablation(world: World, predict_options: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Train, predict and evaluate the six variants; give a row for each, in the paper's order.

    Raises CxrError where a step fails; what was finished is kept, and the same command goes on.
    """
    done = read_variants()
    for number, variant in enumerate(done, start=1):
        if read_record(world.output / variant.model).get("exit") != "done":
            say(f"variant {number} of {len(done)}, {variant.name}: training")
            _cxr(train_command(variant, world))
        say(f"variant {number} of {len(done)}, {variant.name}: predicting")
        _cxr(predict_command(variant, world, predict_options))
    evaluation = world.output / "evaluation.json"
    _cxr(["evaluate", str(world.benchmark), "--format", "json", "-o", str(evaluation), "--db", str(world.store)])
    rows = rows_of(json.loads(evaluation.read_text(encoding="utf-8")), done)
    with whole_file(world.output / "ablation.json") as out:
        out.write(json.dumps(rows, indent=1) + "\n")
    return rows


def rows_of(evaluated: Sequence[Mapping[str, Any]], done: Sequence[Variant]) -> list[dict[str, Any]]:
    """Return each variant its measures over all tasks, and what the paper reports of it."""
    means = {row["model"]: row for row in evaluated if row["task"] == MEAN and row["mode"] == Mode.REASONING}
    return [
        {
            "variant": variant.name,
            "n": means[variant.model]["n"],
            # Over tasks the outcome is accuracy, and the finding F1 of open answers.
            **{name: means[variant.model]["outcome" if name == "accuracy" else name] for name in COMPARED},
            "paper": variant.paper.model_dump(),
        }
        for variant in done
        if variant.model in means
    ]


def order_agreement(rows: Sequence[Mapping[str, Any]], measure: str) -> tuple[int, int]:
    """Count the pairs of variants that we order as the paper does, of those that it reports a difference for."""
    reported = [
        (row[measure]["value"], row["paper"][measure])
        for row in rows
        if row["paper"].get(measure) is not None and row[measure]["value"] is not None
    ]
    pairs = [(ours, theirs) for ours, theirs in combinations(reported, 2) if ours[1] != theirs[1]]
    return sum((one[0] - other[0]) * (one[1] - other[1]) > 0 for one, other in pairs), len(pairs)


def table_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return Fig. 5 as columns and rows of text: ours with intervals, the paper's beside them."""
    columns = ["variant", "n", *COMPARED, "paper: radrscore", "paper: accuracy"]
    lines = []
    for row in rows:
        paper, sign = row["paper"], "~" if row["paper"]["derived"] else ""
        theirs = ("" if paper[name] is None else f"{sign}{paper[name]:.3f}" for name in ("radrscore", "accuracy"))
        ours = (_with_interval(row[name]) for name in COMPARED)
        lines.append([row["variant"], f"{row['n']:,}", *ours, *theirs])
    return columns, lines


def _with_interval(estimate: Mapping[str, float | None]) -> str:
    if estimate["value"] is None:
        return ""
    if estimate["low"] is None or estimate["high"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f}-{estimate['high']:.3f})"


def _cxr(arguments: Sequence[str]) -> None:
    """Run one of our own commands; raises CxrError where it fails. Rejects (4) are told, and no failure."""
    program = str(Path(sys.executable).with_name("cxr"))
    code = subprocess.run([program, *arguments], check=False, stdout=subprocess.DEVNULL).returncode  # noqa: S603
    if code not in {0, 4}:
        raise CxrError(
            f"`{shlex.join(['cxr', *arguments])}` ended with exit code {code}; mend what it says, and the same "
            "ablation goes on from there"
        )
