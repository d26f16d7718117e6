"""`cxr predict`: what a model writes about the samples of a benchmark."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db, Exit, exit_with_rejects, fail
from cxr.miner.commands.options import PACED, SERVER, Options, OptionValues, grouped, offered

if TYPE_CHECKING:
    from cxr.trainer.predict.run import PredictJob, PredictResult
    from cxr.trainer.predict.speed import Speed


SAMPLES = Options(
    split=offered(str, "train, validate or test (the default)."),
    mode=offered(
        str, "How to ask: reasoning, answer_only, both (each sample twice), or own (as each sample says; default)."
    ),
    instructions=offered(
        str, "How the instruction is worded: paper, released, or a TOML file; default: as the model was trained."
    ),
    samples=offered(str, "Only samples of this mode: reasoning or answer_only."),
    tasks=offered(str, "Only these tasks; separated by commas."),
    limit=offered(int, "At most this many samples; the first of the benchmark."),
)
WRITING = Options(
    max_completion_tokens=offered(
        int, "The longest output; default 1024.", "--max-completion-tokens", "--max-new-tokens"
    ),
    temperature=offered(str, "0 (the default) takes the likeliest token; none sends none to a server."),
    sampling_seed=offered(str, "Names the draw where the temperature is above 0; none sends none.", "--seed"),
    max_pixels=offered(int, "Scale images down to this area."),
    image_side=offered(int, "Show images as squares of so many pixels a side; default: as the model was trained."),
)
HERE = Options(
    batch=offered(int, "Local: samples at once; default 8."),
    workers=offered(int, "Local: threads that prepare images; default 4."),
    precision=offered(str, "Local: bf16 (default on a GPU) or fp32."),
    device=offered(str, "Local: cpu, cuda or cuda:N; default a GPU if there is one."),
)
AT_SERVER = Options(picture=offered(str, "Server: send images as png (default) or jpeg."), **SERVER, **PACED)


@grouped
def predict(
    benchmark: Annotated[Path, typer.Argument(metavar="BENCH", help="A benchmark, or an export sft or grpo.")],
    model: Annotated[
        str, typer.Option("--model", help="A model folder, a hub name, or with --base-url the name at the server.")
    ],
    choosing: OptionValues = SAMPLES,
    writing: OptionValues = WRITING,
    here: OptionValues = HERE,
    server: OptionValues = AT_SERVER,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="JSON Lines; by default named beside the store.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="How to call the model in tables.")] = None,
    image_root: Annotated[
        list[str] | None,
        typer.Option("--image-root", metavar="[CORPUS=]PATH", help="Where images lie, if not where ingest saw them."),
    ] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Server: print expected cost and time; stop.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Start anew where the file has predictions.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Run a model over a benchmark; the same command goes on where it was stopped."""
    from cxr.miner.export.settings import parse_image_roots
    from cxr.miner.kit.console import out
    from cxr.trainer.models.offline import no_look_ups
    from cxr.trainer.predict.run import PredictJob, requests_for
    from cxr.trainer.predict.run import predict as run
    from cxr.trainer.predict.settings import PredictSettings

    roots = parse_image_roots(image_root) if image_root else None
    settings = PredictSettings.resolve(db, image_roots=roots, **choosing, **writing, **here, **server)
    job = PredictJob(benchmark, model, settings, output, db, name, replace)
    if estimate:
        if not settings.is_server:
            fail("predict: --estimate is for a server (--base-url or --api); a local model costs nothing", Exit.USAGE)
        from cxr.trainer.predict.server import estimate_table

        out().print(estimate_table(requests_for(job), settings.model_copy(update={"model": model})))
        return
    with _shown(job.called) as watch, no_look_ups(job.model):
        result = run(job, watch)
    _say(job, result)


def _say(job: "PredictJob", result: "PredictResult") -> None:
    """Return what came of it; exit with 4 where samples have no output."""
    from dataclasses import astuple

    from cxr.miner.kit.console import out, say, table

    if result.predicted:
        say(result.speed.line if result.spending is None else f"{result.spending}; {result.speed.line}")
    if result.cut_off:
        say(
            f"{result.cut_off:,} outputs were cut off at --max-completion-tokens {job.settings.max_completion_tokens:,}"
        )
    if result.empty:
        say(f"{result.empty:,} outputs are empty; they are kept as such")
    said = f"{result.predicted:,} predictions by {job.called} written to {result.file}"
    say(f"{said}, {result.already:,} were there already" if result.already else said)
    rejects = dict(result.errors)
    if result.imported is None:
        say(f"an export is not the benchmark: `cxr import predictions {result.file} --benchmark BENCH` stores them")
    else:
        columns = ["model", "asked for", "split", "samples", "predicted", "failed", "of"]
        rows = list(map(astuple, result.imported.coverage))
        out().print(table(f"What {job.store} has of {job.called}", columns, rows))
        for reason, count in result.imported.rejects.items():
            rejects[reason] = rejects.get(reason, 0) + count
        if "duplicate_key" in result.imported.rejects:
            say(
                f"the store has other outputs of {job.called} for this benchmark and keeps them; --name calls this run "
                "otherwise, --replace starts it anew and takes its outputs instead"
            )
    with exit_with_rejects(rejects, "samples"):
        pass


@contextmanager
def _shown(name: str) -> Iterator[Callable[["Speed"], None]]:
    """Show how far a run is and how busy its device."""
    from cxr.miner.kit.console import Display

    display = Display("predict")
    display.start(words=f"loading {name}")
    try:
        yield lambda speed: display.update(speed.samples, speed.total, speed.line)
    finally:
        display.stop()
