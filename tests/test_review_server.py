"""The server of the readers' page: who is let in, what is answered to what, and what every answer carries."""

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr.miner.review.book import ReviewBook
from cxr.miner.review.refusals import DiskRefused
from cxr.miner.review.server import listen
from tests.pictures import dicom_of
from tests.reviewing import REPORT, Client, change, served, write_book

DEEP = np.linspace(1000, 5000, 60 * 40).reshape(40, 60).astype(np.uint16)
TOKENS = {"r1": "token-of-the-first", "r2": "token-of-the-second"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with a DICOM file, a PNG that ends early, and a file that is not there."""
    folder = tmp_path_factory.mktemp("review")
    (folder / "patient.dcm").write_bytes(dicom_of(DEEP, BitsStored=13, HighBit=12, WindowCenter=3000, WindowWidth=999))
    Image.fromarray(DEEP).save(folder / "patient.png")
    (folder / "patient.png").write_bytes((folder / "patient.png").read_bytes()[:100])
    images = [str(folder / name) for name in ("patient.dcm", "patient.png", "patient.gone")]
    with served(write_book(folder / "book.sqlite", TOKENS, items=8, images=images)) as client:
        yield client


def test_a_reader_goes_from_place_to_place(client: Client) -> None:
    status, queue = client.json("queue")
    assert (status, queue["reader"], queue["next"], len(queue["places"])) == (200, "r1", 1, 8)
    status, item = client.json("items/1")
    assert (status, item["reports"][0]["text"], item["state"]["factuality"]) == (200, REPORT, None)
    scores = [change(axis, score) for axis, score in (("factuality", 7), ("validity", -3), ("completeness", 10))]
    status, saved = client.save(1, *scores, change("done", True, False))
    assert (status, saved["next"], saved["done"], saved["of"]) == (200, 2, 1, 8)
    assert client.json("items/1")[1]["state"] == saved["state"]
    assert client.json("queue")[1]["next"] == 2
    other = Client(client.port, TOKENS["r2"])
    assert other.json("queue")[1]["next"] == 1, "readers do not see each other"
    assert other.json("items/1")[1]["state"]["factuality"] is None


def test_small_answers_are_sent_at_once() -> None:
    """Else each waits until the browser has acknowledged its first half, 40 ms later; asyncio looks at this."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_a_save_that_is_sent_twice_is_written_once(client: Client) -> None:
    one = change("comment", "blurred", "")
    assert client.save(2, one) == client.save(2, one)


def test_of_two_tabs_the_slower_one_is_told_what_stands_there(client: Client) -> None:
    assert client.save(3, change("factuality", 4))[0] == 200
    status, told = client.save(3, change("factuality", 9))
    assert (status, told["state"]["factuality"], "elsewhere" in told["error"]) == (409, 4, True)


@pytest.mark.parametrize("path", ["/r/unknown/queue", "/r/unknown/items/1", "/r/unknown/images/1/0", "/r/unknown/"])
def test_an_unknown_token_is_let_in_nowhere(client: Client, path: str) -> None:
    status, _, said = client.ask(path)
    assert status == 403
    assert b"link is not known here" in said


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("items/9", 404), ("items/0", 404), ("items/x", 404), ("items/-1", 404), ("items/" + "9" * 5000, 404),
        ("items/٣", 404), ("images/1/3", 404), ("images/9/0", 404), ("images/1/99999999999999999999", 404),
        ("images/1/0?side=0", 422), ("images/1/0?side=x", 422), ("images/1/0?side=99999999999", 422),
        ("nowhere", 404), ("../../static/nothing.js", 404),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_one_sentence(client: Client, path: str, status: int) -> None:
    found, headers, said = client.ask(f"/r/{client.token}/{path.replace('٣', '%D9%A3')}")
    assert (found, headers["Content-Type"], set(json.loads(said))) == (status, "application/json", {"error"})


BAD_SAVES: list[object] = [
    b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"changes": [], "seconds": NaN, "x": ' + b"1" * 5000 + b"}",
    {"changes": []}, {"changes": {}, "seconds": 1}, {"changes": [1], "seconds": 1}, {"changes": [], "seconds": None},
    {"changes": [{"event": "x" * 10}], "seconds": 1}, {"changes": [change("comment", "x", "")] * 1001, "seconds": 1},
    *({"changes": [one], "seconds": 1} for one in (
        change("factuality", 11), change("factuality", 1.5), change("factuality", True), change("factuality", "7"),
        change("verdict", "right"), change("engine", "rules"), change("steps.2", {"verdict": "right"}),
        change("steps.1", {"verdict": "good"}), change("done", 1, False), change("done", True, False),
        change("final.factuality", 3), change("comment", "x" * 4001, ""),
        {**change("validity", 3), "event": 5},
    )),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_SAVES, ids=lambda body: repr(body)[:40])
def test_a_save_that_is_none_is_refused_and_nothing_is_written(client: Client, body: object) -> None:
    before = client.json("items/4")[1]["state"]
    status, told = client.json("items/4", body)
    assert (status, set(told)) == (422, {"error"})
    assert client.json("items/4")[1]["state"] == before


def test_odd_seconds_are_taken_for_none(client: Client) -> None:
    for seconds in ("1e999", "-1e999", "-5", "NaN", "1e30"):
        body = f'{{"changes": [], "seconds": {seconds}}}'.encode()
        assert client.json("items/4", body)[0] == 200


def test_text_of_any_kind_comes_back_as_it_was_said(client: Client) -> None:
    said = "<script>alert('x')</script>\x1b[31m ∑ \u202e"
    status, saved = client.save(5, change("comment", said, ""))
    assert (status, saved["state"]["comment"]) == (200, said)
    assert client.json("items/5")[1]["state"]["comment"] == said
    assert client.save(5, change("missing", "\x00 \ud800", ""))[0] == 200, "what no file can hold ends nothing"


def test_more_than_a_review_is_refused(client: Client) -> None:
    status, told = client.json("items/4", b"x" * 1_000_001)
    assert (status, "1,000,000" in told["error"]) == (413, True)


FOREIGN = ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "a@127.0.0.1", "[", "127.0.0.1@a.example"]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_answered_nothing(client: Client, host: str) -> None:
    for path in ("/", f"/r/{client.token}/queue", "/static/app.js"):
        status, _, said = client.ask(path, Host=host)
        assert (status, b"not its own" in said) == (421, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:9000", "[::1]:80", "LOCALHOST"])
def test_this_machine_has_more_names_than_one(client: Client, host: str) -> None:
    """Readers may come through `ssh -L`, which has a port of its own."""
    assert client.ask(f"/r/{client.token}/queue", Host=host)[0] == 200
    assert client.ask(f"/r/{client.token}/items/4", {"changes": [], "seconds": 0}, Host=host,
                      Origin=f"http://{host}".lower())[0] == 200  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "http://["},
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
    ],
)  # fmt: skip
def test_a_change_from_a_page_of_elsewhere_is_refused(client: Client, headers: dict[str, str]) -> None:
    status, _, said = client.ask(f"/r/{client.token}/items/4", {"changes": [], "seconds": 1}, **headers)
    assert (status, b"somewhere else" in said) == (403, True)


