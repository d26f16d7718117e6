"""Measure the readers' page over HTTP, against a real `cxr review` in a process of its own.

    python benchmarks/review.py saves [--saves 10000] [--clients 8]
    python benchmarks/review.py reading [--reviews 600] [--readers 3] [--kills 10] [--pace 0]
    python benchmarks/review.py paint

`saves`: how long a save takes from asking to answer, when so many clients save at once, and whether each one that was
answered is in the book after a SIGKILL. `reading`: readers score chains from their queues while the server is killed at
random moments; what was answered is sought in the book and in the store. `--pace 36` waits as a reader does, so that
600 reviews of three readers take two hours; without it they come as fast as they are taken. `paint`: what a browser
asks for before it shows a pair of DICOM images of 2,500 x 3,000 pixels, from a server that has just begun.
"""

import http.client
import io
import json
import os
import random
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kit import cxr, parser, sql
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.verify import problem_of

AXES = ("factuality", "validity", "completeness")
WIDTH, HEIGHT = 2_500, 3_000
_TRIED_AGAIN_S = 0.1
_LINK_OPENED_S = 3.0
"""Nobody opens a link sooner after it was printed."""


@dataclass
class Server:
    """`cxr review` in a folder, which can be killed and started again at the same port."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> float:
        """Start it, read its links, and return the seconds that it took."""
        began = time.perf_counter()
        command = [sys.executable, "-m", "cxr", "review", "--port", str(self.port), *self.options]
        environment = {**os.environ, "CXR_DB": str(self.folder / "cxr.duckdb")}
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        for _ in self.tokens:
            found = re.fullmatch(r"(\S+)  http://127\.0\.0\.1:(\d+)/r/(\S+)/\n", self.process.stdout.readline())
            if found is None:
                raise SystemExit(f"cxr review did not begin: {self.process.communicate()[1]}")
            self.port, self.tokens[found[1]] = int(found[2]), found[3]
        return time.perf_counter() - began

    def end(self, number: int) -> str:
        """Send a signal, wait for the end, and return what was said."""
        assert self.process is not None
        self.process.send_signal(number)
        _, said = self.process.communicate()
        if number == signal.SIGTERM and self.process.returncode:
            raise SystemExit(f"cxr review ended with {self.process.returncode}: {said}")
        return said


@dataclass
class Reader:
    """One client: a connection that is kept, and changes that are sent until they are answered, as the page does."""

    server: Server
    name: str
    connection: http.client.HTTPConnection | None = None
    took_s: list[float] = field(default_factory=list)
    answered: dict[str, tuple[int, str, Any]] = field(default_factory=dict)
    """Place, field and value of each change whose save was answered."""
    tried_again: int = 0

    def ask(self, path: str, body: Any = None) -> Any:
        """Return the answer to a request; a server that is not there is asked again."""
        sent = None if body is None else json.dumps(body)
        while True:
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
                address = f"/r/{self.server.tokens[self.name]}/{path}"
                headers = {"Content-Type": "application/json"} if sent else {}
                self.connection.request("POST" if sent else "GET", address, sent, headers)
                answer = self.connection.getresponse()
                said = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                self.connection = None
                self.tried_again += 1
                time.sleep(_TRIED_AGAIN_S)
                continue
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status} {said}")
            return said

    def save(self, position: int, *changes: tuple[str, Any, Any]) -> Any:
        """Save changes of (field, old, new), and note how long that took."""
        made = [{"event": uuid.uuid4().hex, "field": name, "old": old, "new": new} for name, old, new in changes]
        began = time.perf_counter()
        said = self.ask(f"items/{position}", {"changes": made, "seconds": 1.0})
        self.took_s.append(time.perf_counter() - began)
        self.answered.update({one["event"]: (position, one["field"], one["new"]) for one in made})
        return said


def told(name: str, seconds: list[float]) -> None:
    """Print how long something took, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    print(f"{name}: p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms, longest {max(seconds) * 1e3:.1f} ms")


def lost_and_doubled(book: ReviewBook, readers: list[Reader]) -> str:
    """Return what is not in the book of what was answered, what is twice, and whether the log is whole."""
    rows = book.rows("select event, reader, position, field, new from events")
    there = {event: (reader, position, name, json.loads(new)) for event, reader, position, name, new in rows if reader}
    answered = {event: (one.name, *said) for one in readers for event, said in one.answered.items()}
    lost = sum(there.get(event) != said for event, said in answered.items())
    doubled = len(rows) - len({event for event, *_ in rows})
    return f"{lost} of {len(answered):,} changes lost, {doubled} doubled; the log: {problem_of(book) or 'whole'}"


def in_threads(work: list[threading.Thread]) -> None:
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()


