"""`cxr bench`, `cxr export` and `cxr import`: from a store to files that others load, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxr.miner.commands.base import DEFAULT_DB, Commands, Db, Exit, exit_with_rejects
from cxr.miner.commands.options import Options, OptionValues, grouped, offered
from cxr.miner.export.registry import FORMATS

if TYPE_CHECKING:
    from cxr.miner.imports.reviews import ReviewsResult

bench_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Compile a benchmark, and check it.")
import_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Read published benchmarks.")

NEAR = "Share of word trigrams from which reports are the same."
NewBenchmark = Annotated[Path, typer.Option("-o", "--output", help="The benchmark's folder.")]
ExistingFolder = Annotated[str, typer.Option("--existing", help="Where the folder exists: resume, replace or stop.")]

CHOOSING = Options(
    seed=offered(int, "Names the draw; the same seed chooses the same samples."),
    corpora=offered(str, "Only these corpora; separated by commas."),
    engine=offered(str, "Only chains by this engine; default: of any."),
    all_settings=offered(bool, "Of a question's chains the best one, not its newest.", "--all-settings"),
    min_factuality=offered(float, "Take chains with at least this factuality."),
    duplicates=offered(str, "The split that keeps reports that two share: test, train, or both."),
    near=offered(float, NEAR),
    images=offered(str, "required: only studies with images; optional."),
    max_images=offered(int, "Images of a study, best views first."),
    contradicted=offered(str, "Questions whose label the report contradicts, as mining found: drop or keep."),
)


@bench_app.command("compile")
@grouped
def bench_compile(
    name: Annotated[Path, typer.Argument(help="The benchmark's folder; its last part is its name.")],
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", metavar="SPLIT.MODE[.TASK]=N", help="How many, e.g. test.reasoning=1000; default: the paper's."
        ),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="Only the targets given here, none of the paper's.")] = False,
    choosing: OptionValues = CHOOSING,
    recipe: Annotated[
        Path | None, typer.Option(help="Write ids, seeds and options here, and no report text, for others to replay.")
    ] = None,
    existing: ExistingFolder = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Choose questions and chains to target sizes and write them, with a manifest that a rebuild reproduces."""
    from cxr.miner.benchmark.compile import compile_benchmark
    from cxr.miner.benchmark.report import say_compiled
    from cxr.miner.benchmark.settings import Existing, bench_settings
    from cxr.miner.kit.console import progress
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store

    settings = bench_settings(db, target or (), only=only, **choosing)
    chosen = choose(Existing, existing, "bench compile: --existing")
    with Store.write(db) as store, progress("bench compile") as advance:
        result = compile_benchmark(store, name, settings, chosen, advance, recipe)
    say_compiled(name, result, recipe)


@bench_app.command("verify")
def bench_verify(folder: Annotated[Path, typer.Argument(help="A benchmark's folder.")]) -> None:
    """Check a benchmark against its manifest: every file's hash, and no study or patient in two splits."""
    from cxr.miner.benchmark.manifest import read_manifest, verify
    from cxr.miner.kit.console import say

    problems = verify(folder)
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(Exit.FAILED)
    manifest = read_manifest(folder)
    samples = sum(entry.rows for entry in manifest.files.values())
    say(f"{folder} is as its manifest says: {len(manifest.files):,} files, {samples:,} samples, {manifest.fingerprint}")


