"""The judges by their names. A new one is a file with a class, and a line here (CONTRIBUTING.md, "A judge")."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from cxr.miner.judge.protocol import Judge
from cxr.miner.kit.doors import Door

if TYPE_CHECKING:
    # Server libraries load with the judges that ask a server only: the rules judge has to be there at once.
    from cxr.miner.judge.settings import JudgedSettings
    from cxr.miner.llm.books import Books


class JudgeClass(Protocol):
    """What stands behind a judge's name: its class, with these two class methods."""

    def open(self, settings: "JudgedSettings", books: "Books") -> AbstractContextManager[Judge]:
        """Open the judge; what it asks of a server is written into `books`."""

    def code_version(self) -> str:
        """Return what the version of every such judge ends with: rows with another end are by an older one."""


JUDGES: Door[JudgeClass] = Door(
    "judge",
    {
        "rules": "cxr.miner.judge.rules:RulesJudge",
        "llm": "cxr.miner.judge.llm:LLMJudge",
        "cascade": "cxr.miner.judge.cascade:CascadeJudge",
        "rules+encoder": "cxr.trainer.learned.judge:RulesAndEncoder",  # an extra, which no stage asks by itself
    },
)

check_name = JUDGES.check


def open_judge(settings: "JudgedSettings", books: "Books") -> AbstractContextManager[Judge]:
    """Open the judge that the settings name.

    Raises SettingsError for a judge that does not exist and for a server without a model or key, PolicyError where
    the text may not go there, before anything is sent.
    """
    return JUDGES.open(settings.judge).open(settings, books)