@contextmanager
def study(*options: str) -> Iterator[Server]:
    """Serve a study of the demo's chains."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cxr(folder, "demo", CXR_DB="cxr.duckdb")
        (folder / "cxr-demo.duckdb").rename(folder / "cxr.duckdb")
        server = Server(folder, options)
        readers = options[options.index("--readers") + 1].split(",")
        server.tokens = dict.fromkeys(readers, "")
        try:
            yield server
        finally:
            if server.process is not None and server.process.poll() is None:
                server.end(signal.SIGKILL)


def saves(count: int, clients: int) -> None:
    names = [f"r{number}" for number in range(1, clients + 1)]
    with study("--readers", ",".join(names), "--sample", "280", "--repeats", "0") as server:
        print(f"the server began within {server.start():.1f} s")
        readers = [Reader(server, name) for name in names]

        def client(reader: Reader) -> None:
            of, words = len(reader.ask("queue")["places"]), dict[int, str]()
            for number in range(count // clients):
                place, said = number % of + 1, f"word {number}"
                reader.save(place, ("comment", words.get(place, ""), said))
                words[place] = said

        began = time.perf_counter()
        in_threads([threading.Thread(target=client, args=(reader,)) for reader in readers])
        took = time.perf_counter() - began
        server.end(signal.SIGKILL)
        every = [seconds for reader in readers for seconds in reader.took_s]
        print(f"{len(every):,} saves by {clients} clients in {took:.1f} s, {len(every) / took:,.0f} a second")
        told("a save", every)
        with ReviewBook(server.folder / "cxr.reviews.sqlite") as book:
            print(f"after SIGKILL: {lost_and_doubled(book, readers)}")


def reading(reviews: int, count: int, kills: int, pace_s: float) -> None:
    names = [f"r{number}" for number in range(1, count + 1)]
    options = ("--readers", ",".join(names), "--sample", "286", "--overlap", "1", "--repeats", "0.1")
    with study(*options) as server:
        server.start()
        readers, began = [Reader(server, name) for name in names], time.perf_counter()
        share, done = reviews // count, dict.fromkeys(names, 0)
        waited: list[float] = []

        def read(reader: Reader, chance: random.Random) -> None:
            place = reader.ask("queue")["next"]
            while place is not None and done[reader.name] < share:
                asked = time.perf_counter()
                item = reader.ask(f"items/{place}")
                waited.append(time.perf_counter() - asked)
                place = review(reader, item, chance, pace_s)
                done[reader.name] += 1

        chances = [random.Random(name) for name in names]  # noqa: S311 - scores of nobody
        threads = [threading.Thread(target=read, args=both, daemon=True) for both in zip(readers, chances, strict=True)]
        for thread in threads:
            thread.start()
        restarts = [_kill_at(server, done, share * count * (number + 0.5) / kills) for number in range(kills)]
        for thread in threads:
            thread.join()
        said = server.end(signal.SIGTERM)
        took = time.perf_counter() - began
        print(f"{sum(done.values()):,} reviews by {count} readers in {took:.0f} s; {len(restarts)} times SIGKILL,")
        print(f"    back within {max(restarts):.1f} s; {sum(one.tried_again for one in readers)} requests tried again")
        told("an item", waited)
        told("a save", [seconds for reader in readers for seconds in reader.took_s])
        with ReviewBook(server.folder / "cxr.reviews.sqlite") as book:
            print(lost_and_doubled(book, readers))
            finished = sum(book.progress(name).done for name in names)
        rows = "select count(*) as n, count(distinct (reviewer, item_id, round)) as d from reviews"
        print(f"{finished} reviews are done in the book; in the store: {sql(server.folder, rows)[0]}")
        print(said.strip())


def review(reader: Reader, item: dict[str, Any], chance: random.Random, pace_s: float) -> int | None:
    """Score one item as a reader does, a save for each key, and return the next place."""
    time.sleep(pace_s * chance.uniform(0.5, 1.5) if pace_s else 0)
    place, state = item["position"], item["state"]
    prefix = "final." if item["others"] is not None else ""
    before = state["final"] if prefix else state
    for axis in AXES:
        reader.save(place, (f"{prefix}{axis}", before[axis], chance.randint(-10, 10)))
    if item["steps"] and not prefix:
        reader.save(place, ("steps.1", state["steps"].get("1"), {"verdict": "right", "attribute": None}))
    said = reader.save(place, (f"{prefix}done", before["done"], True))
    if item["round"] == "adjudication" and not prefix:
        return review(reader, reader.ask(f"items/{place}"), chance, 0)
    following: int | None = said["next"]
    return following


def _kill_at(server: Server, done: dict[str, int], reviews: float) -> float:
    """Wait for so many reviews, kill the server in the middle of a save, start it, and return the seconds gone."""
    while sum(done.values()) < reviews:
        if server.process is None or server.process.poll() is not None:
            raise SystemExit("cxr review has ended, and nobody here told it to")
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.02))  # noqa: S311 - anywhere in a save
    server.end(signal.SIGKILL)
    return server.start()


def paint() -> None:
    with study("--readers", "r1", "--sample", "20") as server:
        cxr(server.folder, "review", *server.options, "--no-serve", CXR_DB="cxr.duckdb")
        kinds = {"plain": False, "JPEG 2000": True}
        for name, is_compressed in kinds.items():
            paths = [server.folder / f"{name} {number}.dcm" for number in range(2)]
            for number, path in enumerate(paths):
                path.write_bytes(_radiograph(number, is_compressed=is_compressed))
            _show(server.folder / "cxr.reviews.sqlite", paths)
            server.start()
            time.sleep(_LINK_OPENED_S)
            began, took = time.perf_counter(), {}
            previews = [f"images/1/{number}?side=1024" for number in range(2)]
            for what in ([""], ["queue"], ["items/1"], previews):
                since = time.perf_counter()
                size = _fetched(server, what)
                took[what[0] or "page"] = f"{(time.perf_counter() - since) * 1e3:.0f} ms, {size / 1e3:,.0f} KB"
            total = time.perf_counter() - began
            print(f"{name}: page, queue, item and two previews within {total * 1e3:.0f} ms: {took}")
            began = time.perf_counter()
            size = _fetched(server, [f"images/1/{number}" for number in range(2)])
            print(f"    both in full ({size / 1e6:.0f} MB) within {(time.perf_counter() - began) * 1e3:.0f} ms more")
            server.end(signal.SIGTERM)


def _fetched(server: Server, paths: list[str]) -> int:
    """Ask for several things at once, as a browser does, and return how many bytes they were."""
    sizes: list[int] = []

    def fetch(path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", f"/r/{server.tokens['r1']}/{path}")
        answer = connection.getresponse()
        sizes.append(len(answer.read()) if answer.status == 200 else sys.maxsize)
        connection.close()

    in_threads([threading.Thread(target=fetch, args=(path,)) for path in paths])
    if sum(sizes) >= sys.maxsize or len(sizes) < len(paths):
        raise SystemExit(f"{paths}: not all were answered")
    return sum(sizes)


def _show(book: Path, paths: list[Path]) -> None:
    """Let every item of a book show these images, behind the book's back: nobody takes it in here."""
    told = [{"which": "current", "no": no, "view": "PA"} for no in range(len(paths))]
    with suppress(sqlite3.ProgrammingError), sqlite3.connect(book) as connection:
        for item, content in connection.execute("select item_id, content from items").fetchall():
            shown = json.dumps({**json.loads(content), "images": told})
            connection.execute(
                "update items set content = ?, images = ? where item_id = ?",
                (shown, json.dumps(list(map(str, paths))), item),
            )
    connection.close()


