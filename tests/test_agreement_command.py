"""cxr agreement: two judgements of the same findings, compared through the real command line."""

import json
from pathlib import Path

from tests.conftest import Cli


def _write(path: Path, verdicts: list[str], *, judge: str | None = None, key: str = "verdict") -> Path:
    side = "reference" if key == "recalled" else "findings"
    with path.open("w") as out:
        for number, verdict in enumerate(verdicts):
            finding = {"observation": f"finding {number}", "status": "present", key: verdict}
            line: dict[str, object] = {"id": str(number), "report": "Zebrawort.", side: [finding]}
            if judge:
                line["judge"] = {"name": judge, "version": "1"}
            out.write(json.dumps(line) + "\n")
    return path


def test_accuracy_kappa_and_confusion_by_hand(cxr: Cli, tmp_path: Path) -> None:
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: agreement 0.7, chance 0.5, kappa 0.4 (Cohen 1960)."""
    gold = ["supported"] * 25 + ["contradicted"] * 25
    judged = ["supported"] * 20 + ["contradicted"] * 5 + ["supported"] * 10 + ["contradicted"] * 15
    done = cxr("agreement", _write(tmp_path / "gold.jsonl", gold), _write(tmp_path / "judged.jsonl", judged, judge="a"))
    assert done.returncode == 0, done.stderr
    assert "readers against a 1" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("│ verdict │ 50")]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells[:3] == ["verdict", "50", "0.700"]
    assert cells[5] == "0.400"
    assert float(cells[3]) < 0.7 < float(cells[4])
    assert "15 of 15 that differ" in done.stdout
    assert "zebrawort" not in done.stdout.lower()


def test_findings_that_readers_left_open_do_not_count(cxr: Cli, tmp_path: Path) -> None:
    gold, judged = tmp_path / "gold.jsonl", tmp_path / "judged.jsonl"
    for path, answers in ((gold, (None, True)), (judged, (False, False))):
        findings = [{"observation": str(n), "status": "", "recalled": answer} for n, answer in enumerate(answers)]
        path.write_text(json.dumps({"id": "1", "reference": findings}) + "\n")
    done = cxr("agreement", gold, judged)
    assert "│ recalled │ 1 │" in done.stdout


def test_a_retest_is_of_one_judge(cxr: Cli, tmp_path: Path) -> None:
    first = _write(tmp_path / "first.jsonl", ["supported", "contradicted"], judge="a")
    again = _write(tmp_path / "again.jsonl", ["supported", "contradicted"], judge="a")
    other = _write(tmp_path / "other.jsonl", ["supported", "contradicted"], judge="b")
    assert cxr("agreement", first, again, "--retest").returncode == 0
    done = cxr("agreement", first, other, "--retest")
    assert done.returncode == 1
    assert "compares a judge with itself" in done.stderr


def test_what_cannot_be_compared_is_named(cxr: Cli, tmp_path: Path) -> None:
    gold = _write(tmp_path / "gold.jsonl", ["supported"])
    for name, text, expected in (
        ("empty.jsonl", "", "share 0 ids"),
        ("broken.jsonl", "{", "line 1"),
        ("twice.jsonl", '{"id": "0"}\n{"id": "0"}\n', "repeats the id"),
        ("others.jsonl", '{"id": "0", "findings": [{"observation": "x", "verdict": "supported"}]}\n', "other findings"),
    ):
        (tmp_path / name).write_text(text)
        done = cxr("agreement", gold, name)
        assert done.returncode == 1
        assert expected in done.stderr
