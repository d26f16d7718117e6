"""The report in a real browser, from disk: filters, examples, themes, keyboard, no console error, no request."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks_world import run_cxr
from tests.browser import HAS_SELENIUM, chromium_of_tests, log, luminance, requests
from tests.report_world import evaluate_world, make_world

if HAS_SELENIUM:
    from selenium.webdriver import Chrome
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.remote.webelement import WebElement
    from selenium.webdriver.support.ui import Select


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    with chromium_of_tests(tmp_path_factory.mktemp("profile")) as driver:
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
