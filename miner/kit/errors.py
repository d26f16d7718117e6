"""What can go wrong, as a tree; the message of each is one sentence: found, expected, what to try.

CxrError
├── InputError          a file, folder or record that cannot be used (also a ValueError)
├── SettingsError       an option or configuration value that cannot be used (also a ValueError)
├── PackError           a file of a pack is missing, or says what cannot be used
├── StoreError          the DuckDB file cannot be opened, read or migrated
│   └── StoreLocked     another process is writing to it
├── PolicyError         report text would go where its licence does not allow
├── EngineStopped       a permanent error of an engine: no later question can succeed
├── BudgetReached       the next call would exceed --max-usd or --max-calls; the command line exits with 3
└── MiningReject        one question cannot be mined; carries the reason for the `rejects` table
    └── BadRecord       one record of a file cannot be used
"""

from cxr.schemas.vocabulary import RejectReason


class CxrError(Exception):
    """The root: the command line prints it as one sentence and exits with 1."""


class InputError(CxrError, ValueError):
    """A file, folder or record that cannot be used."""


class SettingsError(CxrError, ValueError):
    """An option or configuration value that cannot be used; the command line exits with 2."""


class PackError(CxrError):
    """A file of a pack is missing, or says what cannot be used; the message names file, entry and what to change."""


class StoreError(CxrError):
    """The DuckDB file cannot be opened, read or migrated."""


class StoreLocked(StoreError):
    """Another process holds the store for writing."""


class PolicyError(CxrError):
    """Report text would go where its licence does not allow."""


class EngineStopped(CxrError):
    """A permanent error: no later question can succeed, so the run stops."""


class BudgetReached(CxrError):
    """The next call would cost more than the user allows; the command line exits with 3."""


class MiningReject(CxrError):
    """One question that cannot become a chain, and why."""

    def __init__(self, reason: RejectReason, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.kind = kind
        """What is the same of several such questions: the message without what is one question's own."""


class BadRecord(MiningReject):
    """A line or record of a file that cannot be used, and why."""
