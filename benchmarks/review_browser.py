"""Read in real browsers: readers press the page's keys, while `cxr review` is killed at random moments.

    python benchmarks/review_browser.py [--reviews 600] [--readers 3] [--kills 10] [--pace 0]

Every reader has a headless Chromium of their own. What a reader entered is sought in the book afterwards; keys are
counted, and the page itself notes how long each item took from the last key to its drawn images. `--pace 36` waits as
a reader does, so that 600 reviews of three readers take two hours. Needs chromium, chromedriver and selenium.
"""

import json
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks.kit import parser
from benchmarks.review import AXES, Server, study
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.verify import problem_of
from tests.browser import open_chromium

_PATIENCE_S = 120
# Where the page stands: the item, whether both views are shown, whether all is done, and that all of it is saved.
_STANDS = """return [parseInt(document.getElementById('place').textContent.slice(5)) || 0,
  !!document.querySelector('.views'), !document.getElementById('end').hidden,
  document.getElementById('saved').textContent === 'Saved']"""


class Stands(NamedTuple):
    """Where a page stands: the item's place, 0 before the first one."""

    place: int
    is_second_look: bool
    is_end: bool
    is_saved: bool


@dataclass
class Reader:
    """One browser, what was entered in it, and how long it made its reader wait."""

    name: str
    server: Server
    keys: list[int] = field(default_factory=list)
    entered: dict[int, dict[str, list[int]]] = field(default_factory=dict)
    """The scores of each place: one's own, and the final ones of an adjudication."""
    shown_ms: list[float] = field(default_factory=list)
    done: int = 0

    def read(self, browser: "Chrome", reviews: int, pace_s: float) -> None:
        """Score items until so many are done, or none is left."""
        chance = random.Random(self.name)  # noqa: S311 - scores of nobody
        browser.get(f"http://127.0.0.1:{self.server.port}/r/{self.server.tokens[self.name]}/")
        self._until(browser, lambda stands: stands.place > 0)
        self._press(browser, [Keys.ENTER])
        while self.done < reviews:
            time.sleep(pace_s * chance.uniform(0.5, 1.5) if pace_s else 0)
            was = self._stands(browser)
            pressed = self._score(browser, was.place, chance)
            now = self._moved(browser, was)
            if now.is_second_look:
                pressed += self._settle(browser, was.place)
                now = self._until(browser, lambda now: not now.is_second_look or now.is_end)
            self.keys.append(pressed)
            self.done += 1
            if now.is_end:
                break
        self._until(browser, lambda stands: stands.is_saved)
        measured = "return performance.getEntriesByName('item shown').map((one) => one.duration)"
        self.shown_ms = browser.execute_script(measured)

    def _moved(self, browser: "Chrome", was: Stands) -> Stands:
        return self._until(browser, lambda now: now[:3] != was[:3])

    def _score(self, browser: "Chrome", position: int, chance: random.Random) -> int:
        """Say that all steps are right and give three scores; Enter behind the last one is done, and the next item."""
        scores = [chance.randint(-10, 10) for _ in AXES]
        keys = ["a"]
        for score in scores:
            keys += [*str(score), Keys.ENTER]
        self.entered[position] = {"own": scores}
        return self._press(browser, keys)

    def _settle(self, browser: "Chrome", position: int) -> int:
        """Let the own scores be the final word."""
        self.entered[position]["final"] = self.entered[position]["own"]
        return self._press(browser, ["y", Keys.ENTER])

    @staticmethod
    def _press(browser: "Chrome", keys: list[str]) -> int:
        ActionChains(browser, duration=0).send_keys(*keys).perform()
        return len(keys)

    @staticmethod
    def _stands(browser: "Chrome") -> Stands:
        return Stands(*browser.execute_script(_STANDS))

    def _until(self, browser: "Chrome", holds: Callable[[Stands], bool]) -> Stands:
        """Wait until where the page stands is as wanted, and return it."""
        found = [Stands(0, is_second_look=False, is_end=False, is_saved=False)]

        def look(_: object) -> bool:
            found[0] = self._stands(browser)
            return holds(found[0])

        try:
            WebDriverWait(browser, _PATIENCE_S, 0.02).until(look)
        except TimeoutException:
            raise SystemExit(f"{self.name}: the page stands at {found[0]} for {_PATIENCE_S} s") from None
        return found[0]


def wrong_in(book: ReviewBook, reader: Reader) -> list[str]:
    """Return what the book does not hold as this reader entered it."""
    wrong = []
    for position, entered in reader.entered.items():
        state = book.shown(reader.name, position)["state"]
        parts = {"own": state, "final": state.get("final")}
        for part, scores in entered.items():
            held = parts[part] or {}
            if [held.get(axis) for axis in AXES] != scores or not held.get("done"):
                wrong.append(f"{reader.name}, place {position}, {part}: {json.dumps(held)} is not {scores}")
    return wrong


def reading(folder: Path, reviews: int, count: int, kills: int, pace_s: float) -> None:
    names = [f"r{number}" for number in range(1, count + 1)]
    with study("--readers", ",".join(names), "--sample", "286", "--overlap", "1", "--repeats", "0.1") as server:
        server.start()
        readers = [Reader(name, server) for name in names]

        def sit(reader: Reader) -> None:
            with open_chromium(folder / reader.name, {"browser": "ALL"}) as browser:
                reader.read(browser, reviews // count, pace_s)

        threads = [threading.Thread(target=sit, args=(reader,)) for reader in readers]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        gone_s = [_kill_at(server, readers, threads, reviews * (number + 0.5) / kills) for number in range(kills)]
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        server.end(signal.SIGTERM)
        with ReviewBook(server.folder / "cxr.reviews.sqlite") as book:
            wrong = [line for reader in readers for line in wrong_in(book, reader)]
            changes = book.rows("select count(*), count(distinct event) from events where reader <> ''")[0]
            done, log = sum(book.progress(name).done for name in names), problem_of(book) or "whole"
        read = sum(reader.done for reader in readers)
        print(f"{read} reviews in {count} browsers in {took:.0f} s; {done} in the book")
        print(f"{kills} times SIGKILL, the server gone for {sum(gone_s):.0f} s in all")
        doubled = f"{changes[0] - changes[1]} of {changes[0]} changes doubled"
        print(f"{len(wrong)} lost or other than entered, {doubled}; the log: {log}")
        for line in wrong[:5]:
            print(f"    {line}")
        keys = [number for reader in readers for number in reader.keys]
        shown = sorted(one for reader in readers for one in reader.shown_ms)
        print(f"keys for a review: median {statistics.median(keys):.0f}, most {max(keys)}")
        print(f"the next item: median {statistics.median(shown):.0f} ms, p95 {shown[int(len(shown) * 0.95)]:.0f} ms")


def _kill_at(server: Server, readers: list[Reader], threads: list[threading.Thread], reviews: float) -> float:
    """Wait for so many reviews, kill the server, start it again, and return how long it was gone."""
    while sum(reader.done for reader in readers) < reviews and any(thread.is_alive() for thread in threads):
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.5))  # noqa: S311 - anywhere in a review
    began = time.perf_counter()
    server.end(signal.SIGKILL)
    server.start()
    return time.perf_counter() - began


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--reviews", type=int, default=600)
    options.add_argument("--readers", type=int, default=3)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--pace", type=float, default=0.0, help="seconds that a reader looks at an item")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as profiles:
        reading(Path(profiles), asked.reviews, asked.readers, asked.kills, asked.pace)


if __name__ == "__main__":
    main()
