"""Every command of `cxr`, those that only read included: the table over which sockets are counted.

What writes comes from `writers.py`; the rest stands here. A command that joins `cxr` joins one of the two tables:
`test_sockets.py` fails for one that is in neither.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.benchmarks_world import rows, run_cxr
from tests.chaos.writers import WRITERS, make_states, words_of
from tests.prediction_world import write_picture
from tests.predictions_world import lines, samples_of, write_jsonl

SERVER = "{server}"
"""Stands in a command for the address of a server on this machine."""
QUESTION = "{question}"
"""Stands for the id of a question of the store."""
OTHER = "{other}"
"""Stands for the licence that the store does not have."""
ELSEWHERE = "http://models.invalid/v1"
Words = tuple[str, ...]
SENTENCES = frozenset({0, 4})
_STUDIES = 24


@dataclass(frozen=True)
class Command:
    """A command, the state that it begins in, and how it may end."""

    words: Words
    begins: str
    codes: frozenset[int] = SENTENCES
    before: tuple[Words, ...] = ()
    """Commands that are run first, and counted as well."""
    trains: bool = False
    """It imports torch, which takes seconds: not in the suite."""
    closed: bool = False
    """It is refused where the corpus is credentialed."""

    @property
    def name(self) -> str:
        """The command's own words."""
        return words_of(self.words)

    @property
    def asks(self) -> bool:
        """Whether a server on this machine was named."""
        return any(SERVER in words for words in (self.words, *self.before))

    def lines(self, there: Mapping[str, str]) -> list[list[str]]:
        """Give the command lines to be run, with what is there put into them."""
        return [[there.get(word, word) for word in words] for words in (*self.before, self.words)]


EXPORTED = ("grpo", "hf", "verl", "llamafactory", "radrbench", "label-studio")
"""Formats that are not in the table of what writes: they are written in the same way."""

_ASKED = ("--base-url", SERVER, "--price", "1,1")
_JUDGED = ("--judge", "llm", "--judge-model", "scripted", *_ASKED)
_MINED = ("mine", "--engine", "llm", "--model", "scripted", *_ASKED)
_BATCH = (*_MINED, "--limit", "2", "--batch")
_PREDICTED = ("predict", "bench", "--model", "scripted", *_ASKED, "-o", "told.jsonl", "--limit", "2")
_REVIEW = ("review", "--sample", "4", "--readers", "r1,r2", "--no-serve")
_TINY = ("--preset", "tiny", "--model", "tiny", "--set", "steps=1", "--set", "threads=1",
         "--set", "global_batch=4", "--set", "device_batch=4", "--set", "warmup=0")  # fmt: skip
_GROUPS = ("--set", "group=2", "--set", "max_completion_length=80")
_REFUSED = frozenset({1})
_HERE_OR_NOT = frozenset({0, 1})
"""What it needs, DuckDB's shell or an extra of ours, is installed, or that is said."""

