"""`cxr report`: what stands on the page is what is in the store, and nothing else gets onto it."""

import base64
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from cxr.miner.report.funnel import steps
from cxr.miner.report.prepare import prepare
from cxr.miner.stats.agreement import agreement
from cxr.miner.store import Store
from tests.benchmarks_world import make_store, rows, run_cxr
from tests.report_world import HIDDEN, HOSTILE, Page, evaluate_world, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with everything in it; no test writes to it."""
    return make_world(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(world: Path) -> Page:
    return report(world)


@pytest.fixture(scope="module")
def evaluated(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of the same store after an evaluation, with all its examples."""
    copy = tmp_path_factory.mktemp("evaluated") / "copy.duckdb"
    copy.write_bytes(world.read_bytes())
    evaluate_world(copy)
    return report(copy, "--examples", "500")


def report(db: Path, *options: str) -> Page:
    done = run_cxr(db.parent, "report", "--db", db, "-o", "page.html", "--resamples", "100", *options)
    assert done.returncode == 0, done.stderr
    return Page(db.parent / "page.html")


def count(db: Path, query: str) -> int:
    with Store.read(db) as store:
        return store.count(query)


def test_the_numbers_on_the_page_are_those_of_the_store(world: Path, page: Page) -> None:
    for record in page.records("By corpus"):
        name = record["corpus"]
        counted = {
            "studies": f"select count(*) from studies where corpus = '{name}'",
            "questions": f"select count(*) from questions where corpus = '{name}'",
            "chains": f"select count(*) from chains join questions using (question_id) where corpus = '{name}'",
            "after review": f"select count(*) from factual_chains where corpus = '{name}'",
        }
        for column, query in counted.items():
            assert record[column] == f"{count(world, query):,}", (name, column)
    assert {record["corpus"] for record in page.records("By corpus")} == {"invented", "hidden"}


def test_readers_scores_stand_beside_those_of_the_paper(page: Page) -> None:
    all_of_them, *_, paper = page.records("Readers' mean scores (95 % interval by patient)")
    assert (all_of_them["chains"], all_of_them["validity"][:4]) == ("5", "7.00")
    assert [paper[axis] for axis in ("factuality", "validity", "completeness")] == ["7.83", "7.25", "7.97"]
    (gate, *_) = page.records("What the gate at 5 on every axis removes")
    assert (gate["chains"], gate["removed"], gate["share removed"]) == ("5", "2", "0.400")


def test_the_agreement_of_judges_is_that_of_their_scores(world: Path, page: Page) -> None:
    (row,) = page.records("Judges that scored the same chains")
    with Store.read(world) as store:
        pairs = store.rows(
            "select (a.factuality >= 1)::varchar, (b.factuality >= 1)::varchar from scores as a "
            "join scores as b using (chain_id) where a.judge = 'other' and b.judge = 'rules'"
        )
    expected = agreement(*zip(*pairs, strict=True), resamples=1).kappa.value
    assert expected is not None
    assert 0 < expected < 1
    assert row["kappa"] == f"{expected:.3f}"
    assert int(row["chains"]) == len(pairs)
    low, high = map(float, row["95 % interval"].split(" to "))
    assert low <= expected <= high


def test_at_every_step_of_the_funnel_what_came_is_what_was_lost_and_what_is_left(world: Path, page: Page) -> None:
    with Store.read(world) as store:
        prepare(store)
        made = steps(store)
    for step in made:
        assert step.came == step.left + sum(number for _, number in step.losses), step.name
    studies, questions, scored, factual, reviewed = made
    assert studies.came == count(world, "select count(*) from studies")
    assert questions.came == count(world, "select count(*) from questions")
    assert questions.left == count(world, "select count(distinct question_id) from chains")
    assert (scored.came, scored.left) == (
        count(world, "select count(*) from chains"),
        count(world, "select count(*) from latest_scores"),
    )
    assert (factual.came, reviewed.came) == (scored.left, factual.left)
    assert dict(scored.losses) == {"not scored yet": 3}
    assert dict(reviewed.losses) == {"a radiologist gave less than 5 on an axis": 2}
    assert reviewed.left == count(world, "select count(*) from factual_chains")
    shown = {(record["of"], record["reason"]): record["how many"] for record in page.records("Every loss, and why")}
    assert shown == {(step.name, reason): f"{n:,}" for step in made for reason, n in step.losses}


def test_words_of_reports_and_models_are_text_and_never_markup(evaluated: Page) -> None:
    assert evaluated.tags.count("script") == 1
    assert "img" not in evaluated.tags
    assert HOSTILE in evaluated.text
    assert '"><img src=x onerror=alert(1)>' in evaluated.text


