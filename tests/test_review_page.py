"""The readers' page in a real browser, over the real server: by keyboard alone, with everything that may go wrong.

Needs Debian's `chromium` and `chromium-driver`, and selenium; TESTS_REQUIRE_BROWSER=1 makes their absence a failure.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cxr.miner import review
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.refusals import DiskRefused
from cxr.miner.review.server import listen
from tests.browser import HAS_SELENIUM, chromium_of_tests, log, luminance, requests
from tests.review_desk import FINDING, FIRST, HOSTILE, PAIR, chain, done_by, picture, write_desk
from tests.reviewing import served

if HAS_SELENIUM:
    from selenium.webdriver import ActionChains, Chrome
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

WAIT_S = 20
ALL_RIGHT = {str(no): {"verdict": "right", "attribute": None} for no in (1, 2, 3)}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    with chromium_of_tests(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three radiographs of 16 bits, and one that is not there."""
    folder = tmp_path_factory.mktemp("pictures")
    one = picture(folder / "one.png", 400, 480)
    return [one, picture(folder / "two.png", 300, 360), one, folder / "gone.png"]


class Page:
    """A reader at the page."""

    def __init__(self, browser: "Chrome", origin: str, reader: str) -> None:
        self.browser, self.origin, self.link = browser, origin, f"{origin}/r/{reader}/"
        browser.get("about:blank")
        log(browser, "browser")
        requests(browser)
        browser.get(self.link)
        self.until(lambda: self.text("#place") or self.shown("#end") or self.shown("#notice"))

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        ActionChains(self.browser, duration=0).send_keys(*keys).perform()

    def control_enter(self) -> None:
        ActionChains(self.browser, duration=0).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(
            Keys.CONTROL
        ).perform()

    def text(self, selector: str) -> str:
        return str(self.run(f"return document.querySelector({json.dumps(selector)})?.textContent ?? ''"))

    def texts(self, selector: str) -> list[str]:
        found = f"document.querySelectorAll({json.dumps(selector)})"
        return list(self.run(f"return [...{found}].map((one) => one.textContent)"))

    def shown(self, selector: str) -> bool:
        return any(element.is_displayed() for element in self.browser.find_elements("css selector", selector))

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_script(script, *given)

    def at(self) -> str:
        """Say where the focus is: a step's number, a field, or the element's id."""
        return str(self.run("const at = document.activeElement; return at.dataset.no ?? at.dataset.field ?? at.id"))

    def until(self, holds: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, WAIT_S, 0.02).until(lambda _: holds())

    def item(self, position: int) -> None:
        """Wait for an item, with its images drawn."""
        self.until(lambda: self.text("#place").startswith(f"Item {position} of"))
        self.until(lambda: not self.shown(".pane.waiting"))

    def saved(self) -> None:
        self.until(lambda: self.text("#saved") == "Saved")

    def clean(self) -> None:
        """Nothing went wrong in the console, and nothing was asked of anybody else."""
        told = [entry["message"] for entry in log(self.browser, "browser") if entry["level"] in {"SEVERE", "WARNING"}]
        assert [message for message in told if "getImageData" not in message] == []  # that is what a test does
        foreign = [
            url for url in requests(self.browser) if not url.startswith((self.origin, "data:", "chrome", "about:"))
        ]
        assert foreign == []


@contextmanager
def opened(browser: "Chrome", book: Path, reader: str = "r1") -> Iterator[Page]:
    """Serve a book, and open a reader's page."""
    with served(book) as client:
        yield Page(browser, f"http://127.0.0.1:{client.port}", reader)


def state_of(book: Path, position: int = 1, reader: str = "r1") -> dict[str, Any]:
    with ReviewBook(book) as read:
        return dict(read.shown(reader, position)["state"])


