"""Image files: facts from headers, what is truncated or unreadable, and `cxr images check` on a store."""

import csv
import os
import random
import struct
from pathlib import Path

import pytest
from PIL import Image
from pydicom.uid import ImplicitVRLittleEndian, JPEGBaseline8Bit

from cxr.miner.images import facts as image_files
from cxr.miner.images.check import parse_roots
from cxr.miner.images.facts import FileFacts, read_facts
from cxr.miner.images.workers import read_files
from cxr.miner.kit.errors import SettingsError
from cxr.schemas.vocabulary import FileStatus
from tests.conftest import Cli
from tests.pictures import HEIGHT, WIDTH, dicom, picture
from tests.trees import write_rsna

WHOLE = {
    "png": picture("PNG"),
    "jpeg": picture("JPEG"),
    "progressive jpeg": picture("JPEG", progressive=True),
    "jpeg with exif": picture("JPEG", exif=b"Exif\0\0" + b"x" * 3000),
    "explicit dicom": dicom(),
    "implicit dicom": dicom(ImplicitVRLittleEndian),
    "compressed dicom": dicom(JPEGBaseline8Bit),
}


def facts_of(folder: Path, data: bytes) -> FileFacts:
    path = folder / "image"
    path.write_bytes(data)
    return read_facts(path)


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_the_size_stands_in_the_header(tmp_path: Path, data: bytes) -> None:
    facts = facts_of(tmp_path, data)
    assert (facts.status, facts.width, facts.height, facts.why) == (FileStatus.PRESENT, WIDTH, HEIGHT, None)


def test_a_dicom_header_tells_view_age_and_sex(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, WHOLE["explicit dicom"])
    assert (facts.view_position, facts.age, facts.sex) == ("PA", 61.0, "F")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_file_cut_anywhere_is_truncated(tmp_path: Path, data: bytes, share: float) -> None:
    facts = facts_of(tmp_path, data[: int(len(data) * share)])
    # A DICOM cut within its preamble of zeros is no DICOM yet.
    cut_early = data[128:132] == b"DICM" and len(data) * share < 132
    assert facts.status is (FileStatus.UNREADABLE if cut_early else FileStatus.TRUNCATED)


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_no_cut_and_no_flipped_byte_raises(tmp_path: Path, data: bytes) -> None:
    dice = random.Random(1)
    for _ in range(60):
        damaged = bytearray(data[: dice.randrange(len(data) + 1)])
        if damaged:
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        assert facts_of(tmp_path, bytes(damaged)).status in set(FileStatus)


def test_padding_after_the_end_is_no_damage(tmp_path: Path) -> None:
    assert facts_of(tmp_path, WHOLE["jpeg"] + b"\0" * 100).status is FileStatus.PRESENT
    assert facts_of(tmp_path, WHOLE["png"] + b"note").status is FileStatus.PRESENT


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", FileStatus.TRUNCATED),
        (b"\x89PN", FileStatus.TRUNCATED),
        (b"<html>Please log in</html>" * 20, FileStatus.UNREADABLE),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 0, b"IEND") + b"\0" * 4, FileStatus.UNREADABLE),
        (b"\xff\xd8\xff\xda\0\x02" + b"\0" * 99 + b"\xff\xd9", FileStatus.UNREADABLE),
        (b"\0" * 128 + b"DICM" + b"\xff" * 64, FileStatus.UNREADABLE),
    ],
)
def test_what_is_no_image_is_unreadable(tmp_path: Path, data: bytes, status: FileStatus) -> None:
    facts = facts_of(tmp_path, data)
    assert facts.status is status
    assert facts.why


def test_a_file_that_is_not_there_is_absent(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert read_facts(tmp_path / "no.png").status is FileStatus.ABSENT
    assert read_facts(tmp_path / "file/no.png").status is FileStatus.ABSENT
    assert read_facts(tmp_path).status is FileStatus.UNREADABLE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(WHOLE["png"])
    path.chmod(0)
    assert read_facts(path).status is FileStatus.UNREADABLE


def test_without_pydicom_a_dicom_is_there_and_the_reason_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "has_pydicom", lambda: False)
    facts = facts_of(tmp_path, WHOLE["explicit dicom"])
    assert (facts.status, facts.width) == (FileStatus.PRESENT, None)
    assert facts.why == 'DICOM headers need pydicom: pip install "cxr[images]"'


def test_real_images_are_whole_and_pillow_agrees_on_their_size(shared: Path) -> None:
    files = sorted((shared / "data/covid_chestxray/images").iterdir())
    assert len(files) == 275
    found = read_files([str(file) for file in files])
    for file, facts in zip(files, found, strict=True):
        with Image.open(file) as image:
            assert (facts.status, facts.width, facts.height) == (FileStatus.PRESENT, *image.size), file.name