def test_the_page_loads_nothing_and_its_policy_forbids_what_is_not_ours(page: Page) -> None:
    assert all(address.startswith("#") or address == "data:," for address in page.addresses)
    assert "://" not in page.source
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page.source)
    assert policy is not None
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page.source, re.DOTALL)
        assert content is not None
        wanted = base64.b64encode(sha256(content.group(1).encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{wanted}&#39;" in policy.group(1)
    assert "default-src &#39;none&#39;" in policy.group(1)
    assert "unsafe" not in policy.group(1)


def test_every_id_is_there_once_and_every_link_inside_the_page_leads_somewhere(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    links |= set(re.findall(r"url\(#([^)]+)\)", page.source))
    for names in re.findall(r'aria-labelledby="([^"]+)"', page.source):
        links |= set(names.split())
    assert links <= set(page.ids)


def test_credentialed_text_stays_away_unless_asked_for_and_then_a_banner_says_so(world: Path, page: Page) -> None:
    assert HIDDEN not in page.source
    assert "credentialed-banner" not in page.ids
    assert "--with-text" in page.text
    options = ("--with-text", "--examples", "500", "--resamples", "100")
    done = run_cxr(world.parent, "report", "--db", world, "-o", "said.html", *options)
    assert "may be shared only under its licence" in done.stderr
    asked = Page(world.parent / "said.html")
    assert HIDDEN in asked.source
    assert asked.source.index('id="credentialed-banner"') < asked.source.index("<header")


def test_the_same_store_gives_the_same_bytes_and_is_not_written_to(world: Path, page: Page) -> None:
    before = sha256(world.read_bytes()).hexdigest()
    assert report(world).source == page.source
    assert sha256(world.read_bytes()).hexdigest() == before


def test_an_empty_store_has_a_page_that_says_so(tmp_path: Path) -> None:
    db = tmp_path / "empty.duckdb"
    with Store.write(db, create=True):
        pass
    page = report(db)
    for sentence in ("Nothing was lost on the way", "No language model was called", "The store holds no labels",
                     "No chain is scored yet", "There is no chain to show"):  # fmt: skip
        assert sentence in page.text
    assert "Evaluations" not in page.text


def test_a_store_without_chains_shows_labels_and_one_without_scores_shows_chains(tmp_path: Path) -> None:
    db = make_store(tmp_path, rows(8), mined=False)
    page = report(db)
    assert "invented: balance" in page.tables
    assert ("questions", "not mined yet") in {(r["of"], r["reason"]) for r in page.records("Every loss, and why")}
    assert run_cxr(tmp_path, "mine", "--db", db).returncode in {0, 4}
    page = report(db)
    assert "not scored yet" in page.text
    assert "No chain is scored yet" in page.text
    assert page.source.count('<details class="example"') > 0


def test_reports_of_100_kb_do_not_make_the_page_large(world: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(world.read_bytes())
    with Store.write(copy) as store:
        store.connection.execute("update reports set text = text || repeat(' The lungs are clear.', 5000)")
    page = report(copy)
    assert len(page.source) < 2_500_000
    assert "[…]" in page.text


def test_the_number_of_examples_is_bounded_and_all_tasks_are_among_them(world: Path) -> None:
    page = report(world, "--examples", "12")
    shown = re.findall(r'<details class="example" data-task="(\w+)"', page.source)
    assert len(shown) == 12
    assert set(shown) == {"anomaly", "binary", "multiple", "single"}


def test_evaluations_and_galleries_stand_on_the_page_when_there_are_any(evaluated: Page) -> None:
    for title in ("Factuality by task", "RadRScore by task", "Right answers by task", "Reasoning and answers"):
        assert title in evaluated.text
    evil, good = sorted(evaluated.records("Answers and reasoning"), key=lambda record: record["model"])
    assert (good["model"], int(good["wrong, reasoned well"])) == ("good", 0)
    assert int(good["right, reasoned wrongly"]) == int(good["answers with reasoning"]) > 0
    assert int(evil["wrong, reasoned well"]) == int(evil["answers with reasoning"])
    # The credentialed half of these predictions is counted and not shown.
    assert HIDDEN not in evaluated.source
    assert {"wrong answer, good reasoning", "right answer, wrong reasoning"} <= set(
        re.findall(r'data-kind="([^"]+)"', evaluated.source)
    )


def test_without_its_libraries_the_report_says_what_to_install(world: Path) -> None:
    script = "import sys; sys.modules[sys.argv.pop(1)] = None; import cli; cli.app()"
    for missing in ("matplotlib", "jinja2"):
        done = subprocess.run(
            [sys.executable, "-c", script, missing, "report", "--db", str(world)],
            capture_output=True, text=True, check=False, cwd=world.parent,
        )  # fmt: skip
        assert done.returncode == 1
        assert "pip install 'cxr[report]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_page_that_cannot_be_written_is_one_sentence(world: Path) -> None:
    done = run_cxr(world.parent, "report", "--db", world, "-o", "no/such/folder/page.html")
    assert done.returncode == 1
    assert "does not exist" in done.stderr
