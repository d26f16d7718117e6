"""From one report to three chains in three voices, with their judgements and cost: the example of docs/mining.md.

    python -m benchmarks.walk

The report is one of the demo's, the replies are those of benchmarks/walk.toml: both are invented, and no model takes
part. A server on this machine says them to `cxr mine --best-of 3`, and counts a token for every 4.2 bytes, at the price
of GPT-4o. What the rules judge makes of the chains, which one is kept and what that cost is the command line's own.
"""

import json
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.kit import cxr, parser
from cxr.miner.llm.budget import BYTES_PER_TOKEN
from cxr.prompts.styles import load_styles
from tests.scripted_server import Raw, Say, ScriptedServer, completion, schema_name

ROOT = Path(__file__).resolve().parents[1]
REPLIES: dict[str, Any] = tomllib.loads((ROOT / "benchmarks" / "walk.toml").read_text(encoding="utf-8"))
VOICES = tuple(REPLIES["ChainReply"])
PRICE = "2.5,10"
QUESTION = "task = 'single' and study_id = 'walk/2' and answer_findings = ['Edema']"
_MAPPED = ("study_id=uid", "patient_id=uid", "findings=findings", "impression=impression")


def said(request: dict[str, Any]) -> Raw:
    """Return the reply to a request, with its tokens counted as a server counts them."""
    name, text = schema_name(request), json.dumps(request["messages"])
    reply = REPLIES[name]
    if name == "ChainReply":
        asked = request["messages"][-1]["content"]  # before it are examples, in voices of their own
        reply = reply[next(voice for voice in VOICES if load_styles()[voice].words in asked)]
    body = completion(request, Say(reply))
    body["usage"] = {
        "prompt_tokens": round(len(text.encode()) / BYTES_PER_TOKEN),
        "completion_tokens": round(len(json.dumps(reply).encode()) / BYTES_PER_TOKEN),
    }
    return Raw(json.dumps(body))


def store(folder: Path) -> str:
    """Make a store of the demo's reports with one question; return its id."""
    reports = ROOT / "miner" / "demo" / "reports.csv"
    mapped = [word for name in _MAPPED for word in ("--map", name)]
    cxr(folder, "ingest", "csv", reports, "--name", "walk", "--licence", "public", *mapped)
    cxr(folder, "ask", "--balance", "none")
    with duckdb.connect(str(folder / "cxr.duckdb")) as connection:
        connection.execute(f"delete from questions where not ({QUESTION})")
        ((question_id,),) = connection.execute("select question_id from questions").fetchall()
    return str(question_id)


def main() -> None:
    parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name, ScriptedServer(said) as server:
        folder = Path(name)
        question_id = store(folder)
        model = ("--engine", "llm", "--model", "m", "--base-url", server.url, "--price", PRICE)
        styles = {"CXR_MINE_STYLES": json.dumps(VOICES)}
        took = cxr(folder, "mine", *model, "--best-of", len(VOICES), **styles)
        cxr(folder, "score")
        print(took.err, cxr(folder, "show", question_id).out, sep="\n")


if __name__ == "__main__":
    main()
