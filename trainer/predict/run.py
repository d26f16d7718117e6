"""A prediction run from start to end: what is missing is asked, the file grows, and the store gets it in the end."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cxr.miner.images.workers import unusable
from cxr.miner.imports.predictions import PredictionsResult, import_predictions
from cxr.miner.kit.console import say
from cxr.miner.kit.errors import InputError, StoreError
from cxr.miner.kit.machine import MODELS, versions
from cxr.miner.llm.books import FileBooks, open_client
from cxr.miner.store import Store
from cxr.prompts.instructions import PAPER
from cxr.trainer.models.hardware import hardware
from cxr.trainer.predict.as_trained import Form, form_of
from cxr.trainer.predict.file import PredictionFile, open_predictions
from cxr.trainer.predict.naming import model_name, weights_hash
from cxr.trainer.predict.samples import Request, SampleSource, read_samples, requests_of
from cxr.trainer.predict.settings import PredictSettings
from cxr.trainer.predict.speed import Speed

# What can change an output; all else may differ between two runs that write to one file.
_OF_THE_OUTPUT = ("mode", "temperature", "min_pixels", "max_pixels", "image_side")
_SELECTION = {"split", "samples", "tasks", "limit"}


@dataclass(frozen=True)
class PredictJob:
    """What the user asked for."""

    benchmark: Path
    model: str
    settings: PredictSettings
    output: Path | None = None
    store: Path = Path("cxr.duckdb")
    name: str | None = None
    replace: bool = False

    @property
    def called(self) -> str:
        """The model's name in tables."""
        return self.name or (self.model if self.settings.is_server else model_name(self.model))

    @cached_property
    def form(self) -> Form:
        """How the model is asked."""
        return form_of(self.model, self.settings)

    @property
    def shown(self) -> PredictSettings:
        """The settings, with what the form says of images."""
        return self.settings.model_copy(update={"image_side": self.form.image_side})


@dataclass(frozen=True)
class PredictResult:
    """What a run left."""

    file: Path
    predicted: int
    already: int
    errors: dict[str, int]
    """Samples without a text, by reason."""
    empty: int
    cut_off: int
    speed: Speed
    spending: str | None
    imported: PredictionsResult | None
    """What the store took; None for an export, whose benchmark is not at hand."""


def predict(job: PredictJob, watch: Callable[[Speed], None] = lambda _: None) -> PredictResult:
    """Ask what is missing and give what was done; `watch` is called after every batch.

    Raises InputError for folders and files that cannot be used, BudgetReached and KeyboardInterrupt after everything
    that was finished is in the file; the same call then goes on.
    """
    source, settings = SampleSource.open(job.benchmark), job.settings
    for warning in job.form.warnings:
        say(warning)
    requests = requests_for(job)
    if settings.is_server:
        from cxr.trainer.predict.server import check_policy  # noqa: PLC0415

        check_policy(requests, settings)
    output = job.output or default_output(job, source)
    wanted = {request.key for request in requests}
    speed = Speed()
    with open_predictions(output, identity(job, source), _about(job, source), wanted, replace=job.replace) as file:
        todo = [request for request in requests if request.key not in file.done]
        already = len(requests) - len(todo)
        bad = _check_images(todo)
        if bad and len(bad) == sum(bool(request.sample.images) for request in requests):
            raise InputError(
                f"none of the {len(bad):,} samples with images has one that can be used (the first: "
                f"{next(iter(bad.values()))}); say where images lie with --image-root CORPUS=PATH"
            )
        told = [(request, bad[request.key]) for request in todo if request.key in bad]
        file.append([request.predicted(job.called, source.fingerprint, error=error) for request, error in told])
        rest = [request for request in todo if request.key not in bad]
        spending = _ask(job, source, rest, file, speed, watch) if rest else None
        speed.stop()
        file.sort(request.key for request in requests)
        file.note(speed=speed.numbers(), spending=spending)
        made = [file.done[request.key] for request in requests]
    imported = None if source.benchmark is None else _import(job, output)
    return PredictResult(
        file=output,
        predicted=len(todo),
        already=already,
        errors=dict(Counter(one.error.partition(":")[0] for one in made if one.error is not None)),
        empty=sum(one.text is not None and not one.text.strip() for one in made),
        cut_off=sum(one.finish == "length" for one in made),
        speed=speed,
        spending=spending,
        imported=imported,
    )


def requests_for(job: PredictJob) -> list[Request]:
    """Return everything that a run asks, done or not, with images where they lie on this machine."""
    settings = job.settings.model_copy(update={"image_roots": _roots(job)})
    return requests_of(read_samples(SampleSource.open(job.benchmark), settings), settings, job.form.instructions)


