"""What the ablation's variants share: a store with its benchmark and exports, and the base model."""

from pathlib import Path

from cxr.miner.kit.errors import SettingsError
from cxr.trainer.phantom.pipeline import PhantomExports
from cxr.trainer.phantom.world import make_world
from cxr.trainer.train.ablation import World
from cxr.trainer.train.data import find_export
from cxr.trainer.train.settings import GRPOSettings, SFTSettings


def find_world(output: Path, preset: str, data: Path | None, model: str | None, given: tuple[str, ...]) -> World:
    """Say where the world of an ablation is, or will be once `make` has made it.

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


def make(world: World) -> None:
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
