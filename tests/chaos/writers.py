"""Every command that writes, and what it writes: the table that kills and full disks go through.

A command that joins `cxr` joins this table, or READ_ONLY; `test_kills.py` fails for one that is in neither. Sockets
are counted over the commands that only read as well: see `every.py`.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import typer
from typer.core import TyperGroup

from cxr.cli import app
from tests.benchmarks_world import make_store, read_samples, rows, run_cxr
from tests.fuzz.seeds import SEEDS

READ_ONLY = frozenset({
    "status", "sql", "show", "ui", "unread", "filter", "audit", "compare", "evaluate", "agreement",
    "bench verify", "bench leakage", "prompts show", "prompts list", "prompts diff", "batch status",
    "review status", "review export",
})  # fmt: skip
"""Print; what they write with -o, they write as `sql -o` and `filter -o` below do, through `whole_file`."""

ELSEWHERE = {
    "batch collect": "tests/test_batches.py kills it between its steps",
    "batch cancel": "tests/test_batches.py; it changes the server's state, and a row",
    "predict": "tests/test_predict_mishaps.py kills it",
    "train encoder": "tests/test_learned_training.py; its folder appears whole, or not at all",
    "train sft": "tests/test_train.py ends it and goes on bit for bit",
    "train grpo": "tests/test_train.py ends it and goes on",
    "train ablation": "runs the commands above, each of which goes on",
    "doctor": "tests/test_doctor.py; what it asked is written down line by line, as `judge` does",
    "images check": "tests/test_images_check.py; it changes rows in one transaction",
    "phantom": "tests/test_phantom.py; it refuses a folder that is there, whoever began it",
    "review": "tests/test_review_book.py kills who draws and who saves; tokens are drawn anew each time",
    "review close": "tests/test_review_study.py; it adds a line to a book, and takes reviews in",
    "demo": "runs ingest, ask, mine, score and filter on a store of its own",
}
"""Commands that a kill meets in a test of their own, and which."""


@dataclass(frozen=True)
class Writer:
    """A command that writes, the state it begins in, and the files that it leaves."""

    command: tuple[str, ...]
    begins: str
    leaves: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    """What is added where an earlier try has left its folder."""

    @property
    def name(self) -> str:
        """The command's own words."""
        return words_of(self.command)


_MAPPED = tuple(word for column in rows(1)[0] for word in ("--map", f"{column}={column}"))
_REPLACED = ("--existing", "replace")


def _ingest(corpus: str) -> Writer:
    return Writer(("ingest", corpus, "."), corpus)


WRITERS: tuple[Writer, ...] = (
    Writer(("ingest", "csv", "own.csv", "--name", "invented", "--licence", "public", *_MAPPED), "files"),
    *map(_ingest, ("openi", "mimic-cxr", "ms-cxr-t", "chexpert", "chexpert-plus", "rsna", "siim")),
    Writer(("licence", "invented", "credentialed"), "ingested"),
    Writer(("ask", "--balance", "none"), "ingested"),
    Writer(("mine",), "asked"),
    Writer(("score",), "mined"),
    Writer(("filter", "-o", "kept.jsonl"), "scored", ("kept.jsonl",)),
    Writer(("unread", "-o", "entries.toml", "--min-count", "1"), "scored", ("entries.toml",)),
    Writer(("sql", "select * from chains", "--format", "csv", "-o", "chains.csv"), "scored", ("chains.csv",)),
    Writer(("bench", "compile", "bench", "--images", "optional"), "scored", ("bench",), _REPLACED),
    Writer(("bench", "replay", "recipe.parquet", "-o", "theirs"), "compiled", ("theirs",), _REPLACED),
    Writer(("report", "-o", "page.html"), "scored"),
    Writer(("export", "jsonl", "bench", "-o", "out"), "compiled", ("out",), _REPLACED),
    Writer(("export", "sft", "bench", "-o", "out"), "compiled", ("out",), _REPLACED),
    Writer(("export", "swift", "bench", "-o", "out"), "compiled", ("out",), _REPLACED),
    Writer(("import", "radrbench", "published.json", "-o", "back"), "radrbench", ("back",), _REPLACED),
    Writer(("import", "chexbench", "data.json", "-o", "back"), "chexbench", ("back",), _REPLACED),
    Writer(("import", "reviews", "reviews.json"), "scored"),
    Writer(("import", "predictions", "said.jsonl", "--benchmark", "bench"), "compiled"),
    Writer(("label", "in.jsonl", "-o", "out.jsonl"), "label", ("out.jsonl",)),
    Writer(("judge", "in.jsonl", "-o", "out.jsonl"), "judge", ("out.jsonl",)),
    Writer(("radrscore", "in.jsonl", "-o", "out.jsonl"), "radrscore", ("out.jsonl",)),
    Writer(("reward", "in.jsonl", "-o", "out.jsonl"), "reward", ("out.jsonl",)),
)  # fmt: skip

