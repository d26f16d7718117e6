"""The version of the readers of corpora: what their files become."""

from functools import cache

from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.language.version import sections_version


@cache
def files_version() -> str:
    """Return twelve hexadecimal digits that stand for the code that reads files and cuts reports into sections."""
    return digest("files", code_digest("cxr.miner.ingest"), sections_version(), length=12)