def _radiograph(seed: int, *, is_compressed: bool) -> bytes:
    """Return a DICOM file of twelve bits that compresses about as a radiograph does."""
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415
    from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: PLC0415
    from pydicom.encaps import encapsulate  # noqa: PLC0415
    from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless  # noqa: PLC0415

    noise = np.random.default_rng(seed).integers(0, 4096, (HEIGHT // 50, WIDTH // 50)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    grain = np.random.default_rng(seed).normal(0, 6, (HEIGHT, WIDTH))
    pixels = (smooth + grain).clip(0, 4095).astype(np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEG2000Lossless if is_compressed else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID("1.2.840.10008.5.1.4.1.1.1.1"), UID("1.2.3")
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.Rows, made.Columns, made.NumberOfFrames = HEIGHT, WIDTH, 1
    made.SamplesPerPixel, made.BitsAllocated, made.BitsStored, made.HighBit = 1, 16, 12, 11
    made.PixelRepresentation, made.PhotometricInterpretation = 0, "MONOCHROME2"
    made.WindowCenter, made.WindowWidth = 2048, 4096
    buffer = io.BytesIO()
    if is_compressed:
        Image.fromarray(pixels).save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
    made.PixelData = encapsulate([buffer.getvalue()]) if is_compressed else pixels.tobytes()
    made["PixelData"].VR = "OB" if is_compressed else "OW"
    made["PixelData"].is_undefined_length = is_compressed
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("what", choices=("saves", "reading", "paint"))
    options.add_argument("--saves", type=int, default=10_000)
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--reviews", type=int, default=600)
    options.add_argument("--readers", type=int, default=3)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--pace", type=float, default=0.0, help="seconds that a reader looks at an item")
    asked = options.parse_args()
    if asked.what == "saves":
        saves(asked.saves, asked.clients)
    elif asked.what == "reading":
        reading(asked.reviews, asked.readers, asked.kills, asked.pace)
    else:
        paint()


if __name__ == "__main__":
    main()
