"""Where files may lie, and what is said of them: a gap is no reject, a member is named, a release is found."""

import io
import tarfile
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Cli
from tests.mimic_corpus import STUDIES, write_jpg, write_mimic, write_tree


@pytest.mark.parametrize("release", ["2.1.0", "2.0.0"])
def test_the_folder_above_a_release_is_read(cxr: Cli, tmp_path: Path, release: str) -> None:
    write_tree(tmp_path / "mimic-cxr" / release)
    write_jpg(tmp_path / "mimic-cxr-jpg" / release)
    done = cxr("ingest", "mimic-cxr", "mimic-cxr", "--jpg", "mimic-cxr-jpg")
    assert done.returncode == 0, done.stderr
    assert f"{len(STUDIES)} new studies" in done.stderr


def test_a_study_without_a_time_of_day_is_kept_and_nothing_is_called_rejected(cxr: Cli, tmp_path: Path) -> None:
    write_mimic(tmp_path / "mimic", [one._replace(time="97812.0") for one in STUDIES[:3]])
    done = cxr("ingest", "mimic-cxr", "mimic")
    assert done.returncode == 0, done.stderr
    assert "rejected" not in done.stderr
    assert "3 rows were kept without a cell that does not read" in done.stderr
    assert "Gaps" in cxr("status").stdout
    assert "Gaps" in cxr("ingest", "mimic-cxr", "mimic", "--dry-run").stdout
    with duckdb.connect(str(tmp_path / "cxr.duckdb"), read_only=True) as store:
        assert store.execute("select count(*) from rejects").fetchall() == [(0,)]
        assert store.execute("select count(*), count(distinct gap_key) from gaps").fetchall() == [(3, 3)]
    again = cxr("ingest", "mimic-cxr", "mimic")
    assert "nothing to do" in again.stderr
    assert "3 rows were kept" in again.stderr


@pytest.mark.parametrize("size", [20_000_000, 90_000_000], ids=["one", "more than the archive may unpack to"])
def test_a_member_of_a_tar_that_is_too_large_is_named(cxr: Cli, tmp_path: Path, size: int) -> None:
    with tarfile.open(tmp_path / "NLMCXR_reports.tgz", "w:gz", compresslevel=1) as archive:
        info = tarfile.TarInfo("ecgen-radiology/7.xml")
        info.size = size
        archive.addfile(info, io.BytesIO(bytes(size)))
    done = cxr("ingest", "openi", ".")
    assert done.returncode in {1, 4}
    assert "ecgen-radiology/7.xml" in done.stderr
    assert f"{size:,} bytes" in done.stderr
