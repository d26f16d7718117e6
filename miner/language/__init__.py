"""The clinical language layer: text to findings in normal form, with exact places."""

from cxr.miner.language.analysis import Analysis, Mention, analyse
from cxr.miner.language.lexicon import Concept, Lexicon, LexiconError, load_lexicon
from cxr.miner.language.statements import Statement, read_finding, read_statement

__all__ = [
    "Analysis",
    "Concept",
    "Lexicon",
    "LexiconError",
    "Mention",
    "Statement",
    "analyse",
    "load_lexicon",
    "read_finding",
    "read_statement",
]