def _ask(
    job: PredictJob,
    source: SampleSource,
    requests: Sequence[Request],
    file: PredictionFile,
    speed: Speed,
    watch: Callable[[Speed], None],
) -> str | None:
    """Ask the model, write down each batch as it comes, and give what a server charged for it."""
    settings = job.shown
    if settings.is_server:
        from cxr.trainer.predict.server import Server, licences_of  # noqa: PLC0415

        books, asked = FileBooks(file.path, licences_of(requests)), settings.model_copy(update={"model": job.model})
        with open_client(asked, books, books.job("predict", asked.named_model)) as client:
            server = Server(client, asked)
            try:
                for made in server.predict(requests, name=job.called, benchmark=source.fingerprint, speed=speed):
                    file.append(made)
                    watch(speed)
            finally:
                file.note(attestations=list(books.attestations_used))
            return books.spending
    from cxr.trainer.predict.local import LocalModel  # noqa: PLC0415 - torch loads in seconds

    model = LocalModel(job.model, settings, benchmark=source.fingerprint, name=job.called, speed=speed)
    file.note(versions=versions(MODELS), hardware=hardware(), device=str(model.device), precision=model.precision)
    for made in model.predict(requests):
        file.append(made)
        watch(speed)
    return None


def default_output(job: PredictJob, source: SampleSource) -> Path:
    """Return the file beside the store that is named from benchmark, model and mode."""
    parts = (source.name, job.called, job.settings.mode)
    return job.store.parent / f"{'.'.join(re.sub(r'[^A-Za-z0-9_-]+', '-', part) for part in parts)}.jsonl"


def identity(job: PredictJob, source: SampleSource) -> dict[str, Any]:
    """Return what two runs must share for their predictions to belong together."""
    settings = job.shown.model_dump(mode="json")
    asked = job.form.instructions
    made = {
        "benchmark": f"{source.name} {source.fingerprint}",
        "model": job.called,
        "weights": "at a server" if job.settings.is_server else weights_hash(job.model),
        "max_new_tokens": settings["max_completion_tokens"],
        "seed": settings["sampling_seed"],
        **{name: settings[name] for name in _OF_THE_OUTPUT},
        # The paper's are not named: files of an earlier version, which had no others, go on.
        **({"instructions": asked.label} if asked.sha256 != PAPER.sha256 else {}),
    }
    if job.settings.is_server:
        return made | {"served as": job.model, "picture": settings["picture"]} | job.settings.said_besides
    if not job.settings.temperature:
        made["seed"] = None
    return made | {"precision": settings["precision"]}


def _about(job: PredictJob, source: SampleSource) -> dict[str, Any]:
    return {
        "benchmark": {"name": source.name, "fingerprint": source.fingerprint, "folder": str(source.folder.resolve())},
        "licence": source.licence,
        "model": job.model,
        "instructions": job.form.instructions.facts(),
        "selection": job.settings.model_dump(mode="json", include=_SELECTION),
        "settings": job.settings.model_dump(mode="json", exclude=_SELECTION | {"attestations"}),
    }


def _roots(job: PredictJob) -> dict[str, str]:
    """Return where images lie: as the user said, or else where ingest saw them."""
    given = job.settings.image_roots
    if "*" in given or not job.store.is_file():
        return given
    with Store.read(job.store) as store:
        known = dict(store.rows("select corpus, image_root from corpora where image_root is not null"))
    return {**known, **given}


def _check_images(requests: Sequence[Request]) -> dict[tuple[str, str], str]:
    """Look at the headers of all image files before a model is loaded; give why requests cannot be asked."""
    paths = list(dict.fromkeys(image for one in requests for image in one.sample.images if isinstance(image, str)))
    bad = {path: f"{reason}: {path}" + (f" ({why})" if why else "") for path, (reason, why) in unusable(paths).items()}
    found = {one.key: [bad[image] for image in one.sample.images if image in bad] for one in requests}
    return {key: told[0] for key, told in found.items() if told}


def _import(job: PredictJob, output: Path) -> PredictionsResult:
    try:
        with Store.write(job.store, create=True) as store:
            return import_predictions(store, job.benchmark, output, replace=job.replace)
    except StoreError as error:
        raise StoreError(
            f"all predictions are in {output}, but the store could not take them: {error}; then run `cxr import "
            f"predictions {output} --benchmark {job.benchmark}`"
        ) from None
