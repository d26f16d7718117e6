"""The judges by their names. A new one is a file with an opener, and a line here (CONTRIBUTING.md, "A judge")."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cxr.miner.judge.protocol import Judge
from cxr.miner.kit.doors import Door

if TYPE_CHECKING:
    # Server libraries load with the judges that ask a server only: the rules judge has to be there at once.
    from cxr.miner.judge.settings import JudgedSettings
    from cxr.miner.llm.books import Books

Opener = Callable[["JudgedSettings", "Books"], AbstractContextManager[Judge]]

JUDGES: Door[Opener] = Door(
    "judge", {"rules": "cxr.miner.judge.rules:open_rules", "llm": "cxr.miner.judge.llm:open_llm"}
)

check_name = JUDGES.check


def open_judge(settings: "JudgedSettings", books: "Books") -> AbstractContextManager[Judge]:
    """Open the judge that the settings name; what it asks of a server is written into `books`.

    Raises SettingsError for a judge that does not exist and for a server without a model or key, PolicyError where
    the text may not go there, before anything is sent.
    """
    return JUDGES.open(settings.judge)(settings, books)
