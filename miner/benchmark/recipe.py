"""Recipes: how a benchmark of credentialed studies is shared without sharing any of them.

A recipe is one Parquet file of ids: which question of which study stands where in which file, about which findings
and with which options, and which chain reasons about it. It holds no word of a report, no answer and no reasoning.
Another credentialed group replays it on its own copy (replay.py).
"""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cxr.miner.benchmark.manifest import Manifest
from cxr.miner.kit.files import whole_path
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.benchmark")

RECIPE_FORMAT = "cxr-recipe/1"
KEY = b"cxr_recipe"


def write_recipe(store: Store, manifest: Manifest, target: Path) -> int:
    """Write the recipe of the benchmark that was just compiled; give its number of samples.

    Needs the temporary tables of the compile in the same session. The recipe holds no answer: `findings` are those
    asked about, in alphabetical order, and options are not said to be right or wrong.
    """
    table = store.connection.sql(_SQL["recipe"]).to_arrow_table()
    about = {
        "format": RECIPE_FORMAT,
        "manifest": manifest.model_dump(mode="json", exclude={"findings"}),
        "ask": _ask_settings(store),
    }
    with whole_path(target) as partial:
        pq.write_table(table.replace_schema_metadata({KEY: json.dumps(about)}), partial, compression="zstd")
    return int(table.num_rows)


def _ask_settings(store: Store) -> list[dict[str, Any]]:
    """Return the settings of the runs that asked the chosen questions, oldest first."""
    rows = store.rows(_SQL["ask_settings"])
    return [json.loads(settings) for (settings,) in rows]
