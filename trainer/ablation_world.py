"""What the ablation's variants share: a store with its benchmark and exports, and the base model."""

from pathlib import Path

from miner.errors import SettingsError
from trainer.ablation import World
from trainer.data import find_source
from trainer.phantom.world import make_world
from trainer.settings import GRPOSettings, SFTSettings

TINY = "tiny"


def find_world(
    output: Path, preset: str, data: Path | None, model: str | None, given: tuple[str, ...], *, dry_run: bool
) -> World:
    """Give the world of an ablation; for the preset tiny phantoms and a random model are made where none are given.

    Raises SettingsError where another preset comes without data or model.
    """
    if preset != TINY and (data is None or model is None):
        raise SettingsError(f"the preset {preset} needs --data (a store with scored chains) and --model (the base model)")
    if not dry_run:
        output.mkdir(parents=True, exist_ok=True)
    store, benchmark = data, output / "data" / "benchmark"
    exports = {stage: output / "data" / stage for stage in ("sft", "grpo")}
    base = model
    if data is None or model is None:
        folder = output / "phantom"
        world = folder if dry_run else make_world(folder)
        base = model or str(folder / "model")
        if data is None:
            store, benchmark = folder / "phantom.duckdb", folder / "benchmark"
            exports = {stage: folder / stage for stage in ("sft", "grpo")}
        del world
    if data is not None and not dry_run:
        settings = {"sft": SFTSettings.from_preset(preset, data, {}), "grpo": GRPOSettings.from_preset(preset, data, {})}
        for stage, of_stage in settings.items():
            find_source(data, stage, output / "data", of_stage)
    assert store is not None and base is not None  # noqa: S101, PT018 - one of the two cases above
    return World(base, store, benchmark, exports, output, preset, given)


def predict_options(preset: str) -> list[str]:
    """Give what `cxr predict` has to know of a preset: how long a completion may be, and how large an image."""
    settings = GRPOSettings.from_preset(preset, Path("cxr.duckdb"), {})
    return ["--max-new-tokens", str(settings.max_completion_length), "--max-pixels", str(settings.max_pixels)]