_FILES = {"openi": "openi csv", "mimic-cxr": "mimic zip", "chexpert-plus": "chexpert plus"}


def tree() -> dict[str, "typer.core.TyperCommand | TyperGroup"]:
    """Give the commands of `cxr` by their first word."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return {name: found for name in root.list_commands(None) if (found := root.get_command(None, name))}  # type: ignore[arg-type, misc]


def words_of(command: Sequence[str]) -> str:
    """Give the words of a command line that name the command."""
    has_own_words = isinstance(tree()[command[0]], TyperGroup) and not command[1].startswith("-")
    return " ".join(command[: 1 + has_own_words])


def commands() -> Iterator[str]:
    """Give every command of `cxr` in its own words."""
    for name, command in tree().items():
        if isinstance(command, TyperGroup):
            yield from (f"{name} {sub}" for sub in command.list_commands(None))  # type: ignore[arg-type]
            yield from [name] if command.invoke_without_command else []
        else:
            yield name


def make_states(folder: Path, studies: int = 64, licence: str = "public") -> Callable[[str], Path]:
    """Run the main job once, keep what is there after each step, and return where a state lies."""
    ingest = tuple(licence if word == "public" else word for word in WRITERS[0].command)

    def keep(name: str, *commands: tuple[str, ...]) -> None:
        for command in commands:
            done = run_cxr(folder / "work", *command)
            assert done.returncode in {0, 4}, (command, done.stderr)
        shutil.copytree(folder / "work", folder / name)

    make_store(folder / "work", rows(studies), mined=False)
    (folder / "work" / "cxr.duckdb").rename(folder / "asked.duckdb")
    for seed in ("reviews", "predictions"):
        SEEDS[seed].make(folder / "work")
    keep("files")
    keep("ingested", ingest)
    by_state = {writer.begins: writer.command for writer in WRITERS if writer.begins in {"ingested", "asked", "mined"}}
    keep("asked", by_state["ingested"])
    keep("mined", by_state["asked"])
    keep("scored", by_state["mined"])
    keep("compiled", ("bench", "compile", "bench", "--images", "optional", "--recipe", "recipe.parquet"))

    said = [
        {key: one[key] for key in ("sample_id", "mode")} for one in read_samples(folder / "work" / "bench").to_dicts()
    ]
    lines = (json.dumps({**one, "model": "m", "text": "<answer>Yes</answer>"}) + "\n" for one in said)
    (folder / "work" / "said.jsonl").write_text("".join(lines))
    keep("predicted", ("import", "predictions", "said.jsonl", "--benchmark", "bench"))

    def state(name: str) -> Path:
        if not (folder / name).exists():
            (folder / name).mkdir()
            SEEDS[_FILES.get(name, name)].make(folder / name)
        return folder / name

    return state


def content(folder: Path) -> dict[str, object]:
    """Give what a store holds, run by run details apart, as a number of rows and a digest by table."""
    if not (folder / "cxr.duckdb").exists():
        return {}
    with duckdb.connect(str(folder / "cxr.duckdb"), read_only=True) as store:
        columns = store.execute(
            "select table_name, list(column_name) from duckdb_columns() where not internal and table_name in "
            "(select table_name from duckdb_tables()) group by 1"
        ).fetchall()
        found: dict[str, object] = {}
        for table, names in columns:
            if table in {"runs", "cxr_schema"}:
                continue
            kept = [f'"{name}"' for name in sorted(names) if name != "run_id" and not name.endswith("_at")]
            digest = f"select count(*), sum(hash({', '.join(kept)})::hugeint) from {table}"
            found[table] = store.execute(digest).fetchone()
    return found
