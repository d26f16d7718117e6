"""cxr judge, label and radrscore on JSONL files: what comes back for each line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

REPORT = (
    "Findings: Heart size is normal. There is a small left pleural effusion. No pneumothorax. "
    "Impression: Small left pleural effusion."
)


def _through(
    cxr: Cli, folder: Path, command: str, *records: dict[str, Any], options: tuple[str, ...] = ()
) -> list[Any]:
    (folder / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = cxr(command, "in.jsonl", "-o", "out.jsonl", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def test_judge_gives_each_finding_a_verdict_and_the_spans_that_decided_it(cxr: Cli, tmp_path: Path) -> None:
    findings = [
        {"observation": "left pleural effusion", "status": "present", "kept": 7},
        {"observation": "right pleural effusion", "status": "present"},
        {"observation": "cardiomegaly", "status": "not present"},
        {"observation": "rib fracture", "status": "confirmed"},
        {"observation": "rib fracture", "status": "absent"},
        {"observation": "image quality", "status": "not provided"},
    ]
    (line,) = _through(cxr, tmp_path, "judge", {"id": "a", "report": REPORT, "findings": findings, "note": "stays"})
    assert line["id"] == "a"
    assert line["note"] == "stays"
    assert line["findings"][0]["kept"] == 7
    assert [(finding["verdict"], finding["factual"]) for finding in line["findings"]] == [
        ("supported", True), ("contradicted", False), ("supported", True), ("unmentioned_abnormal", False),
        ("unmentioned_normal", True), ("not_assessable", None),
    ]  # fmt: skip
    for span in [span for finding in line["findings"] for span in finding["evidence"]]:
        assert REPORT[span["start"] : span["end"]] == span["text"]
    assert line["findings"][0]["evidence"]


def test_judge_reads_findings_from_a_text(cxr: Cli, tmp_path: Path) -> None:
    text = "I look for a pneumothorax. No pneumothorax is seen. There is a large right pleural effusion."
    (line,) = _through(cxr, tmp_path, "judge", {"id": "a", "report": REPORT, "text": text})
    assert [(finding["observation"], finding["factual"]) for finding in line["findings"]] == [
        ("pneumothorax", True),
        ("large right pleural effusion", False),
    ]


def test_label_gives_the_14_findings_by_name(cxr: Cli, tmp_path: Path) -> None:
    (line,) = _through(cxr, tmp_path, "label", {"id": "a", "report": REPORT})
    assert len(line["labels"]) == 14
    assert {name: value for name, value in line["labels"].items() if value is not None} == {
        "Cardiomegaly": 0,
        "Pleural Effusion": 1,
        "Pneumothorax": 0,
    }


def test_radrscore_of_lists_keeps_their_order_and_length(cxr: Cli, tmp_path: Path) -> None:
    prediction = [
        {"observation": "pleural effusion", "status": "present"},
        {"observation": "pneumonia", "status": "present"},
        {"observation": "image", "status": "not provided"},
    ]
    reference = [
        {"observation": "pleural effusion", "status": "present"},
        {"observation": "pneumothorax", "status": "not present"},
    ]
    record = {"id": "a", "report": REPORT, "prediction": prediction, "reference": reference}
    (line,) = _through(cxr, tmp_path, "radrscore", record)
    assert [finding["recalled"] for finding in line["reference"]] == [True, False]
    assert [finding["effective"] for finding in line["prediction"]] == [True, False, None]
    assert (line["factuality"], line["completeness"], line["effectiveness"]) == (0.5, 0.5, 0.5)
    assert line["radrscore"] == pytest.approx(0.5)


def test_radrscore_of_texts_reads_their_findings(cxr: Cli, tmp_path: Path) -> None:
    record = {"id": "a", "report": REPORT, "prediction": "No pneumothorax.", "reference": "No pneumothorax."}
    (line,) = _through(cxr, tmp_path, "radrscore", record)
    assert line["radrscore"] == 1
    assert [finding["observation"] for finding in line["prediction"]] == ["pneumothorax"]


def test_a_share_of_nothing_is_zero_or_left_out(cxr: Cli, tmp_path: Path) -> None:
    record = {"id": "a", "report": REPORT, "prediction": "", "reference": "No pneumothorax."}
    (counted,) = _through(cxr, tmp_path, "radrscore", record)
    assert (counted["factuality"], counted["completeness"], counted["effectiveness"]) == (0, 0, 0)
    (skipped,) = _through(cxr, tmp_path, "radrscore", record, options=("--empty", "skip"))
    assert (skipped["factuality"], skipped["radrscore"]) == (None, None)


def test_the_gold_files_are_valid_inputs_as_they_are(cxr: Cli, tmp_path: Path, shared: Path) -> None:
    for command, name in (("judge", "factuality_dev.jsonl"), ("radrscore", "recall_dev.jsonl")):
        source = shared / "gold" / name
        done = cxr(command, source, "-o", "out.jsonl")
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in source.read_text().splitlines()]
        answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [answer["id"] for answer in answers] == [line["id"] for line in lines]
        for key in ("findings", "prediction", "reference"):
            assert [len(answer.get(key, [])) for answer in answers] == [len(line.get(key, [])) for line in lines]