def test_a_readers_first_ten_minutes_by_keyboard_alone(
    chromium: "Chrome", tmp_path: Path, pictures: list[Path]
) -> None:
    items = [(PAIR, pictures[:3]), (chain(HOSTILE), []), (FINDING, []), (chain(images=[FIRST]), pictures[3:])]
    book = write_desk(tmp_path / "book", items, {"r1": [(number, "first") for number in (1, 2, 3, 4)]})
    with opened(chromium, book) as page:
        assert page.shown("#help"), "a newcomer is told the keys"
        page.press(Keys.ENTER)
        page.item(1)
        assert not page.shown("#help")
        page.until(lambda: page.at() == "1")
        assert len(page.texts(".pane")) == 2
        assert page.texts("#report article h3") == ["Report of the prior image", "Report of the current image"]

        page.press("r")
        assert page.at() == "2", "a step that is judged hands on to the next"
        assert page.texts("mark") == ["small left pleural effusion", "Small left pleural effusion"]
        assert {*page.texts("article[data-which=prior] mark")} == set()
        page.press("w", "3")
        assert page.at() == "3"
        assert page.texts("mark") == []
        page.press("u")
        assert page.at() == "factuality"
        page.press("8", Keys.ENTER, "-", "3", Keys.ENTER, "1", "0")
        assert page.texts(".axis output") == [
            "8 right in all that matters",
            "\N{MINUS SIGN}3 gaps that decide",
            "10 nothing is missing",
        ]
        page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, "m", "the heart", Keys.ESCAPE)
        assert page.at() == "completeness"
        page.press("n", "blurred <i>", Keys.ESCAPE, Keys.ENTER)

        page.item(2)
        page.press(Keys.ARROW_DOWN)
        assert page.texts("mark") == ["effusion"], "offsets count an emoji once"
        assert page.text("#report-text .words").startswith("<b>Small</b> \N{LUNGS} effusion on the left <script>")
        assert (page.browser.title, page.texts("#report-text script, #report-text img, #report-text b")) == (
            "Review invented", []
        )  # fmt: skip
        page.press("s")
        assert not page.shown("#report-text .words")
        page.press("s", "a")
        assert page.at() == "factuality"
        page.press(Keys.ENTER, Keys.ENTER, Keys.ENTER)
        assert "Still lacking: Factuality" in page.text("#said")
        page.press("x", Keys.ENTER)

        page.item(3)
        assert page.text("#question") == "right effusion"
        page.press("2", Keys.ENTER)

        page.item(4)
        assert page.text(".problem").startswith("The image file is missing")
        page.press("a", "7", Keys.ENTER, "0", Keys.ENTER, "-", "1", "0")
        page.press(Keys.ARROW_UP, "5")
        page.control_enter()
        page.until(lambda: page.shown("#end"))
        assert "All 4 items are done" in page.text("#end-said")
        page.press("<")
        page.item(4)
        page.saved()
        page.clean()
    first = state_of(book)
    assert first["steps"] == {
        "1": {"verdict": "right", "attribute": None},
        "2": {"verdict": "wrong", "attribute": "side"},
        "3": {"verdict": "unnecessary", "attribute": None},
    }
    assert [first[name] for name in ("factuality", "validity", "completeness")] == [8, -3, 8]
    assert (first["missing"], first["comment"], first["done"]) == ("the heart", "blurred <i>", True)
    second = state_of(book, 2)
    assert (second["steps"], second["cannot_judge"], second["done"]) == (ALL_RIGHT, True, True)
    assert state_of(book, 3)["verdict"] == "contradicted"
    fourth = state_of(book, 4)
    assert [fourth[name] for name in ("factuality", "validity", "completeness")] == [7, 5, -10]


