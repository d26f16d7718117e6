"""A reader's queue of invented items for the page's tests: images that make a pair, hostile text, findings, training.

Run as a module it serves a book in a process of its own, which a test can kill.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cxr.miner.review.app import Application
from cxr.miner.review.book import ReviewBook, make_tables
from cxr.miner.review.events import beginning, digest_of
from cxr.miner.review.guard import names_of
from cxr.miner.review.pixels import Pixels
from cxr.miner.review.server import listen, serve
from cxr.miner.review.state import Change

Json = dict[str, Any]

REPORT = (
    "EXAMINATION: Chest, two views.\n\nFINDINGS: The heart is mildly enlarged. There is a small left pleural effusion "
    "with adjacent atelectasis. No pneumothorax. The mediastinal contours are normal.\n\n"
    "IMPRESSION: Small left pleural effusion. Mild cardiomegaly."
)
PRIOR = "FINDINGS: No pleural effusion. The heart is of normal size.\n\nIMPRESSION: No acute abnormality."
HOSTILE = (
    "FINDINGS: <b>Small</b> \N{LUNGS} effusion on the left <script>document.title = 'ran'</script>"
    "<img src=x onerror=\"document.title='ran'\"> & nothing else.\n\nIMPRESSION: {{ 7 * 7 }} effusion."
)


def chest(width: int, height: int) -> "np.ndarray[Any, Any]":
    """Give an invented radiograph of 12 bits, (height, width): a body, two lungs, a heart, a spine, ribs and noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height - 0.5

    def blob(cx: float, cy: float, rx: float, ry: float, edge: float = 8) -> "np.ndarray[Any, Any]":
        inside = np.clip(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2, 0, 9)
        made: np.ndarray[Any, Any] = 1 / (1 + np.exp(edge * (inside - 1)))
        return made

    lungs = blob(-0.2, 0, 0.15, 0.34) + blob(0.2, 0, 0.15, 0.34)
    grey = 2600 * blob(0, 0.1, 0.47, 0.62) + (130 * np.sin(46 * (y + 0.55 * x * x)) - 1500) * lungs
    grey += 900 * blob(0.07, 0.14, 0.16, 0.15) + 500 * blob(0, 0, 0.045, 0.6)
    grey += np.random.default_rng(7).normal(200, 25, grey.shape)
    made: np.ndarray[Any, Any] = np.clip(grey, 0, 4095).astype(np.uint16)
    return made


def report(text: str, which: str = "current") -> Json:
    """Give a report as the page gets it, with its sections' bodies."""
    sections = []
    for name in ("EXAMINATION", "FINDINGS", "IMPRESSION"):
        if f"{name}:" in text:
            start = text.index(f"{name}:") + len(name) + 2
            end = text.find("\n\n", start)
            sections.append({"name": name.lower(), "start": start, "end": len(text) if end < 0 else end})
    return {"which": which, "text": text, "sections": sections}


def evidence(no: int, finding: str, presence: str, text: str, *quotes: str) -> Json:
    """Give evidence that quotes a report, or rests on its silence."""
    spans = [{"which": "current", "start": text.index(one), "end": text.index(one) + len(one)} for one in quotes]
    kind = "quoted" if quotes else "inferred_normal"
    return {"no": no, "finding": finding, "kind": kind, "presence": presence, "quotes": spans}


def chain(text: str = REPORT, **given: Any) -> Json:
    """Give what the page shows of a chain of three steps."""
    quotes = ("effusion",) if text is HOSTILE else ("small left pleural effusion", "Small left pleural effusion")
    steps = [
        {"no": 1, "text": "I look for fluid along the costophrenic angles.", "evidence": []},
        {
            "no": 2,
            "text": "There is a small pleural effusion on the left.",
            "evidence": [evidence(1, "Pleural Effusion", "present", text, *quotes)],
        },
        {"no": 3, "text": "No pneumothorax.", "evidence": [evidence(2, "Pneumothorax", "absent", text)]},
    ]
    made = {
        "what": "chain", "task": "binary", "question": "Does this chest X-ray show pleural effusion?",
        "options": [], "answer": "Yes", "steps": steps, "reports": [report(text)], "images": [], "finding": None,
    }  # fmt: skip
    return {**made, **given}


PAIR = chain(
    task="temporal",
    question="You are given two images: one reference image and one new image. How has pleural effusion progressed?",
    options=["A) worsening", "B) stable", "C) improving"],
    answer="A) worsening",
    reports=[report(PRIOR, "prior"), report(REPORT)],
    images=[
        {"which": "prior", "no": 0, "view": "PA"},
        {"which": "current", "no": 1, "view": "PA"},
        {"which": "current", "no": 2, "view": "LATERAL"},
    ],
)
FINDING = chain(
    what="finding",
    task=None,
    question=None,
    answer=None,
    steps=[],
    finding={"observation": "right effusion", "status": "present"},
)
FIRST = {"which": "current", "no": 0, "view": "PA"}


def write_desk(
    path: Path,
    items: Sequence[tuple[Json, Sequence[Path]]],
    places: Mapping[str, Sequence[tuple[int, str]]],
    training: Mapping[int, Json] | None = None,
) -> Path:
    """Make a book of items with the files of their images; a reader's name is the token, places are items and rounds.

    A reader of no place adjudicates. Items count from 1, and so does what `training` tells of them afterwards.
    """
    made = [(f"item{number:03}", json.dumps(content), files) for number, (content, files) in enumerate(items, start=1)]
    study = ("invented", "store", "chains", "{}", "2026-11-27T05:00:00")

    def fill(connection: Any) -> None:
        begins = beginning(study, {item: digest_of(text) for item, text, _ in made})
        connection.execute("insert into study values (?, ?, ?, ?, ?, ?, null)", (*study, begins))
        for number, (item, text, images) in enumerate(made, start=1):
            told = (training or {}).get(number)
            connection.execute(
                "insert into items values (?, ?, ?, ?, 'invented', 'public', 'binary', 'f', ?, ?, ?, ?, 0)",
                (item, f"chain {item}", f"study {item}", f"patient {item}", digest_of(text), text,
                 json.dumps([str(one) for one in images]), told and json.dumps(told)),
            )  # fmt: skip
        for reader, queue in places.items():
            connection.execute("insert into readers values (?, ?, ?)", (reader, reader, not queue))
            for position, (number, round_) in enumerate(queue, start=1):
                row = (reader, position, made[number - 1][0], round_)
                connection.execute("insert into places values (?, ?, ?, ?, 0)", row)

    make_tables(path, fill)
    return path


def picture(path: Path, width: int, height: int) -> Path:
    """Write an invented radiograph as a PNG of 16 bits."""
    Image.fromarray(chest(width, height)).save(path)
    return path


def done_by(book: ReviewBook, reader: str, position: int, *scores: int, comment: str = "") -> None:
    """Let a reader finish a place."""
    fields = dict(zip(("factuality", "validity", "completeness"), scores, strict=True))
    changes = [Change(f"{reader}-{position}-{name}", name, None, score) for name, score in fields.items()]
    changes.append(Change(f"{reader}-{position}-comment", "comment", "", comment))
    changes.append(Change(f"{reader}-{position}-done", "done", old=False, new=True))
    book.save(reader, position, changes, 30.0)


if __name__ == "__main__":
    with ReviewBook(Path(sys.argv[1])) as opened, listen("127.0.0.1", int(sys.argv[2])) as listening:
        application = Application(opened, names_of("127.0.0.1"), Pixels())
        serve(application.asgi, listening, lambda: print("begun", flush=True), lambda: None, 3600)