OTHERS: tuple[Command, ...] = (
    Command(("demo",), "files"),
    Command(("licence", "invented", OTHER, "--signed-by", "A. Researcher", "--i-am-allowed", "a test"), "ingested"),
    Command(("images", "check"), "ingested"),
    Command(("status",), "scored"),
    Command(("sql", "select count(*) from chains"), "scored"),
    Command(("show", QUESTION), "scored"),
    Command(("ui",), "scored", _HERE_OR_NOT),
    Command(("ui", "--browser"), "scored", _HERE_OR_NOT),
    Command(("audit",), "mimic-cxr", before=(("ingest", "mimic-cxr", ".", "--label"),)),
    Command(("bench", "verify", "bench"), "compiled"),
    Command(("bench", "leakage"), "scored"),
    *(Command(("export", form, "bench", "-o", "out"), "compiled") for form in EXPORTED),
    Command(_REVIEW, "scored"),
    Command(("review", "status"), "scored", before=(_REVIEW,)),
    Command(("review", "export", "reviews.jsonl"), "scored", before=(_REVIEW,)),
    Command(("review", "close"), "scored", before=(_REVIEW,)),
    Command(("prompts", "list"), "files"),
    Command(("prompts", "show", "plan"), "files"),
    Command(("prompts", "diff", "plan.v1", "whole.v1"), "files"),
    Command(("agreement", "gold.jsonl", "judged.jsonl"), "agreement"),
    Command(("agreement", "--reviews"), "scored"),
    Command(("phantom", "phantoms", "--studies", "12", "--pixels", "56"), "files"),
    Command(("evaluate", "bench"), "by two models"),
    Command(("evaluate", "--from-counts", "counts.csv"), "counts"),
    Command(("compare", "oracle", "other", "--benchmark", "bench"), "by two models", before=(("evaluate", "bench"),)),
    Command(("doctor", "--model", "scripted", *_ASKED), "files"),
    # What asks a server asks the one that it was given, and nobody else.
    # What the scripted model says fits no question of this store: twelve calls are paid, and then the run ends.
    Command(_MINED, "asked", codes=SENTENCES | {1}),
    Command(("batch", "status"), "asked", before=(_BATCH,)),
    Command(("batch", "collect"), "asked", before=(_BATCH,)),
    Command(("batch", "cancel"), "asked", before=(_BATCH,)),
    Command(("score", *_JUDGED), "mined"),
    Command(("judge", "in.jsonl", "-o", "out.jsonl", *_JUDGED), "judge"),
    Command(("radrscore", "in.jsonl", "-o", "out.jsonl", *_JUDGED), "radrscore"),
    Command(("evaluate", "bench", *_JUDGED), "by two models"),
    Command(_PREDICTED, "compiled"),
    # Credentialed text goes to no other machine: nobody is even looked up.
    *(
        Command(tuple(ELSEWHERE if word == SERVER else word for word in words), begins, _REFUSED, closed=True)
        for words, begins in (
            (_MINED, "asked"), (_BATCH, "asked"), (("score", *_JUDGED), "mined"), (_PREDICTED, "compiled"),
            (("evaluate", "bench", *_JUDGED), "by two models"),
            (("judge", "in.jsonl", "-o", "out.jsonl", *_JUDGED), "judge"),
            (("radrscore", "in.jsonl", "-o", "out.jsonl", *_JUDGED), "radrscore"),
        )
    ),
    Command(("train", "sft", "--data", "sft", "-o", "run", *_TINY), "trainable", trains=True),
    Command(("train", "grpo", "--data", "grpo", "-o", "run", *_TINY, *_GROUPS), "trainable", trains=True),
    Command(("train", "ablation", "-o", "runs", "--preset", "tiny", "--dry-run"), "trainable", trains=True),
    Command(("train", "encoder", "-o", "encoder", "--epochs", "1"), "files", _HERE_OR_NOT, trains=True),
    Command(("predict", "bench", "--model", "tiny", "-o", "told.jsonl", "--limit", "2", "--max-new-tokens", "8"),
            "trainable", trains=True),
)  # fmt: skip

COMMANDS: tuple[Command, ...] = (
    *(Command(writer.command, writer.begins) for writer in WRITERS),
    *OTHERS,
)


def make_all(folder: Path, licence: str, *, trains: bool = False) -> Callable[[str], Path]:
    """Make what the commands begin in, of a corpus under a licence, and return where a state lies."""
    for row in rows(_STUDIES):
        for name in row["image"].split(";"):
            write_picture(folder / "work" / name, seed=1)
    state = make_states(folder, _STUDIES, licence)
    _predicted(state, folder / "by two models")
    if trains:
        _trainable(state, folder / "trainable")
    return state


def _predicted(state: Callable[[str], Path], place: Path) -> None:
    shutil.copytree(state("compiled"), place)
    samples = samples_of(place / "bench")[:6]
    for model in ("oracle", "other"):
        made = lines(place / "bench", samples, model=model)
        write_jsonl(place / f"{model}.jsonl", made)
        _done(place, "import", "predictions", f"{model}.jsonl", "--benchmark", "bench")


def _trainable(state: Callable[[str], Path], place: Path) -> None:
    from cxr.trainer.models.tiny import build_tiny  # noqa: PLC0415 - takes torch
    from tests.training_world import SMALL  # noqa: PLC0415 - likewise

    shutil.copytree(state("compiled"), place)
    for stage in ("sft", "grpo"):
        _done(place, "export", stage, "bench", "-o", stage)
    completions = pl.read_parquet(sorted((place / "sft" / "data").glob("train-*.parquet")))["completion"]
    build_tiny(place / "tiny", texts=[turn["content"] for turns in completions for turn in turns], size=SMALL)


def _done(place: Path, *words: str) -> None:
    done = run_cxr(place, *words)
    assert done.returncode in SENTENCES, (words, done.stderr)