def test_an_adjudicator_sees_both_views_after_the_own_and_says_what_stands(chromium: "Chrome", tmp_path: Path) -> None:
    queue = [(1, "first")]
    book = write_desk(tmp_path / "book", [(chain(), [])], {"r1": queue, "r2": queue, "r3": []})
    with opened(chromium, book, "r3") as page:
        assert "nothing to read" in page.text("#end-said")
        with ReviewBook(book) as written:
            done_by(written, "r1", 1, 8, 8, 9, comment="fine")
            done_by(written, "r2", 1, -3, 2, 4, comment="the side")
        page.press("g")
        page.item(1)
        assert "Adjudication" in page.text("#about")
        assert not page.shown(".views")
        page.press("a", "7", Keys.ENTER, "6", Keys.ENTER, "5", Keys.ENTER)
        page.until(lambda: page.shown(".views"))
        rows = page.texts(".views tbody tr")
        assert rows == ["Reader A889fine", "Reader B\N{MINUS SIGN}324the side", "You765"]
        assert page.at() == "final.factuality"
        page.press("y", "c", "4", "n", "small gap", Keys.ESCAPE)
        # What was said before the others were seen stays.
        page.press(Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP, "w")
        page.control_enter()
        page.until(lambda: page.shown("#end"))
        page.saved()
        page.clean()
    state = state_of(book, 1, "r3")
    assert [state[name] for name in ("factuality", "validity", "completeness", "steps")] == [7, 6, 5, ALL_RIGHT]
    final = state["final"]
    assert [final[name] for name in ("factuality", "validity", "completeness", "comment", "done")] == [
        7, 6, 4, "small gap", True
    ]  # fmt: skip


def test_training_tells_what_was_expected_after_the_own_word(chromium: "Chrome", tmp_path: Path) -> None:
    expected = {"text": "The side is right.", "state": {"factuality": 9, "validity": 8, "completeness": 5, "steps": {}}}
    places = {"r1": [(1, "training"), (2, "first")]}
    book = write_desk(tmp_path / "book", [(chain(), []), (chain(), [])], places, {1: expected})
    with opened(chromium, book) as page:
        page.press(Keys.ENTER)
        assert "Training" in page.text("#about")
        page.press("f", "2", Keys.ENTER, "3", Keys.ENTER, "4", Keys.ENTER)
        page.until(lambda: page.shown("#feedback"))
        assert page.text("#feedback") == "Feedback. The side is right."
        assert page.texts(".views tbody tr") == ["You234", "Expected985"]
        assert page.at() == "done"
        page.press(Keys.ENTER)
        page.item(2)
        page.clean()


def test_the_slower_of_two_tabs_sees_what_the_other_saved_and_can_put_its_own_back(
    chromium: "Chrome", tmp_path: Path
) -> None:
    book = write_desk(tmp_path / "book", [(chain(), [])], {"r1": [(1, "first")]})
    with opened(chromium, book) as page:
        page.press(Keys.ENTER, "f", "4")
        page.saved()
        first = chromium.current_window_handle
        chromium.switch_to.new_window("tab")
        try:
            other = Page(chromium, page.origin, "r1")
            other.press(Keys.ENTER, "f", "9")
            other.saved()
            chromium.switch_to.window(first)
            page.press("f", "2")
            page.until(lambda: page.shown("#notice"))
            assert "elsewhere" in page.text("#notice p")
            assert page.text(".axis output") == "9 right in all that matters"
            page.browser.find_element("css selector", "#notice button").click()
            page.saved()
            assert page.text(".axis output") == "2 more right than wrong"
        finally:
            chromium.switch_to.window(next(one for one in chromium.window_handles if one != first))
            chromium.close()
            chromium.switch_to.window(first)
    assert state_of(book)["factuality"] == 2


