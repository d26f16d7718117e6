"""By which versions labels, chains and scores would be made now."""

from collections.abc import Iterable, Mapping

from cxr.miner.judge import JUDGES
from cxr.miner.language.labeler import LABELER
from cxr.miner.language.version import reader_version
from cxr.miner.mine.engines import ENGINES
from cxr.miner.store.stale import Versions


def versions_now(makers: Mapping[str, Iterable[str]]) -> Versions:
    """Return the present version of each maker of ours; others are left out. Loads no engine or judge but these."""
    engines, judges = set(makers.get("chains", ())), set(makers.get("scores", ()))
    return {
        "labels": {LABELER: reader_version()},
        "chains": {name: ENGINES.open(name).version for name in ENGINES.names if name in engines},
        "scores": {name: JUDGES.open(name).code_version() for name in JUDGES.names if name in judges},
    }