@bench_app.command("replay")
def bench_replay(
    recipe: Annotated[Path, typer.Argument(help="A recipe by `cxr bench compile --recipe`.")],
    output: NewBenchmark,
    existing: ExistingFolder = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Build another group's benchmark from your own copy of its corpora, and compare every file's hash."""
    from cxr.miner.benchmark.replay import replay
    from cxr.miner.benchmark.settings import Existing
    from cxr.miner.kit.console import progress, say
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store

    chosen = choose(Existing, existing, "bench replay: --existing")
    with Store.write(db) as store, progress("bench replay") as advance:
        result = replay(store, recipe, output, chosen, advance)
    if result.asked:
        say(f"{result.asked:,} questions were asked with the recipe's settings")
    for name in result.different:
        say(f"{name} differs from the recipe's")
    if result.different:
        raise typer.Exit(Exit.FAILED)
    say(f"{output}: all {len(result.manifest.files):,} files are the recipe's, byte for byte")


@bench_app.command("leakage")
def bench_leakage(near: Annotated[float, typer.Option(help=NEAR)] = 0.8, db: Db = DEFAULT_DB) -> None:
    """Report what splits share: repeated reports, patients, studies; and questions that tell their answer."""
    from cxr.miner.benchmark.leakage import leakage
    from cxr.miner.benchmark.report import leakage_tables
    from cxr.miner.kit.console import out, say
    from cxr.miner.store import Store

    with Store.read(db) as store:
        found = leakage(store, near)
    for made in leakage_tables(found):
        out().print(made)
    say("no leakage found" if found.is_clean else "`cxr bench compile` keeps all of this on one side")


*_OURS, _LAST = FORMATS.names


EXPORTING = Options(
    mix=offered(list[str], "How often samples of a mode are taken, e.g. reasoning=2.", "--mix", metavar="MODE=WEIGHT"),
    splits=offered(str, "Only these splits; separated by commas."),
    modes=offered(str, "Only these of answer_only,reasoning."),
    image_roots=offered(
        list[str], "Put before image paths; default: where ingest saw images.", "--image-root", metavar="[CORPUS=]PATH"
    ),
    pixels=offered(str, "paths, or embed the image files."),
    max_pixels=offered(int, "verl: the area to which images are scaled down."),
    instructions=offered(str, "How prompts ask: paper (the default), released, or a TOML file of your own."),
    seed=offered(int, "Names the order and the draws of --mix."),
)


@grouped
def export_(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help=f"{', '.join(_OURS)} or {_LAST}.")],
    benchmark: Annotated[Path, typer.Argument(help="A benchmark's folder.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write to.")],
    exporting: OptionValues = EXPORTING,
    public: Annotated[bool, typer.Option("--public", help="The folder is going to be public.")] = False,
    allowed: Annotated[
        str | None, typer.Option("--i-am-allowed", metavar="WHY", help="Why credentialed samples may be published.")
    ] = None,
    existing: ExistingFolder = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Write a benchmark in the form that a trainer, a hub or a reviewer reads; it is noted in `runs`."""
    from cxr.miner.benchmark.settings import Existing
    from cxr.miner.export.export import export
    from cxr.miner.export.settings import ExportSettings, parse_image_roots, parse_mix
    from cxr.miner.kit.console import progress, say
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store

    FORMATS.open(format_)
    mix, roots = exporting["mix"], exporting["image_roots"]
    parsed = {"mix": parse_mix(mix) if mix else None, "image_roots": parse_image_roots(roots) if roots else None}
    settings = ExportSettings.resolve(db, **exporting | parsed)
    on_existing = choose(Existing, existing, "export: --existing")
    with Store.write(db, create=True) as store, progress(f"export {format_}") as advance:
        result = export(store, benchmark, output, format_, settings, on_existing, public=public,
                        allowed_because=allowed, advance=advance)  # fmt: skip
    rows = sum(count for _, count in result.files)
    said = "were there already in" if result.was_there else "written to"
    with exit_with_rejects(result.rejects, "samples"):
        say(f"{rows:,} rows in {len(result.files):,} files {said} {output}; licence tag: {result.licence}")
        if result.absent:
            say(
                f"{result.absent:,} samples have an image that is not there (the first: {result.first_absent}); say "
                "where images lie with --image-root CORPUS=PATH, or compile again with --images required"
            )


IMPORTING = Options(
    image_root=offered(
        list[str],
        "Where images lie here: in the place of a prefix of someone else's cluster, or of all before their name.",
        "--image-root",
        metavar="[PREFIX=]PATH",
    ),
    existing=offered(str, "Where the folder exists: resume, replace or stop.", "--existing", default="stop"),
)


def import_benchmark(
    what: str, sources: list[Path], output: Path, split: str, importing: OptionValues, read: Any, db: Path
) -> None:
    """Run any `cxr import` of a published benchmark."""
    from cxr.miner.benchmark.settings import Existing, check_split
    from cxr.miner.export.settings import parse_image_roots
    from cxr.miner.imports.folder import import_files
    from cxr.miner.kit.console import say
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store

    existing = choose(Existing, importing["existing"], f"import {what}: --existing")
    roots = parse_image_roots(importing["image_root"] or ())
    with Store.write(db, create=True) as store:
        result = import_files(store, what, sources, output, check_split(split), existing, read, roots)
    with exit_with_rejects(result.rejects, "records"):
        rows = sum(entry.rows for entry in result.manifest.files.values())
        say(f"{rows:,} samples written to {output}; licence tag: {result.manifest.licence}")
        if result.without_images:
            say(f"{result.without_images:,} questions came without an image path")


@import_app.command("radrbench")
@grouped
def import_radrbench(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Published JSON files.")],
    output: NewBenchmark,
    split: Annotated[str, typer.Option(help="train, validate or test: the files do not say.")] = "test",
    importing: OptionValues = IMPORTING,
    db: Db = DEFAULT_DB,
) -> None:
    """Read RadRBench-CXR as the reference project publishes it, training and test files alike."""
    from cxr.miner.imports.radrbench import read_radrbench

    import_benchmark("radrbench", sources, output, split, importing, read_radrbench, db)


@import_app.command("chexbench")
@grouped
def import_chexbench(
    source: Annotated[Path, typer.Argument(metavar="data.json", help="CheXbench's one file.")],
    output: NewBenchmark,
    importing: OptionValues = IMPORTING,
    db: Db = DEFAULT_DB,
) -> None:
    """Read CheXbench as an evaluation set: its multiple-choice tasks."""
    from cxr.miner.imports.chexbench import read_chexbench

    import_benchmark("chexbench", [source], output, "test", importing, read_chexbench, db)


@import_app.command("reviews")
def import_reviews(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="By `cxr review export`, Label Studio's JSON, or a review book.")
    ],
    wait: Annotated[float, typer.Option(help="Seconds to wait while another command holds the store.")] = 60.0,
    db: Db = DEFAULT_DB,
) -> None:
    """Read radiologists' reviews of chains and findings, made on the page of `cxr review` or in Label Studio."""
    from cxr.miner.imports.reviews import import_reviews as read_reviews
    from cxr.miner.kit.console import say
    from cxr.miner.review.take_in import once_free
    from cxr.miner.store import Store

    def read() -> "ReviewsResult":
        with Store.write(db) as store:
            return read_reviews(store, source)

    result = once_free(read, wait, say)
    with exit_with_rejects(result.rejects, "reviews"):
        of = f"{result.chains:,} chains" + (f" and {result.findings:,} findings" if result.findings else "")
        there = result.reviews - result.written
        say(
            f"{result.reviews:,} reviews of {of} written" + (f", {there:,} of them were there already" if there else "")
        )


