"""The version of the readers of corpora: what their files become."""

from functools import cache

from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.language.version import sections_version
from cxr.miner.pack.corpora import corpora


@cache
def files_version() -> str:
    """Return twelve hexadecimal digits that stand for what decides over the rows of a corpus.

    That is the code that reads files and cuts reports into sections, and what the pack knows of corpora.
    """
    known = {slug: corpus.model_dump(mode="json") for slug, corpus in corpora().items()}
    return digest("files", code_digest("cxr.miner.ingest"), sections_version(), known, length=12)
