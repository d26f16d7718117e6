"""Doors: named things of one kind, ours by their name and anybody's own as `module:name`, loaded when asked for.

A room with something to add to (corpora, judges, engines, rewards, exports) keeps one `Door`. Callers open it by name
and never ask which one they got.
"""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Door(Generic[T]):
    """A registry that imports nothing until something behind it is wanted."""

    def __init__(self, kind: str, ours: Mapping[str, str]) -> None:
        """Take what is named (judge, engine, ...) and where each of ours is, as `module:name`."""
        self.kind = kind
        self._ours = dict(ours)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of ours, in their order."""
        return tuple(self._ours)

    def check(self, name: Any) -> str:
        """Return a name that can be opened; raises ValueError, as a setting's validator does, for any other."""
        if isinstance(name, str) and (name in self._ours or ":" in name):
            return name
        raise ValueError(f"expected {', '.join(map(repr, self._ours))}, or your own as module:name")

    def open(self, name: str) -> T:
        """Return what the name stands for; raises SettingsError where there is none."""
        # The command line lists the names of some doors: loading the errors takes longer than all else of `cxr --help`.
        from cxr.miner.kit.errors import SettingsError  # noqa: PLC0415

        try:
            module, _, attribute = self._ours.get(self.check(name), name).partition(":")
        except ValueError as error:
            raise SettingsError(f"unknown {self.kind} {name!r}; {error}") from None
        if name not in self._ours and str(Path.cwd()) not in sys.path:
            # Somebody's own lies where they work, and the installed `cxr` does not look there; last, it hides nothing.
            sys.path.append(str(Path.cwd()))
        try:
            found: T = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if name in self._ours:
                raise
            raise SettingsError(f"the {self.kind} {name!r} cannot be loaded: there is no module {error.name}") from None
        except AttributeError:
            raise SettingsError(f"the {self.kind} {name!r} cannot be loaded: {module} has no {attribute}") from None
        return found
