"""The smallest valid files of every reader, and the commands that read them. Every free text holds the word MARK."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr.miner.review.book import ReviewBook
from cxr.miner.review.state import AXES, Change, empty_state
from tests.corpora import openi_rows, write_openi
from tests.mimic_corpus import STUDIES, write_jpg, write_mimic, write_sectioned, write_temporal, write_tree
from tests.reviewing import write_book
from tests.test_imports import ANSWER_ONLY, BINARY, CHEXBENCH, SINGLE, TEMPORAL, TRAINING
from tests.test_ingest_openi import REPORTS_IN, tgz, xml_report
from tests.trees import chexpert_rows, own_row, plus_rows, write_chexpert, write_own, write_plus, write_rsna, write_siim

MARK = "zebrawort"
"""Stands for the words of a patient: no message may hold it."""

Command = Sequence[str]


@dataclass(frozen=True)
class Seed:
    """Files that `make` writes into a folder, and the commands that read them there."""

    make: Callable[[Path], object]
    commands: tuple[Command, ...]
    needs: str = ""
    """`chains` or `benchmark`: what has to be there already."""


def _ingest(corpus: str, path: str, *options: str) -> tuple[Command, ...]:
    command = ("ingest", corpus, path, *options)
    return command, command, (*command, "--dry-run")


_STUDIES = tuple(
    one._replace(findings=f"{one.findings} {MARK}.", impression=f"{one.impression} {MARK}.") for one in STUDIES[:3]
)
_TEXTS = [(f"There is a left pleural effusion. {MARK}.", f"Left pleural effusion {MARK}.")] * 3
_MARKED_REPORTS = [{**one, "findings": f"{one['findings']} {MARK}", "impression": MARK} for one in REPORTS_IN]


def _members() -> dict[str, bytes]:
    return {f"ecgen-radiology/{one['uid']}.xml": xml_report(one) for one in _MARKED_REPORTS}


def _xml(folder: Path) -> None:
    (folder / "ecgen-radiology").mkdir()
    for name, data in _members().items():
        (folder / name).write_bytes(data)


def _openi(folder: Path) -> None:
    write_openi(folder, openi_rows(_TEXTS))


def _plus(folder: Path) -> None:
    write_plus(folder, [{**row, "report": f"{row['report']} {MARK}", "section_findings": MARK} for row in plus_rows(3)])


def _pairs(folder: Path) -> None:
    write_temporal(folder, [{"current": STUDIES[1], "prior": STUDIES[0], "edema": "stable", "pneumonia": "worsening"}])


def _own(folder: Path) -> None:
    label: dict[str, str] = {"Edema": "1", "age": "61", "sex": "F", "study_datetime": "2020-01-02", "split": "train"}
    write_own(folder / "own.csv", *(own_row(f"a{n}", text=f"FINDINGS: Edema. {MARK}.", **label) for n in range(3)))


_FINDING = {"observation": f"effusion {MARK}", "status": "present", "verdict": "supported"}
_RECORD = {
    "id": "1", "report": f"There is a small effusion. {MARK}.", "findings": [_FINDING], "text": f"An effusion {MARK}.",
    "prediction": f"There is an effusion. {MARK}.", "reference": [{**_FINDING, "recalled": True}],
    "completion": f"<think> An effusion. {MARK}. </think><answer> Yes </answer>", "task": "binary", "answer": "Yes",
    "options": [],
}  # fmt: skip


def _records(folder: Path) -> None:
    lines = "".join(json.dumps({**_RECORD, "id": str(number)}) + "\n" for number in range(3))
    (folder / "in.jsonl").write_text(lines)


def _two_judgements(folder: Path) -> None:
    for name in ("gold.jsonl", "judged.jsonl"):
        _records(folder)
        (folder / "in.jsonl").rename(folder / name)


def _published(folder: Path) -> None:
    records: list[dict[str, Any]] = [dict(one) for one in (BINARY, SINGLE, TEMPORAL, TRAINING, ANSWER_ONLY)]
    marked = [{**one, "reason_steps": [MARK], "original_report": f"FINDINGS: {MARK}."} for one in records]
    (folder / "published.json").write_text(json.dumps(marked))


def _chexbench(folder: Path) -> None:
    # Marked as text, since the published file is of every shape.
    (folder / "data.json").write_text(json.dumps(CHEXBENCH).replace("?", f"? {MARK}"))


def _reviews(folder: Path) -> None:
    scores = [{"from_name": name, "type": "rating", "value": {"rating": 4}} for name in ("factuality", "completeness")]
    text = {"from_name": "comment", "type": "textarea", "value": {"text": [MARK]}}
    task = {"id": 1, "data": {"chain_id": "c1", "sample_id": "s1", "question": MARK}, "annotations": [
        {"id": 1, "completed_by": {"email": "a@b.example"}, "result": [*scores, text]}]}  # fmt: skip
    (folder / "reviews.json").write_text(json.dumps([task]))


def _exported_reviews(folder: Path) -> None:
    lines = [
        {"review_study": "s", "item_id": f"i{n}", "chain_id": "c1", "study_id": "s1", "fingerprint": "f",
         "reviewer": "r1", "factuality": 7.0, "validity": 7.0, "completeness": -3.0, "comment": MARK,
         "steps": [{"step_no": 1, "verdict": "wrong", "attribute": "side"}], "seconds": 3.5,
         "reviewed_at": "2026-11-27T05:00:00"}
        for n in range(3)
    ]  # fmt: skip
    (folder / "reviews.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _review_book(folder: Path) -> None:
    path = write_book(folder / "book.sqlite", {"r1": "one", "r2": "two"})
    with ReviewBook(path) as book:
        said = {**dict.fromkeys(AXES, 4), "comment": MARK, "done": True}
        book.save("r1", 1, [Change(f"change-{name}", name, empty_state()[name], new) for name, new in said.items()])


def _predictions(folder: Path) -> None:
    lines = [
        {"sample_id": f"{n}/reasoning", "model": "m", "mode": "reasoning", "text": f"<think>{MARK}</think>"}
        for n in range(3)
    ]
    (folder / "said.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "said.json").write_text(json.dumps(lines))
    (folder / "said.csv").write_text(
        "sample_id,model,mode,text\n" + f'1/reasoning,m,reasoning,"<answer>A {MARK}</answer>"\n' * 2
    )


def _counts(folder: Path) -> None:
    header = "model,task,row,n_pred,n_correct,n_gt,n_recalled,n_effective,n_ineffective,correct"
    (folder / "counts.csv").write_text(
        f"{header}\na,binary,1,4,2,2,1,3,1,1\na,binary,2,0,0,2,2,0,0,0\nb,single,3,2,2,4,1,1,1,\n"
    )


def _settings(folder: Path) -> None:
    (folder / "cxr.toml").write_text('[ask]\nseed = 1\n[mine]\nengine = "rules"\n[score]\njudge = "rules"\n')
    (folder / "mapping.toml").write_text(
        'name = "own"\nlicence = "public"\n[columns]\nstudy_id = "accession"\nreport = "text"\n'
    )
    _own(folder)


_MAPPED = ("--map", "study_id=accession", "--map", "patient_id=mrn", "--map", "report=text")

SEEDS: dict[str, Seed] = {
    "openi csv": Seed(_openi, _ingest("openi", ".")),
    "openi xml": Seed(_xml, _ingest("openi", ".")),
    "openi tgz": Seed(
        lambda folder: (folder / "NLMCXR_reports.tgz").write_bytes(tgz(_members())), _ingest("openi", ".")
    ),
    "mimic zip": Seed(lambda folder: write_mimic(folder, _STUDIES), _ingest("mimic-cxr", ".")),
    "mimic tree": Seed(lambda folder: write_tree(folder, _STUDIES), _ingest("mimic-cxr", ".")),
    "mimic sectioned": Seed(
        lambda folder: (write_sectioned(folder, _STUDIES), write_jpg(folder, _STUDIES)), _ingest("mimic-cxr", ".")
    ),
    "ms-cxr-t": Seed(_pairs, _ingest("ms-cxr-t", ".")),
    "chexpert": Seed(lambda folder: write_chexpert(folder, chexpert_rows(3)), _ingest("chexpert", ".")),
    "chexpert plus": Seed(_plus, _ingest("chexpert-plus", ".")),
    "rsna": Seed(lambda folder: write_rsna(folder, 4), _ingest("rsna", ".")),
    "siim": Seed(lambda folder: write_siim(folder, 4), _ingest("siim", ".")),
    "own csv": Seed(_own, _ingest("csv", "own.csv", "--name", "own", *_MAPPED)),
    "label": Seed(_records, (("label", "in.jsonl", "-o", "out.jsonl"),)),
    "judge": Seed(_records, (("judge", "in.jsonl", "-o", "out.jsonl"),)),
    "radrscore": Seed(_records, (("radrscore", "in.jsonl", "-o", "out.jsonl"),)),
    "reward": Seed(_records, (("reward", "in.jsonl", "-o", "out.jsonl"),)),
    "agreement": Seed(_two_judgements, (("agreement", "gold.jsonl", "judged.jsonl"),)),
    "radrbench": Seed(_published, (("import", "radrbench", "published.json", "-o", "back", "--existing", "replace"),)),
    "chexbench": Seed(_chexbench, (("import", "chexbench", "data.json", "-o", "back", "--existing", "replace"),)),
    "reviews": Seed(_reviews, (("import", "reviews", "reviews.json"),), needs="chains"),
    "review export": Seed(_exported_reviews, (("import", "reviews", "reviews.jsonl"),), needs="chains"),
    "review book": Seed(
        _review_book,
        (
            ("import", "reviews", "book.sqlite"),
            ("review", "status", "--book", "book.sqlite"),
            ("review", "export", "out.jsonl", "--book", "book.sqlite"),
        ),
        needs="chains",
    ),
    "predictions": Seed(
        _predictions,
        tuple(("import", "predictions", f"said.{end}", "--benchmark", "bench") for end in ("jsonl", "json", "csv")),
        needs="benchmark",
    ),
    "counts": Seed(_counts, (("evaluate", "--from-counts", "counts.csv", "--format", "json"),)),
    "settings": Seed(_settings, (("ask",), ("ingest", "csv", "own.csv", "--mapping", "mapping.toml"))),
}