@contextmanager
def process(book: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a book in a process of its own."""
    command = [sys.executable, "-m", "tests.review_desk", str(book), str(port)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        yield running
    finally:
        running.kill()
        running.communicate()


def test_what_was_entered_while_the_server_was_dead_is_saved_once_when_it_is_back(
    chromium: "Chrome", tmp_path: Path
) -> None:
    book = write_desk(tmp_path / "book", [(chain(), []), (chain(), [])], {"r1": [(1, "first"), (2, "first")]})
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with process(book, port) as running:
        page = Page(chromium, f"http://127.0.0.1:{port}", "r1")
        page.press(Keys.ENTER, "f", "4")
        page.saved()
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        page.press(Keys.ENTER, "5", Keys.ENTER, "6", Keys.ENTER)
        page.item(2)
        page.until(lambda: "Not saved yet" in page.text("#saved"))
        assert "is kept in this page" in page.text("#notice")
        page.press("f", "1")
    with process(book, port):
        page.saved()
        assert not page.shown("#notice")
    with ReviewBook(book) as read:
        fields = [row[0] for row in read.rows("select field from events where reader = 'r1' order by no")]
    assert fields == ["factuality", "validity", "completeness", "done", "factuality"]
    assert state_of(book)["done"] is True


def test_a_full_disk_is_told_and_waited_for_and_a_closed_study_ends_it(
    chromium: "Chrome", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = write_desk(tmp_path / "book", [(chain(), []), (chain(), [])], {"r1": [(1, "first"), (2, "first")]})

    def full(*_: object) -> None:
        raise DiskRefused("the disk is full; make room, and go on")

    with opened(chromium, book) as page:
        page.press(Keys.ENTER)
        with monkeypatch.context() as patched:
            patched.setattr(ReviewBook, "save", full)
            page.press("f", "4", "v", "5")
            page.until(lambda: "2 changes" in page.text("#saved"))
            assert page.text("#notice p").startswith("The disk is full; make room, and go on. Your work is kept")
        page.saved()
        with ReviewBook(book) as other:
            other.write(
                lambda connection: connection.execute("update items set is_stale = 1 where item_id = 'item002'")
            )
            page.press(">")
            page.item(2)
            # It was fetched before the chain was renewed: the first save tells.
            page.press("f", "3")
            page.until(lambda: "made anew" in page.text("#about"))
            assert page.shown("#notice")
            assert page.at() == "done"
            page.press("<")
            page.item(1)
            other.finish()
        page.press("c", "6")
        page.until(lambda: page.shown("#notice"))
        assert "closed" in page.text("#notice p")
        assert page.text("#saved") == "Not saved: 1 change"


def test_both_images_follow_one_hand_and_keep_their_16_bits_to_the_screen(
    chromium: "Chrome", tmp_path: Path, pictures: list[Path]
) -> None:
    book = write_desk(tmp_path / "book", [(PAIR, pictures[:3])], {"r1": [(1, "first")]})
    with opened(chromium, book) as page:
        page.press(Keys.ENTER)
        page.item(1)

        def greys() -> list[list[int]]:
            """Give the grey at a lung and outside of the chest, of both panes."""
            page.run("return new Promise(requestAnimationFrame)")
            return list(page.run(
                "return [...document.querySelectorAll('.pane canvas')].map((one) => [[.3, .5], [.5, .5]].map("
                "([x, y]) =>"
                " one.getContext('2d').getImageData(one.width * x, one.height * y, 1, 1).data[0]))"
            ))  # fmt: skip

        before = greys()
        assert all(lung < spine for lung, spine in before)
        page.press("i")
        assert greys() == [[255 - grey for grey in pane] for pane in before]
        page.press("i", "b", "b")
        assert all(now[0] > then[0] for now, then in zip(greys(), before, strict=True))
        windows = page.texts(".window")
        page.press("l", "z")
        greys()
        assert [" 1.2" in text or " 1.3" in text for text in page.texts(".window")] == [True, False]
        page.press("o")
        greys()
        assert page.texts(".window") != windows
        assert greys() == before
        page.press("e")
        page.until(lambda: "LATERAL" in page.texts(".facts:not(.window)")[1])
        page.clean()


def test_the_pieces_that_count_and_cut(chromium: "Chrome", tmp_path: Path) -> None:
    book = write_desk(tmp_path / "book", [(chain(), [])], {"r1": [(1, "first")]})
    script = """
      const done = arguments[0];
      Promise.all(['review', 'text', 'pixels', 'saves'].map((name) => import(`/static/${name}.js`))).then(
        async ([review, text, pixels, saves]) => {
          const sent = [];
          const told = {state: () => {}, saved: () => {}};
          const kept = new saves.Saves(async (position, body) => sent.push([position, body.changes.length]), told);
          for (let no = 0; no < 60; no += 1) kept.add(no < 50 ? 1 : 2, 'comment', '', 'x'.repeat(4000), 1);
          await kept.settled();
          const type = (keys) => [...keys].reduce(
            (so, key) => review.typedScore(so.value, so.typed, key), {value: null, typed: ''}).value;
          const samples = new Uint16Array([0, 1000, 2000, 65535]);
          const picture = new pixels.Picture({buffer: samples.buffer, width: 2, height: 2, bits: 16,
            center: 1000, windowWidth: 2000, inverted: false});
          const table = pixels.greys(16, picture.window, false);
          const out = new Uint16Array(16);
          pixels.resample(picture.level(2), {x: 0, y: 0, width: 4, height: 4, left: 0, top: 0, scale: 2}, out);
          done({
            sent,
            scores: ['7', '10', '-10', '-7', '7-', '75', '07', '100', '-0', '7-+', '1-', '--4'].map(type),
            parts: text.parts('\\u{1fac1}abc', {start: 0, end: 4},
              [{start: 1, end: 3, no: 1}, {start: 2, end: 4, no: 2}]),
            greys: [...samples].map((value) => table[value] & 255),
            half: [...pixels.halved(picture.level(1)).data],
            corners: [out[0], out[3], out[12], out[15]], middle: out[5],
            spread: pixels.spread(new Uint8Array(200).fill(9, 3, 197)),
          });
        });"""
    with opened(chromium, book) as page:
        told = chromium.execute_async_script(script)
        page.press(Keys.ENTER)
    assert told["sent"] == [[1, 1], [1, 24], [1, 24], [1, 1], [2, 10]], "no batch is larger than the server takes"
    assert told["scores"] == [7, 10, -10, -7, -7, 5, 7, 0, 0, 7, -1, -4]
    assert told["parts"] == [
        {"text": "\N{LUNGS}", "quotes": []}, {"text": "a", "quotes": [1]}, {"text": "b", "quotes": [1, 2]},
        {"text": "c", "quotes": [2]},
    ]  # fmt: skip
    assert told["greys"] == [0, 128, 255, 255]
    assert told["half"] == [17134]
    assert told["corners"] == [0, 1000, 2000, 65535]
    assert 2000 < told["middle"] < 65535 / 3
    assert told["spread"] == {"center": 9 / 2, "width": 9}


def test_every_module_is_fetched_at_once_and_none_is_long() -> None:
    room = Path(review.__file__).parent
    modules = sorted(path.name for path in (room / "static").glob("*.js"))
    page = (room / "templates" / "page.html").read_text("utf-8")
    assert sorted(re.findall(r'(?:modulepreload" href|module" src)="/static/(.*?)"', page)) == modules
    assert all(len((room / "static" / name).read_text("utf-8").splitlines()) < 400 for name in modules)
    for path in (room / "static").iterdir():
        # No text becomes markup, and nothing is kept on the reader's computer.
        forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|localStorage|document.write|eval\("
        assert re.findall(forbidden, path.read_text("utf-8")) == [], path.name


def test_both_widths_and_themes_can_be_read_and_everything_has_a_name(
    chromium: "Chrome", tmp_path: Path, pictures: list[Path]
) -> None:
    items = [(PAIR, pictures[:3]), (FINDING, []), (chain(), [])]
    book = write_desk(tmp_path / "book", items, {"r1": [(number, "first") for number in (1, 2, 3)]})
    with opened(chromium, book) as page:
        page.press(Keys.ENTER)
        papers = []
        for theme in ("dark", "light"):
            assert page.run("return document.documentElement.dataset.theme") == theme
            body = page.browser.find_element("css selector", "body")
            paper, ink = (luminance(body.value_of_css_property(name)) for name in ("background-color", "color"))
            assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) > 7
            papers.append(paper)
            page.press("t")
        assert papers[0] < 0.1 < 0.9 < papers[1]
        named = "main button, input, textarea, main section, canvas, li[data-no='2'], .axes, .rubric"
        seen = "return [...document.querySelectorAll(arguments[0])].filter((one) => one.offsetParent)"
        for width, height in ((1280, 720), (1920, 1080)):
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            for position in (1, 2, 3):
                page.run("location.hash = arguments[0]", f"#{position}")
                page.item(position)
                wide = "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
                assert page.run(wide) == [width, height], "nothing lies beyond the window"
                for element in page.run(seen, named) if width == 1280 else []:
                    assert element.accessible_name, element.get_attribute("outerHTML")
                done = page.browser.find_element("id", "done").rect
                assert done["y"] + done["height"] < height
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.clean()
