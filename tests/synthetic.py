"""A store of any size with invented studies, one binary question each, and the replies that fit all of them."""

from pathlib import Path

import polars as pl

from cxr.miner.store import Store
from tests.scripted_server import Act, Say

ABSENT = (7, 11)
"""Every seventh report says nothing of the effusion, every eleventh denies it: these replies do not fit them."""

PLAN = {"items": [{"finding": "Pleural Effusion", "look_for": "Blunting of the costophrenic angles, a meniscus."}]}
EVIDENCE = {
    "items": [
        {
            "finding": "Pleural Effusion",
            "kind": "quoted",
            "presence": "present",
            "statement": "There is a small left pleural effusion.",
            "quotes": ["there is a small left pleural effusion"],
        }
    ]
}
CHAIN = {
    "steps": [
        {"text": "To decide on an effusion, the costophrenic angles have to be examined.", "evidence": []},
        {"text": "On the left the angle is blunted by a small pleural effusion.", "evidence": [1]},
        {"text": "So there is an effusion, and the answer is Yes.", "evidence": []},
    ],
    "answer": "Yes",
}
REPLIES: dict[str, list[Act]] = {
    "PlanReply": [Say(PLAN)],
    "EvidenceReply": [Say(EVIDENCE)],
    "ChainReply": [Say(CHAIN)],
    "WholeReply": [Say({"plan": PLAN, "evidence": EVIDENCE, "chain": CHAIN})],
}


def report_text(number: int) -> str:
    effusion = "There is a small left pleural effusion."
    if number % ABSENT[0] == 0:
        effusion = "The bones are intact."
    elif number % ABSENT[1] == 0:
        effusion = "There is no pleural effusion."
    return f"FINDINGS: The heart is not enlarged. {effusion} Lead marker {number}.\nIMPRESSION: As above, {number}."


def write_store(path: Path, studies: int, licence: str = "public") -> Path:
    """Make a store with this many studies, reports and questions."""
    numbers = range(1, studies + 1)
    ids = [f"made/{number}" for number in numbers]
    texts = [report_text(number) for number in numbers]
    with Store.write(path, create=True) as store:
        store.insert("studies", pl.DataFrame({"study_id": ids, "corpus": "made", "licence": licence}))
        store.insert("reports", pl.DataFrame({"study_id": ids, "text": texts}))
        store.insert(
            "questions",
            pl.DataFrame(
                {
                    "question_id": [f"q{number}" for number in numbers],
                    "study_id": ids,
                    "corpus": "made",
                    "task": "binary",
                    "findings": [["Pleural Effusion"]] * studies,
                    # The number makes every request another one: the chain step does not show the report.
                    "text": [f"Does this chest X-ray show pleural effusion? ({number})" for number in numbers],
                    "answer": "Yes",
                    "answer_findings": [["Pleural Effusion"]] * studies,
                    "options": pl.Series(
                        [[]] * studies, dtype=pl.List(pl.Struct({"letter": pl.String, "findings": pl.List(pl.String)}))
                    ),
                },
            ),
        )
    return path
