"""What an export is to hold."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.benchmark.settings import SPLITS, Mode
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import Names, StageSettings
from cxr.prompts.instructions import PAPER, read_instructions


def _check_instructions(name: str) -> str:
    try:
        read_instructions(name)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    return name


InstructionsName = Annotated[str, AfterValidator(_check_instructions)]
"""Those that are named in `cxr.prompts.instructions`, or a file of one's own."""


class ExportSettings(StageSettings):
    """How a benchmark is written in another format."""

    stage: ClassVar[str] = "export"
    model_config = SettingsConfigDict(env_prefix="CXR_EXPORT_", pyproject_toml_table_header=("export",))

    seed: int = 0
    splits: Names = SPLITS
    modes: Names = tuple(Mode)
    # How often a sample of each mode is taken: 2 twice, 0.25 every fourth, by a draw under the seed.
    mix: dict[Mode, float] = Field(default={Mode.ANSWER_ONLY: 1.0, Mode.REASONING: 1.0})
    image_roots: dict[str, str] = Field(default={})
    # How prompts ask: as the paper says, as the authors' published code does, or as a file of yours.
    instructions: InstructionsName = PAPER.name
    pixels: Literal["paths", "embed"] = "paths"
    # The area to which a reader of `verl` rows scales an image down, by default that of `cxr train`.
    max_pixels: int = Field(default=448 * 448, ge=56 * 56)
    shard_rows: int = Field(default=100_000, ge=1)


def parse_mix(given: Iterable[str]) -> dict[Mode, float]:
    """Read `reasoning=2`; raises SettingsError for anything else."""
    mix = {Mode.ANSWER_ONLY: 1.0, Mode.REASONING: 1.0}
    for text in given:
        mode, _, weight = text.partition("=")
        try:
            mix[Mode(mode)] = float(weight)
        except ValueError:
            raise SettingsError(f"export: --mix {text!r} cannot be read; expected e.g. reasoning=2") from None
        if not 0 <= mix[Mode(mode)] <= 100:
            raise SettingsError(f"export: --mix {text!r} is out of bounds; a weight is a number from 0 to 100")
    return mix


def parse_image_roots(given: Iterable[str]) -> dict[str, str]:
    """Read `mimic-cxr=/data/mimic`; a path alone holds for every corpus (under the key `*`)."""
    roots = {}
    for text in given:
        corpus, sign, path = text.partition("=")
        roots["*" if not sign else corpus] = path if sign else corpus
    return roots
