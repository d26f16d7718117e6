"""The corpora by their names. A new one is a file with a `Reader`, and a line here (CONTRIBUTING.md, "A corpus")."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from cxr.miner.kit.doors import Door

if TYPE_CHECKING:
    from cxr.miner.ingest.corpus import Reader

CORPORA: "Door[Reader]" = Door(
    "corpus",
    {
        "openi": "cxr.miner.ingest.openi.reader:CORPUS",
        "mimic-cxr": "cxr.miner.ingest.mimic.reader:CORPUS",
        "ms-cxr-t": "cxr.miner.ingest.mimic.ms_cxr_t:CORPUS",
        "chexpert": "cxr.miner.ingest.chexpert.reader:CORPUS",
        "chexpert-plus": "cxr.miner.ingest.chexpert.plus:CORPUS",
        "rsna": "cxr.miner.ingest.kaggle.rsna:CORPUS",
        "siim": "cxr.miner.ingest.kaggle.siim:CORPUS",
        "csv": "cxr.miner.ingest.csv.own:CORPUS",
    },
)

_PACKS = Path(__file__).parents[1] / "pack"


def about(name: str) -> str:
    """Return what the command of a corpus says of itself.

    Where a pack knows the corpus, that one word is read and nothing loaded: `cxr ingest --help` has to be instant.
    """
    known = next(_PACKS.glob(f"*/corpora/{name}.toml"), None)
    return CORPORA.open(name).about if known is None else str(tomllib.loads(known.read_text("utf-8"))["about"])
