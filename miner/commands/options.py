"""Options that mean the same everywhere, alone and in groups.

A group is one parameter of a command's function and stands on its command line option by option; its names are those
of the settings, so that a command hands it on as it is.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

LinesIn = Annotated[Path, typer.Argument(metavar="IN.jsonl", help="JSON Lines: one record a line.")]
LinesOut = Annotated[Path, typer.Option("-o", "--output", help="Where to write; appears only when complete.")]

OptionValues = dict[str, Any]
"""What the user said of a group of options, None for what was not said; names are those of the settings."""


class Options(dict[str, Any]):
    """A group of options by name, as the default of one parameter: `server: OptionValues = SERVER`."""


def offered(kind: Any, about: str, *flags: str, default: Any = None, **more: Any) -> dict[str, Any]:
    """Return an option for a group, `about` its help; without a default it may be left unsaid, which is None."""
    given = kind | None if default is None else kind
    return {"annotation": Annotated[given, typer.Option(*flags, help=about, **more)], "default": default}


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that shows each group of options one by one, and is given it as one mapping."""
    signature = inspect.signature(command)
    groups = {one.name: one.default for one in signature.parameters.values() if isinstance(one.default, Options)}
    shown: list[inspect.Parameter] = []
    for one in signature.parameters.values():
        own = [one.replace(name=name, **option) for name, option in groups.get(one.name, {}).items()]
        shown += [part.replace(kind=inspect.Parameter.KEYWORD_ONLY) for part in own or [one]]

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: {option: given.pop(option) for option in group} for name, group in groups.items()}
        command(**given, **made)

    run.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    return run


JUDGE = Options(
    judge=offered(
        str, "Judge: rules (offline), llm (a server), cascade (llm where rules are not sure), rules+encoder.", "--judge"
    )
)
SERVER = Options(
    base_url=offered(str, "Server: its address, e.g. http://127.0.0.1:8000/v1 (vLLM)."),
    concurrency=offered(int, "Server: calls in flight at most."),
    price=offered(str, "Server: INPUT,OUTPUT in USD per million tokens."),
    max_usd=offered(float, "Server: stop before a job costs more, reruns included."),
    max_calls=offered(int, "Server: stop after this many calls, failed ones too."),
    probe=offered(str, "Server: again: forget what it was found to take, and learn it anew.", metavar="again"),
    cache=offered(Path, "Server: folder of replies, so that nothing is paid for twice."),
)
PACED = Options(
    api=offered(str, "Server: openai or azure (the model is the deployment)."),
    rpm=offered(float, "Server: calls a minute; default: what it allows."),
    tpm=offered(float, "Server: tokens a minute; likewise."),
)
ENTAILMENT = Options(entailment=offered(str, "For rules: rubric, or radiologist, who grants a disease by its signs."))
JUDGE_MODEL = Options(
    model=offered(str, "Server: the judge's model there; rules+encoder: its folder.", "--judge-model")
)
SURE = Options(sure=offered(str, "For cascade: few, usual or many are asked; or the least sureness, as 0.96."))
JUDGE_OPTIONS = Options(**JUDGE, **ENTAILMENT, **SURE, **JUDGE_MODEL, **SERVER)
# In commands that judge, --model would be the model that is judged.
OLD_MODEL = Options(old_model=offered(str, "What --judge-model was called.", "--model", hidden=True))
JUDGING = Options(**JUDGE_OPTIONS, **OLD_MODEL)
FILE_JUDGING = Options(
    **JUDGE_OPTIONS,
    **OLD_MODEL,
    licence=offered(str, "Server: public, or credentialed (the default: to this machine or attested only)."),
)
WEIGHTS = Options(
    weights=offered(str, "A score beside RadRScore: none, or significance (what matters more counts more).")
)
EMPTY = "What a share of nothing is: zero (as published) or skip (left out, and counted)."


def without_old_name(judging: OptionValues) -> OptionValues:
    """Return what the user said of a judge; a model under the option's old name is taken, and the new one said."""
    old = judging.pop("old_model")
    if old is not None:
        typer.echo("cxr: --model is called --judge-model here now; --model names a model that is judged", err=True)
    return {**judging, "model": judging["model"] or old}
