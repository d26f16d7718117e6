"""`cxr phantom`: invented images to try everything on."""

from pathlib import Path
from typing import Annotated

import typer


def phantom(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    studies: Annotated[int, typer.Option(help="How many studies; half of the patients have two.", min=1)] = 2500,
    seed: Annotated[int, typer.Option(help="Names the draw; the same seed draws the same phantoms.", min=0)] = 0,
    pixels: Annotated[int, typer.Option(help="Width and height of the images.")] = 96,
    world: Annotated[
        bool, typer.Option("--world", help="Mine and export them too, and make a tiny random model to train.")
    ] = False,
    family: Annotated[str, typer.Option(help="Of that model: qwen2_vl, qwen2_5_vl or qwen3_vl.")] = "qwen3_vl",
) -> None:
    """Draw invented images with invented reports: a world small enough for a tiny model to learn.

    They look like images of patients to nobody, and nothing measured on them says anything about patients.
    """
    from cxr.miner.kit.console import say

    if world:
        from cxr.trainer.phantom.world import make_world

        made = make_world(output, studies=studies, seed=seed, family=family, pixels=pixels)
        say(f"{output} holds phantoms, store, benchmark and exports, and a random {family} model. Worth typing next:")
        run = output / "run"
        say(f"  cxr train sft --preset tiny --model {made.model} --data {made.exports.sft} -o {run}-sft")
        say(f"  cxr train grpo --preset tiny --model {run}-sft/final --data {made.exports.grpo} -o {run}-grpo")
        return
    from cxr.trainer.phantom.corpus import write_phantom

    corpus = write_phantom(output, studies, seed, size=pixels)
    say(f"{corpus.studies:,} invented studies of {corpus.patients:,} patients in {output}; worth typing next:")
    say(f"  cxr ingest csv {corpus.csv} --name phantom --licence public")
