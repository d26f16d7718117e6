"""`cxr unread` and `cxr audit`: what our reader does not know, and where other labelers differ from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db
from cxr.miner.commands.options import JUDGE_OPTIONS, Options, OptionValues, grouped, offered

if TYPE_CHECKING:
    from cxr.miner.audit.sample import Drawn
    from cxr.miner.audit.settings import AuditSettings
    from cxr.miner.store import Store


def unread(
    limit: Annotated[int | None, typer.Option(help="List at most this many phrases; default 50.")] = None,
    min_count: Annotated[int | None, typer.Option(help="In how many reports at least; default 2.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the lexicon entries here, as TOML, and print none.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """List the phrases that could be findings and were not read, with lexicon entries to paste."""
    from cxr.miner.audit.settings import UnreadSettings
    from cxr.miner.audit.unread import lexicon_entries, unread_phrases
    from cxr.miner.kit.console import echo, out, say, table
    from cxr.miner.kit.files import whole_file
    from cxr.miner.store import Store

    settings = UnreadSettings.resolve(db, limit=limit, min_count=min_count)
    with Store.read(db) as store:
        result = unread_phrases(store, settings)
    say(f"{result.understood:,} of {result.read:,} reports were understood")
    if result.read < result.reports:
        left = result.reports - result.read
        say(f"{left:,} reports were not read yet; `cxr ask` reads those that it asks about, `cxr ingest --label` all")
    if not result.phrases:
        say(f"no phrase that was not read stands in {settings.min_count:,} reports or more")
        return
    columns = ["phrase", "reports", "asserted", "for example", "near"]
    out().print(table("Not read", columns, [each[:5] for each in result.phrases]))
    entries = lexicon_entries(result.phrases)
    if output is None:
        echo(entries)
        return
    with whole_file(output) as written:
        written.write(entries)
    say(f"entries for {len(result.phrases):,} phrases written to {output}; look at each before you paste it")
    if result.credentialed:
        say(f"they hold words of credentialed reports: {output} may be shared only under their licence")


AUDITING = Options(
    labelers=offered(str, "Whose labels to set against ours; separated by commas; default: everybody's."),
    show=offered(int, "Print at most this many kinds of disagreement; default 20."),
    sample=offered(int, "With -o: how many lines to draw; half disagreements, half chains; default 100."),
    with_text=offered(bool, "With -o: text of reports and chains too, of credentialed corpora as well.", "--with-text"),
    resamples=offered(int, "Bootstrap resamples of each 95 % interval; default 1,000."),
    seed=offered(int, "Names the bootstrap's draws and the sample."),
)


@grouped
def audit(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Draw a sample to read, as JSONL of ids and findings.")
    ] = None,
    auditing: OptionValues = AUDITING,
    judging: OptionValues = JUDGE_OPTIONS,
    db: Db = DEFAULT_DB,
) -> None:
    """Set labels by other labelers and by people against ours: agreement, kappa, who differs how.

    With -o and --judge, a judge says of each disagreement that is drawn whom the report bears out.
    """
    from cxr.miner.audit import labelers
    from cxr.miner.audit.independent import one_reader
    from cxr.miner.audit.judged import COLUMNS as JUDGED_COLUMNS
    from cxr.miner.audit.settings import AuditSettings
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.kit.errors import SettingsError
    from cxr.miner.store import Store

    settings = AuditSettings.resolve(db, **auditing)
    if judging["judge"] is not None and output is None:
        raise SettingsError("audit: --judge judges the disagreements that -o draws; name a file with -o")
    with Store.read(db) as store:
        result = labelers.audit(store, settings)
        drawn = None if output is None else _draw(store, settings, output, judging, db)
        shared = one_reader(store)
    for labeler, rows in labelers.by_labeler(result):
        out().print(table(f"Ours against {labeler} (95 % bootstrap over patients)", labelers.COLUMNS, rows))
    if shown := result.differences[: settings.show]:
        columns = ["labeler", "finding", "ours", "theirs", "studies"]
        out().print(table(f"{len(shown)} of {len(result.differences)} ways to differ", columns, shown))
    if shared:
        say(shared)
    if drawn is not None and drawn.judged:
        out().print(table("Whom the report bears out, of the disagreements drawn", JUDGED_COLUMNS, drawn.judged))
    if drawn is not None:
        say(f"{drawn.disagreements:,} disagreements and {drawn.chains:,} chains to read written to {output}")
        if drawn.credentialed:
            say(f"{drawn.credentialed:,} of them hold credentialed text: {output} may be shared only under its licence")


def _draw(store: "Store", settings: "AuditSettings", output: Path, judging: OptionValues, db: Path) -> "Drawn":
    """Draw a sample, judged where a judge is named; what it asks is booked beside the file."""
    from cxr.miner.audit.sample import write_sample
    from cxr.miner.judge import open_judge
    from cxr.miner.judge.protocol import AsksAhead
    from cxr.miner.judge.settings import JudgeSettings
    from cxr.miner.kit.console import say
    from cxr.miner.llm.books import FileBooks
    from cxr.schemas.vocabulary import Licence

    if judging["judge"] is None:
        return write_sample(store, settings, output)
    licences = [
        Licence(licence)
        for (licence,) in store.rows("select distinct coalesce(licence, 'credentialed') from side_by_side")
    ]
    books = FileBooks(output, licences)
    with open_judge(JudgeSettings.resolve(db, **judging), books) as judge:
        drawn = write_sample(store, settings, output, judge)
        if isinstance(judge, AsksAhead) and (told := judge.told()):
            say(told)
        if books.spending is not None:
            say(f"judged by {judge.name} {judge.version}: {books.spending}")
    return drawn
