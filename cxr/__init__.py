"""Mine radiologists' reasoning out of reports, train vision-language models on it, and evaluate them.

The public face (docs/python.md). Importing it loads nothing: tables, servers and models load with what is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets
    import polars as pl

    from cxr.miner.judge.radrscore import ScoredReasoning
    from cxr.miner.store import Store
    from cxr.schemas import Finding, JudgedFinding

    __version__: str

__all__ = ["OpenStore", "__version__", "judge", "label", "open_store", "radrscore", "read"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("cxr")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def read(text: str) -> "list[Finding]":
    """Return what a text asserts: findings in normal form, each once, with its span in the text, in text order."""
    from cxr.miner.judge import RulesJudge

    return RulesJudge().extract(text)


def label(report: str) -> dict[str, int | None]:
    """Return the labels of a report by their names: 1 present, 0 absent, -1 uncertain, None not mentioned."""
    from cxr.miner.language.labeler import label as label_report

    return {str(name): value for name, value in label_report(report).items()}


def judge(
    report: str, findings: "Sequence[Finding | Mapping[str, str] | str]", *, entailment: str = "rubric"
) -> "list[JudgedFinding]":
    """Return what the report says of each finding, in order: verdict, reason, and the words that decided it.

    A finding is a `Finding`, a mapping with `observation` and, if there is one, `status`, or words alone, which are
    taken as present. The rules judge answers, by the rubric, or granting what a `radiologist` would.
    """
    from cxr.miner.judge import RulesJudge

    return RulesJudge(entailment).verdicts(report, [_finding(given) for given in findings])


def radrscore(
    prediction: "str | Sequence[Finding | Mapping[str, str] | str]",
    reference: "str | Sequence[Finding | Mapping[str, str] | str]",
    report: str,
    *,
    entailment: str = "rubric",
) -> "ScoredReasoning":
    """Return RadRScore of a reasoning against a reference reasoning and the report, finding by finding.

    Either side is a text or a list of findings. `.score` has factuality, completeness, effectiveness and their mean
    (paper, section 2); a share of nothing counts 0. The rules judge answers, as in `judge`.
    """
    from cxr.miner.judge import RulesJudge
    from cxr.miner.judge.radrscore import score_reasoning

    return score_reasoning(_side(prediction), _side(reference), report, RulesJudge(entailment))


@contextmanager
def open_store(path: str | Path) -> "Iterator[OpenStore]":
    """Open a store for reading, in a `with`; any number of readers can do so at once.

    Raises StoreError where there is none, StoreLocked while a command writes to it.
    """
    from cxr.miner.store import Store

    with Store.read(Path(path)) as store:
        yield OpenStore(store)


class OpenStore:
    """A store that is open for reading."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def sql(self, query: str, parameters: Sequence[object] | Mapping[str, object] | None = None) -> "pl.DataFrame":
        """Return the rows of a query; values are bound to `?` or `$name` (docs/store.md has the tables and views)."""
        return self._store.frame(query, parameters)

    def to_dataset(self, kind: str, *, split: str = "train", **settings: object) -> "datasets.Dataset":
        """Return a `datasets.Dataset` (needs cxr[train]).

        `sft` and `grpo` are what `cxr train` reads, of one split, with the settings of `cxr bench compile` by their
        names; any other kind is a table or view of the store, such as `factual_chains`, whole. Raises SettingsError
        for a kind that does not exist, InputError where there is nothing of it.
        """
        from cxr.trainer.train.datasets import dataset_of

        return dataset_of(self._store, kind, split, settings)


def _side(given: "str | Sequence[Finding | Mapping[str, str] | str]") -> "str | list[Finding]":
    return given if isinstance(given, str) else [_finding(one) for one in given]


def _finding(given: "Finding | Mapping[str, str] | str") -> "Finding":
    from cxr.schemas import Finding

    if isinstance(given, Finding):
        return given
    if isinstance(given, str):
        return Finding(observation=given, status="present")
    return Finding(observation=given["observation"], status=given.get("status", "") or "")