def test_a_change_is_json_which_no_foreign_form_can_send(client: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert client.ask(f"/r/{client.token}/items/4", b"{}", Content_Type=kind)[0] == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    assert client.ask(f"/r/{client.token}/items/4", b"{}", method)[0] in {405, 415}


def test_every_answer_says_that_nothing_comes_from_elsewhere(client: Client) -> None:
    own = f"/r/{client.token}/"
    for path in (own, f"{own}queue", f"{own}items/1", f"{own}images/1/0", "/static/app.js", "/r/unknown/", "/nowhere"):
        _, headers, _ = client.ask(path)
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert {"script-src", "style-src", "connect-src"} <= policy.keys()
        assert all("http" not in where and "*" not in where and "unsafe" not in where for where in policy.values())
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == ("no-cache" if "static" in path else "no-store")
        assert headers["Server"] is None


def test_the_page_and_its_files(client: Client) -> None:
    status, headers, page = client.ask(f"/r/{client.token}/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"/static/app.js" in page
    status, headers, _ = client.ask("/static/app.js")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/javascript")
    assert client.ask("/static/app.js", If_None_Match=headers["ETag"])[0] == 304
    assert client.ask("/static/../app.py")[0] == 404
    assert client.ask("/static/%2e%2e/app.py")[0] == 404
    status, headers, _ = client.ask(f"/r/{client.token}")
    assert (status, headers["Location"].endswith(f"/r/{client.token}/")) == (307, True)
    status, headers, said = client.ask("/")
    assert (status, headers["Content-Type"].partition(";")[0], b"link" in said) == (404, "text/html", True)


def test_samples_are_sent_with_all_their_bits(client: Client) -> None:
    item = client.json("items/1")[1]
    assert [item["images"][0][name] for name in ("no", "width", "height", "bits")] == [0, 60, 40, 13]
    status, headers, body = client.ask(f"/r/{client.token}/images/1/0")
    assert (status, headers["X-Bits"], headers["X-Width"], headers["X-Window-Width"]) == (200, "16", "60", "998")
    assert np.frombuffer(body, "<u2").reshape(40, 60).tolist() == DEEP.tolist()
    status, headers, body = client.ask(f"/r/{client.token}/images/1/0?side=30")
    assert (status, headers["X-Width"], headers["X-Height"], len(body)) == (200, "30", "20", 1200)


def test_an_item_whose_images_are_missing_or_broken_stays_readable(client: Client) -> None:
    status, item = client.json("items/1")
    assert (status, item["reports"][0]["text"]) == (200, REPORT)
    problems = [one["problem"] for one in item["images"]]
    assert problems[0] is None
    assert "damaged" in problems[1]
    assert "missing" in problems[2]
    for no, expected in ((1, 422), (2, 404)):
        status, told = client.json(f"images/1/{no}")
        assert (status, told["error"], "patient" in told["error"]) == (expected, problems[no], False)


def test_a_repeat_comes_unannounced(tmp_path: Path) -> None:
    book = write_book(tmp_path / "book.sqlite", TOKENS)
    with sqlite3.connect(book) as connection:
        connection.execute("update places set round = 'repeat' where position = 3")
    connection.close()
    with served(book) as client:
        assert {place["round"] for place in client.json("queue")[1]["places"]} == {"first"}
        assert client.json("items/3")[1]["round"] == "first"


def test_a_closed_study_takes_nothing_and_says_so(tmp_path: Path) -> None:
    book = write_book(tmp_path / "book.sqlite", TOKENS)
    with served(book) as client:
        assert client.save(1, change("factuality", 7))[0] == 200
        with sqlite3.connect(book) as connection:
            connection.execute("update study set closed_at = 'now'")
        connection.close()
        assert client.save(1, change("factuality", 8, 7))[0] == 410
        status, headers, said = client.ask(f"/r/{client.token}/")
        assert (status, headers["Content-Type"].partition(";")[0], b"closed" in said) == (410, "text/html", True)


def test_a_full_disk_is_told_and_the_next_try_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = threading.Event()
    save = ReviewBook.save

    def refused(self: ReviewBook, *given: object) -> object:
        if full.is_set():
            raise DiskRefused("book.sqlite: the disk is full; free some space")
        return save(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(ReviewBook, "save", refused)
    with served(write_book(tmp_path / "book.sqlite", TOKENS)) as client:
        one = change("factuality", 7)
        full.set()
        assert client.save(1, one)[0] == 507
        full.clear()
        assert client.save(1, one)[0] == 200


def test_a_page_that_is_closed_in_the_middle_of_a_save_is_no_defect(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    head = f"POST /r/{client.token}/items/6 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", client.port)) as line:
        line.sendall(f'{head}Content-Length: 500\r\n\r\n{{"changes": ['.encode())
    assert client.json("items/6")[1]["state"]["comment"] == ""
    assert capsys.readouterr().err == ""


def test_a_defect_ends_one_answer_and_shows_nothing_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(REPORT)

    monkeypatch.setattr(ReviewBook, "shown", broken)
    with served(write_book(tmp_path / "book.sqlite", TOKENS)) as client:
        status, told = client.json("items/1")
        assert (status, "defect" in told["error"], "effusion" in told["error"]) == (500, True, False)
        assert client.json("queue")[0] == 200
    said = capsys.readouterr().err
    assert "defect" in said
    assert "effusion" not in said
    assert client.token not in said