@import_app.command("predictions")
def import_predictions(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON Lines, CSV, or the reference project's JSON results.")
    ],
    benchmark: Annotated[Path, typer.Option("--benchmark", help="The folder of the benchmark that was predicted.")],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="The model, in the place of the file's own name of it."),
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="How the model was asked, where the file does not say: reasoning or answer_only.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Forget what the store has of these models on this benchmark.")
    ] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read a model's outputs for a benchmark, made by `cxr predict` or elsewhere."""
    from dataclasses import astuple

    from cxr.miner.benchmark.settings import Mode
    from cxr.miner.imports.predictions import import_predictions as read_predictions
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store

    asked = None if mode is None else choose(Mode, mode, "import predictions: --mode")
    with Store.write(db, create=True) as store:
        result = read_predictions(store, benchmark, source, model=model, mode=asked, replace=replace)
    with exit_with_rejects(result.rejects, "lines"):
        columns = ["model", "asked for", "split", "samples", "predicted", "failed", "of", "missing"]
        rows = [(*astuple(one), one.expected - one.predicted) for one in result.coverage]
        if rows:
            out().print(table("What is predicted", columns, rows))
        said = f"{result.written:,} predictions written, {result.already:,} were already"
        say(f"{said}, {result.merged:,} lines said the same twice" if result.merged else said)
