"""An ingest is one transaction: errors, kills and dry runs leave the store as it was, and a run names its files."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr.miner.ingest.corpus import REJECTS, REPORTS, Ingested, ReportBatch, text_hash
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.parallel import processors
from tests import mimic_corpus as mimic
from tests.conftest import Cli
from tests.forked import CXR
from tests.ingesting import content, corpus_of, frame, read_in, rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return mimic.write_mimic(tmp_path / "mimic")


def broken_on_the_way() -> Ingested:
    """Give a corpus whose reports break off after the first batch."""
    text = "FINDINGS: 1"

    def batches(_advance: object) -> Iterator[ReportBatch]:
        report = {"study_id": "x/1", "text": text, "text_hash": text_hash(text)}
        yield ReportBatch(frame(REPORTS, [report]), frame(REJECTS, []))
        raise InputError("a worker died")

    return corpus_of(["x/1"], batches=batches)


def test_an_error_in_the_middle_leaves_the_store_as_it_was(db: Path, folder: Path) -> None:
    read_in(db, folder)
    before = content(db)
    with pytest.raises(InputError, match="worker"):
        ingest(db, broken_on_the_way, lambda done, total: None)
    assert content(db) == before
    assert rows(db, "select status from runs order by started_at") == [("done",), ("failed",)]


def test_a_corpus_that_cannot_be_read_touches_no_store(cxr: Cli, db: Path, folder: Path) -> None:
    (folder / mimic.META_CSV).write_bytes(b"\x1f\x8b broken")
    done = cxr("ingest", "mimic-cxr", folder)
    assert done.returncode == 1
    assert mimic.META_CSV in done.stderr
    assert not db.exists()


def workers_of(process: "subprocess.Popen[bytes]") -> list[int]:
    """Give the worker processes that a process has started."""
    try:
        threads = Path(f"/proc/{process.pid}/task").iterdir()
        children = [child for thread in threads for child in (thread / "children").read_text().split()]
        return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:  # a thread or a process has ended meanwhile
        return []


def is_running(pid: int) -> bool:
    """Tell whether a process is there; one that ended and that nobody has asked about yet is not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until(state: Callable[[], object]) -> None:
    """Wait for a state, however long a loaded machine takes to reach it."""
    deadline = time.monotonic() + 100
    while not state():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_kill_in_the_middle_leaves_the_old_store_and_no_worker(
    db: Path, folder: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    if processors() == 1:
        pytest.skip("one processor reads alone")
    read_in(db, folder)
    before = content(db)
    text = "The lungs are clear. " * 9
    many = [
        mimic.Study(10000000 + number, 51000000 + number, "21800506", "80556.875", text, "Normal.")
        for number in range(2_500)
    ]
    large = mimic.write_zip(tmp_path / "large", many)
    process = subprocess.Popen(
        [CXR, "ingest", "mimic-cxr", str(large)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: process.poll() is not None or workers_of(process))
    process.send_signal(signal.SIGSTOP)  # its workers are only starting: it stands still in the middle
    if process.poll() is not None:
        pytest.skip("the ingest was over before it could be stopped")
    workers = workers_of(process)
    process.send_signal(stop)
    process.send_signal(signal.SIGCONT)
    process.wait(timeout=100)
    assert content(db) == before
    wait_until(lambda: not any(map(is_running, workers)))
    assert read_in(db, large).new == 2_500


# --- provenance, dry run, status ------------------------------------------------------------------------------------


def test_a_run_names_its_files_and_their_hashes(db: Path, folder: Path) -> None:
    read_in(db, folder)
    ((settings,),) = rows(db, "select settings from runs")
    recorded = json.loads(str(settings))
    assert {file["path"] for file in recorded["files"]} >= {mimic.ZIP, mimic.META_CSV, mimic.CHEXPERT_CSV}
    assert all(len(file["sha256"]) == 64 for file in recorded["files"])


def test_what_is_known_of_a_corpus_is_kept(db: Path, folder: Path) -> None:
    read_in(db, folder)
    ((layout, root, counts),) = rows(db, "select layout, image_root, counts from corpora")
    assert (layout, root) == ("zip", str(folder.resolve()))
    assert {"what": "reports", "found": 5, "published": 227_835} in counts  # type: ignore[operator]


def test_a_dry_run_prints_files_counts_and_what_is_missing_and_writes_nothing(cxr: Cli, db: Path, folder: Path) -> None:
    (folder / mimic.SPLIT_CSV).unlink()
    done = cxr("ingest", "mimic-cxr", folder, "--dry-run")
    assert done.returncode == 0
    assert mimic.ZIP in done.stdout
    assert "2.0.0" in done.stdout
    assert "227,835" in done.stdout
    assert mimic.SPLIT_CSV in done.stdout
    assert "cannot tell train from test" in done.stdout
    assert not db.exists()


def test_a_dry_run_without_reports_fails_before_anything_is_written(cxr: Cli, db: Path, tmp_path: Path) -> None:
    done = cxr("ingest", "mimic-cxr", tmp_path, "--dry-run")
    assert done.returncode == 1
    assert mimic.ZIP in done.stderr
    assert not db.exists()


def test_status_shows_counts_against_the_published_ones_prevalence_sections_and_splits(cxr: Cli, folder: Path) -> None:
    cxr("ingest", "mimic-cxr", folder)
    said = cxr("status").stdout
    for words in ("227,835", "377,110", "Pleural Effusion", "findings", "impression", "validate"):
        assert words in said, words


def test_no_report_text_is_printed_or_kept_outside_reports(cxr: Cli, db: Path, folder: Path) -> None:
    bad = mimic.report_text(mimic.STUDIES[0]).encode() + b"\xff"
    mimic.write_zip(folder, mimic.STUDIES[1:], {mimic.report_path(mimic.STUDIES[0]): bad})
    done = cxr("ingest", "mimic-cxr", folder)
    assert done.returncode == 4
    everything = done.stdout + done.stderr + str(rows(db, "select message from rejects"))
    assert "effusion" not in everything
