"""The page: Jinja with autoescape, one file, nothing loaded from anywhere, and a policy that forbids it."""

import base64
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

from cxr.miner.charts.svg import CHART_CSS
from cxr.miner.kit.errors import CxrError
from cxr.miner.report.examples import VERDICT_SIGNS, Examples
from cxr.miner.report.galleries import Galleries
from cxr.miner.report.parts import PageNumber, PageSection

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
except ModuleNotFoundError:
    raise CxrError("the report needs jinja2, which is not installed; `pip install 'cxr[report]'` brings it") from None


@dataclass(frozen=True)
class Page:
    """Everything that the template shows."""

    store: str
    written: str | None
    numbers: tuple[PageNumber, ...]
    sections: tuple[PageSection, ...]
    examples: Examples
    galleries: Galleries | None
    credentialed: int
    """How many credentialed texts stand on the page."""
    credentialed_corpora: tuple[str, ...]


def render_page(page: Page) -> str:
    """Return the page as HTML; everything that comes from the store is escaped."""
    environment = Environment(
        loader=PackageLoader("cxr.miner.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = lambda value: "none" if value is None else f"{value:.2f}"
    style = _read("style.css") + CHART_CSS
    script = _read("script.js")
    # These two by their hashes, and nothing else: what a report's text might smuggle in is not run, nothing is fetched.
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return environment.get_template("page.html").render(
        page=page,
        policy=policy,
        # Our own files, with nothing of the store in them.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        signs=VERDICT_SIGNS,
    )


def _read(name: str) -> str:
    return resources.files("cxr.miner.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(content.encode()).digest()).decode()}'"
