"""Print the statistics of the small study of docs/review.md from its readings, `review_study.jsonl`.

    python benchmarks/review_study.py
    python benchmarks/review_study.py FILE  # somebody else's readings, in the same form

A line is one reading of one chain: who, in which round, three scores, how many steps, and the steps that were not found
right. No text of a report or a chain is in it. Chains and readings go into a store, and `cxr agreement --reviews` does
the rest.
"""

import tempfile
from pathlib import Path

import polars as pl

from benchmarks.kit import Json, cxr, parser, records
from cxr.miner.store import Store

READINGS = Path(__file__).with_suffix(".jsonl")
_CHAIN = ("chain_id", "study_id", "task", "engine", "model")
_REVIEW = ("chain_id", "reviewer", "round", "factuality", "validity", "completeness")


def marks(line: Json) -> list[Json]:
    """Return the reader's mark on every step: right, where the line does not say otherwise."""
    made = []
    for number in range(1, line["steps"] + 1):
        verdict, _, attribute = line["marks"].get(str(number), "right").partition(": ")
        made.append({"step_no": number, "verdict": verdict, "attribute": attribute or None})
    return made


def fill(store: Store, lines: list[Json]) -> None:
    """Put chains without text, and what was said of them, into an empty store."""
    chains = {line["chain_id"]: {name: line[name] for name in _CHAIN} for line in lines}
    reviews = [{name: line[name] for name in _REVIEW} | {"steps": marks(line)} for line in lines]
    store.insert("chains", pl.DataFrame(list(chains.values()), infer_schema_length=None))
    store.insert("reviews", pl.DataFrame(reviews, infer_schema_length=None))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("readings", type=Path, nargs="?", default=READINGS)
    lines = list(records(options.parse_args().readings))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.write(folder / "cxr.duckdb", create=True) as store:
            fill(store, lines)
        print(cxr(folder, "agreement", "--reviews").out)


if __name__ == "__main__":
    main()
