"""The report in a real browser, from disk: filters, examples, themes, keyboard, no console error, no request.

Needs Debian's `chromium` and `chromium-driver`, and selenium; TESTS_REQUIRE_BROWSER=1 makes their absence a failure.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks_world import run_cxr
from tests.conftest import REQUIRED
from tests.report_world import evaluate_world, make_world

try:
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.remote.webelement import WebElement
    from selenium.webdriver.support.ui import Select
except ModuleNotFoundError:
    HAS_SELENIUM = False
else:
    HAS_SELENIUM = True

# A fresh profile, no services that call home, and no sandbox, because tests may run as root in a container.
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1350,1000",
    # It would look up its maker's hosts all the same.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip


def missing() -> str | None:
    """Say what keeps these tests from running, if anything does."""
    programs = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if not HAS_SELENIUM:
        programs.append("the Python package selenium")
    return f"needs {', '.join(programs)}" if programs else None


@contextmanager
def open_chromium(profile: Path, logs: dict[str, str]) -> "Iterator[Chrome]":
    """Start Chromium with a new profile in a folder, and end it."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", logs)
    # Named, so that selenium looks for no driver to download.
    driver = Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    """One Chromium for all of these tests; every request that it makes is on record."""
    reason = missing()
    if reason and REQUIRED["BROWSER"]:
        pytest.fail(f"TESTS_REQUIRE_BROWSER=1, but this test {reason}")
    if reason:
        pytest.skip(reason)
    with open_chromium(tmp_path_factory.mktemp("profile"), {"browser": "ALL", "performance": "ALL"}) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = make_world(tmp_path_factory.mktemp("browser"))
    evaluate_world(db)
    done = run_cxr(db.parent, "report", "--db", db, "-o", "page.html", "--resamples", "100", "--with-text")
    assert done.returncode == 0, done.stderr
    return db.parent / "page.html"


@pytest.fixture
def browser(chromium: "Chrome", page: Path) -> "Chrome":
    """Chromium with the page newly opened."""
    chromium.get(page.as_uri())
    return chromium


def visible(browser: "Chrome", selector: str) -> "list[WebElement]":
    return [element for element in browser.find_elements("css selector", selector) if element.is_displayed()]


def log(browser: "Chrome", kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def requests(browser: "Chrome") -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in log(browser, "performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def luminance(colour: str) -> float:
    """Give the relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_reader_filters_examples_opens_one_and_changes_the_theme(
    browser: "Chrome", page: Path, tmp_path: Path
) -> None:
    everything = visible(browser, "#examples details.example")
    assert len(everything) == 48
    Select(browser.find_element("css selector", "#examples select[data-filter=task]")).select_by_value("binary")
    left = visible(browser, "#examples details.example")
    assert 0 < len(left) < len(everything)
    assert {element.get_attribute("data-task") for element in left} == {"binary"}
    assert f"{len(left)} of 48 examples" in browser.find_element("css selector", "#examples output").text
    Select(browser.find_element("css selector", "#examples select[data-filter=corpus]")).select_by_value("hidden")
    fewer = visible(browser, "#examples details.example")
    assert 0 < len(fewer) < len(left)
    # One that the two filters leave is opened, and shows its report with the quotes, and its verdicts.
    last = next(one for one in reversed(fewer) if one.find_elements("css selector", "mark.quote"))
    assert not visible(browser, "#examples details.example:not([open]) .body")
    last.find_element("css selector", "summary").click()
    assert last.find_element("css selector", "mark.quote").is_displayed()
    assert last.find_element("css selector", ".verdicts .chip").text.strip("✓✗○!? ") in {
        "supported", "contradicted", "unmentioned normal", "unmentioned abnormal", "not assessable",
    }  # fmt: skip
    browser.find_element("css selector", "#examples button[type=reset]").click()
    assert len(visible(browser, "#examples details.example")) == 48

    papers = []
    theme = browser.find_element("id", "theme")
    for wanted in ("light", "dark"):
        theme.click()
        assert theme.text == f"Theme: {wanted}"
        browser.save_screenshot(str(tmp_path / f"{wanted}.png"))
        assert (tmp_path / f"{wanted}.png").stat().st_size > 20_000
        body = browser.find_element("css selector", "body")
        paper, ink = (
            luminance(body.value_of_css_property("background-color")),
            luminance(body.value_of_css_property("color")),
        )
        papers.append(paper)
        # Text on paper has the contrast of WCAG's level AAA, and the charts' text has the page's colour.
        assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) > 7
        text = browser.find_element("css selector", "figure.chart svg text")
        assert luminance(text.value_of_css_property("fill")) == pytest.approx(ink, abs=0.02)
    assert papers[0] > 0.9 > 0.1 > papers[1]

    assert [entry for entry in log(browser, "browser") if entry["level"] in {"SEVERE", "WARNING"}] == []
    # Chromium's own first tab is none of the page's doing.
    assert {url for url in requests(browser) if not url.startswith(("data:", "chrome:", "chrome-untrusted:"))} == {
        page.as_uri()
    }


def test_everything_can_be_reached_and_worked_with_the_keyboard_alone(browser: "Chrome") -> None:
    def active() -> Any:
        return browser.switch_to.active_element

    browser.find_element("css selector", "body").send_keys(Keys.TAB)
    assert active().get_attribute("class") == "skip"
    active().send_keys(Keys.ENTER)
    assert active().get_attribute("id") == "main"
    for _ in range(400):
        active().send_keys(Keys.TAB)
        if active().get_attribute("data-filter") == "verdict" and "galleries" not in _section(active()):
            break
    else:
        pytest.fail("the filter of verdicts was never reached")
    assert active().value_of_css_property("outline-style") == "solid"
    active().send_keys(Keys.ARROW_DOWN)
    chosen = active().get_attribute("value")
    assert chosen
    shown = visible(browser, "#examples details.example")
    assert shown
    assert all(chosen in str(element.get_attribute("data-verdict")).split("|") for element in shown)
    for _ in range(10):
        active().send_keys(Keys.TAB)
        if active().tag_name == "summary":
            break
    was = active().find_element("xpath", "..").get_attribute("open")
    active().send_keys(Keys.ENTER)
    assert active().find_element("xpath", "..").get_attribute("open") != was


def _section(element: Any) -> str:
    return str(element.find_element("xpath", "ancestor::section").get_attribute("id"))


def test_what_a_screen_reader_hears_is_named(browser: "Chrome") -> None:
    for selector in ("figure.chart svg", "select", "button", "nav", "section"):
        elements = browser.find_elements("css selector", selector)
        assert elements, selector
        for element in elements:
            if element.is_displayed():
                assert element.accessible_name, selector
    assert len(browser.find_elements("css selector", "h1")) == 1
    assert {"banner", "main", "navigation"} <= {
        element.aria_role for element in browser.find_elements("css selector", "header, main, nav")
    }


def test_a_script_that_got_into_the_page_would_not_run(browser: "Chrome", page: Path) -> None:
    smuggled = page.with_name("smuggled.html")
    smuggled.write_text(
        page.read_text(encoding="utf-8").replace(
            "</main>", "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\"></main>"
        ),
        encoding="utf-8",
    )
    browser.get(smuggled.as_uri())
    assert browser.title.startswith("cxr report")
