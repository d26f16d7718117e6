"""A real browser for tests: Chromium without a window, and what it was asked and told.

Needs Debian's `chromium` and `chromium-driver`, and selenium; TESTS_REQUIRE_BROWSER=1 makes their absence a failure.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REQUIRED

try:
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
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


@contextmanager
def chromium_of_tests(profile: Path) -> "Iterator[Chrome]":
    """Give a Chromium with every request that it makes on record, or skip the tests that ask for one."""
    reason = missing()
    if reason and REQUIRED["BROWSER"]:
        pytest.fail(f"TESTS_REQUIRE_BROWSER=1, but this test {reason}")
    if reason:
        pytest.skip(reason)
    with open_chromium(profile, {"browser": "ALL", "performance": "ALL"}) as driver:
        yield driver


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