def test_halves_of_real_images_are_truncated(shared: Path, tmp_path: Path) -> None:
    for file in sorted((shared / "data/covid_chestxray/images").iterdir())[:40]:
        data = file.read_bytes()
        assert facts_of(tmp_path, data[: len(data) // 2]).status is FileStatus.TRUNCATED, file.name


# --- the command -----------------------------------------------------------------------------------------------


def make_corpus(folder: Path) -> Path:
    folder.mkdir()
    for name, data in (
        ("whole.png", WHOLE["png"]),
        ("whole.jpg", WHOLE["jpeg"]),
        ("whole.dcm", WHOLE["explicit dicom"]),
        ("cut.jpg", WHOLE["jpeg"][:900]),
        ("page.jpg", b"<html>"),
    ):
        (folder / name).write_bytes(data)
    with (folder / "in.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["study_id", "report", "image"])
        names = ("whole.png", "whole.jpg", "whole.dcm", "cut.jpg", "page.jpg", "gone.jpg")
        writer.writerows([str(number), "Clear.", name] for number, name in enumerate(names))
    return folder


def statuses(cxr: Cli) -> dict[str, list[str]]:
    columns = "path, file_status, coalesce(width::varchar, '') as w, coalesce(height::varchar, '') as h"
    out = cxr("sql", "--format", "csv", f"select {columns} from images order by path").stdout
    return {cells[0]: cells[1:] for cells in csv.reader(out.splitlines()[1:])}


def test_images_check_finds_what_is_wrong_and_the_next_ingest_keeps_it(cxr: Cli, tmp_path: Path) -> None:
    make_corpus(tmp_path / "in")
    assert cxr("ingest", "csv", "in/in.csv", "--name", "ward").returncode == 0
    checked = cxr("images", "check")
    assert checked.returncode == 4, checked.stderr
    row = next(line for line in checked.stdout.splitlines() if "ward" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["ward", "6", "3", "1", "1", "1"]
    assert "cut.jpg" in checked.stdout
    expected = {
        "cut.jpg": ["truncated", "", ""],
        "gone.jpg": ["absent", "", ""],
        "page.jpg": ["unreadable", "", ""],
        "whole.dcm": ["present", "70", "40"],
        "whole.jpg": ["present", "70", "40"],
        "whole.png": ["present", "70", "40"],
    }
    assert statuses(cxr) == expected
    assert "0 images updated" in cxr("images", "check").stderr
    again = cxr("ingest", "csv", "in/in.csv", "--name", "ward")
    assert "nothing to do" in again.stderr
    assert statuses(cxr) == expected


def test_images_may_lie_somewhere_else(cxr: Cli, tmp_path: Path) -> None:
    folder = make_corpus(tmp_path / "in")
    assert cxr("ingest", "csv", "in/in.csv", "--name", "ward").returncode == 0
    folder.rename(tmp_path / "moved")
    lost = cxr("images", "check")
    assert "ward: 6 images were not looked at; say where they lie with --root ward=PATH" in lost.stderr
    assert cxr("images", "check", "--root", "ward=moved").returncode == 4


def test_many_files_are_checked_by_several_processes(cxr: Cli, tmp_path: Path) -> None:
    folder = write_rsna(tmp_path / "in", 4_200)
    images = folder / "stage_2_train_images"
    images.mkdir()
    for number in range(4_200):
        (images / f"{number:08x}-0000-4000-8000-000000000000.dcm").write_bytes(WHOLE["png"])
    assert cxr("ingest", "rsna", "in").returncode == 0
    checked = cxr("images", "check", "--workers", "2")
    assert checked.returncode == 0, checked.stderr
    assert "4,200 images updated in the store" in checked.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--root", "ward"], 2, "is no pair; expected CORPUS=PATH"),
        (["--root", "ward=nowhere"], 2, "nowhere is no folder"),
        (["--root", "other=in"], 1, "the store has no images of other; it has images of ward"),
    ],
)
def test_wrong_usage_gives_one_sentence(
    cxr: Cli, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    make_corpus(tmp_path / "in")
    assert cxr("ingest", "csv", "in/in.csv", "--name", "ward").returncode == 0
    result = cxr("images", "check", *arguments)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_store_without_images_says_so(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("study_id,report\n1,Clear.\n", "utf-8")
    assert cxr("ingest", "csv", "in.csv", "--name", "ward").returncode == 0
    result = cxr("images", "check")
    assert (result.returncode, "the store has no images" in result.stderr) == (1, True)


def test_roots_are_folders_by_corpus(tmp_path: Path) -> None:
    assert parse_roots([f"ward={tmp_path}"]) == {"ward": tmp_path}
    with pytest.raises(SettingsError, match="is no pair"):
        parse_roots(["=x"])
