"""What is read: a snapshot of a chain or a finding with its report and images, as the page shows it.

A snapshot, because a store that another command writes can be read by nobody. It knows by its fingerprint what it is
of, so that a chain that was made anew is noticed.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from cxr.miner.kit.digest import digest
from cxr.miner.kit.sql import read_sql
from cxr.miner.pack import pack
from cxr.miner.review.book import Drawn
from cxr.miner.review.events import canonical, digest_of
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Licence

_SQL = read_sql("cxr.miner.review")
_OPTION = re.compile(r"[A-Z]\) ")

Row = Mapping[str, Any]


def chain_items(store: Store, chains: Sequence[str]) -> list[Drawn]:
    """Return the items of chains, in their order; one that is not in the store, or has no report, is left out."""
    frame = pl.DataFrame({"chain_id": list(chains)}, schema={"chain_id": pl.String}).with_row_index("place")
    store.replace_temporary("drawn", frame)
    rows = store.frame(_SQL["chains"]).to_dicts()
    shown = _Shown(store, [study for row in rows for study in (row["study_id"], row["prior_study_id"]) if study])
    return [_chain(row, shown) for row in rows]


def finding_items(store: Store, findings: Iterable[tuple[str | None, str, str, str]]) -> list[Drawn]:
    """Return the items of findings, each a chain or None, a study, an observation and its status, in their order.

    One of a study without a report is left out.
    """
    wanted = list(findings)
    shown = _Shown(store, [study for _, study, _, _ in wanted])
    return [
        _finding(chain, study, observation, status, shown)
        for chain, study, observation, status in wanted
        if study in shown.reports
    ]


def item_id_of_chain(chain_id: str) -> str:
    """Return the id of a chain's item, the same in every study."""
    return digest("review", "chain", chain_id)


class _Shown:
    """Reports and images of studies, read once."""

    def __init__(self, store: Store, studies: Sequence[str]) -> None:
        wanted = {"studies": list(dict.fromkeys(studies))}
        self.reports = {row["study_id"]: row for row in store.frame(_SQL["studies"], wanted).to_dicts()}
        self.images: dict[str, list[Row]] = {}
        order = {"order": list(pack().views.order)}
        for row in store.frame(_SQL["images"], wanted | order).to_dicts():
            self.images.setdefault(row["study_id"], []).append(row)

    def content(self, current: str, prior: str | None) -> tuple[dict[str, Any], list[str]]:
        """Return what the page shows of a study and the one before it, and where the images lie, current ones first."""
        reports: list[Row] = []
        images: list[Row] = []
        paths: list[str] = []
        for which, study in (("current", current), ("prior", prior)):
            if study in self.reports:
                report = self.reports[study]
                reports.append({"which": which, "text": report["text"], "sections": report["sections"] or []})
            for image in self.images.get(study or "", ()):
                size = {"width": image["width"], "height": image["height"]}
                images.append({"which": which, "no": len(images), "view": image["view"], **size})
                paths.append(image["path"])
        return {"reports": reports, "images": images}, paths


def _chain(row: Row, shown: _Shown) -> Drawn:
    content, paths = shown.content(row["study_id"], row["prior_study_id"])
    texts = {report["which"]: report["text"] for report in content["reports"]}
    question, options = _question(row["question"])
    evidence = {piece["evidence_no"]: _evidence(piece, texts) for piece in row["evidence"]}
    return Drawn(
        item_id_of_chain(row["chain_id"]),
        **{name: row[name] for name in ("chain_id", "study_id", "patient_id", "corpus", "licence", "task")},
        fingerprint=row["fingerprint"],
        content={
            "what": "chain",
            "task": row["task"],
            "question": question,
            "options": options,
            "answer": _answer(row["answer"], options),
            "steps": [
                {
                    "no": step["step_no"],
                    "text": step["text"],
                    "evidence": [evidence[number] for number in step["evidence"] if number in evidence],
                }
                for step in row["steps"]
            ],
            "finding": None,
            **content,
        },
        images=paths,
        training=None,
    )


def _finding(chain_id: str | None, study_id: str, observation: str, status: str, shown: _Shown) -> Drawn:
    content, paths = shown.content(study_id, None)
    study = shown.reports[study_id]
    return Drawn(
        digest("review", "finding", study_id, observation, status),
        chain_id,
        study_id,
        study["patient_id"],
        study["corpus"],
        study["licence"],
        None,
        digest_of(canonical([observation, status, study["text"]])),
        content={
            "what": "finding",
            "task": None,
            "question": "",
            "options": [],
            "answer": "",
            "steps": [],
            "finding": {"observation": observation, "status": status},
            **content,
        },
        images=paths,
        training=None,
    )


def _question(text: str) -> tuple[str, list[str]]:
    """Return a question without its options, and these."""
    lines = text.splitlines()
    options = [line for line in lines if _OPTION.match(line)]
    asked = " ".join(line for line in lines if not _OPTION.match(line))
    return (asked.removesuffix("Options:").rstrip() if options else text), options


def _answer(answer: str, options: Sequence[str]) -> str:
    """Return an answer as the page shows it: the option with its letter, not the letter alone."""
    letters = set(re.findall(r"[A-Z]", answer))
    return "; ".join(option for option in options if option[0] in letters) or answer


def _evidence(piece: Row, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a piece of evidence; a quote is of the report in which its words stand at its place."""
    quotes = [
        {
            "which": next(
                (which for which, text in texts.items() if text[quote["start"] : quote["end"]] == quote["text"]),
                "current",
            ),
            "start": quote["start"],
            "end": quote["end"],
        }
        for quote in piece["quotes"]
    ]
    return {
        "no": piece["evidence_no"],
        **{name: piece[name] for name in ("finding", "kind", "presence", "statement")},
        "quotes": quotes,
    }


def row_of(item: Drawn) -> tuple[Any, ...]:
    """Return an item as a row of the book's table: without `training`'s Python, and with the digest of its content."""
    content = canonical(item.content)
    training = None if item.training is None else canonical(item.training)
    return (
        *(item.item_id, item.chain_id, item.study_id, item.patient_id, item.corpus, item.licence, item.task),
        *(item.fingerprint, digest_of(content), content, json.dumps(item.images), training, int(item.is_stale)),
    )


def is_public(licences: Iterable[str]) -> bool:
    """Return whether anyone may see what is shown."""
    return set(licences) <= {str(Licence.PUBLIC)}
