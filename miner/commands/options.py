"""Options that mean the same everywhere, alone and in groups.

A group is one parameter of a command's function and stands on its command line option by option; its names are those
of the settings, so that a command hands it on as it is.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

LinesIn = Annotated[Path, typer.Argument(metavar="IN.jsonl", help="JSON Lines: one record a line.")]
LinesOut = Annotated[Path, typer.Option("-o", "--output", help="Where to write; appears only when complete.")]


OptionValues = dict[str, Any]
"""What the user said of a group of options, None for what was not said; names are those of the settings."""


class Options(dict[str, Any]):
    """A group of options that commands share, by name: `Annotated[OptionValues, Options(...)]` is one parameter."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that shows each group of options one by one, and is given it as one mapping."""
    signature = inspect.signature(command)
    groups: dict[str, Options] = {}
    shown: list[inspect.Parameter] = []
    for one in signature.parameters.values():
        group = next((part for part in get_args(one.annotation) if isinstance(part, Options)), None)
        if group is None:
            shown.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[one.name] = group
        shown += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
            for name, option in group.items()
        ]

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: {option: given.pop(option) for option in group} for name, group in groups.items()}
        command(**given, **made)

    run.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    return run


JudgeOption = Annotated[
    str | None, typer.Option("--judge", help="Who judges: rules (offline) or llm (an OpenAI-compatible server).")
]
SERVER = Options(
    base_url=Annotated[str | None, typer.Option(help="Server: its address, e.g. http://127.0.0.1:8000/v1 (vLLM).")],
    concurrency=Annotated[int | None, typer.Option(help="Server: calls in flight at most.")],
    price=Annotated[str | None, typer.Option(help="Server: INPUT,OUTPUT in USD per million tokens.")],
    max_usd=Annotated[float | None, typer.Option(help="Server: stop before a job costs more, reruns included.")],
    max_calls=Annotated[int | None, typer.Option(help="Server: stop after this many calls, failed ones too.")],
    cache=Annotated[Path | None, typer.Option(help="Server: folder of replies, so that nothing is paid for twice.")],
)
PACED = Options(
    api=Annotated[str | None, typer.Option(help="Server: openai or azure (the model is the deployment).")],
    rpm=Annotated[float | None, typer.Option(help="Server: calls a minute; default: what it allows.")],
    tpm=Annotated[float | None, typer.Option(help="Server: tokens a minute; likewise.")],
)
JUDGE_OPTIONS = Options(
    judge=JudgeOption,
    model=Annotated[str | None, typer.Option("--judge-model", help="Server: the judge's model there.")],
    **SERVER,
)
# In commands that judge, --model would be the model that is judged.
OLD_MODEL = Options(
    old_model=Annotated[str | None, typer.Option("--model", hidden=True, help="What --judge-model was called.")]
)
JudgeOptions = Annotated[OptionValues, Options(**JUDGE_OPTIONS, **OLD_MODEL)]
LICENCE = Options(
    licence=Annotated[
        str | None,
        typer.Option(help="Server: public, or credentialed (the default: to this machine or attested only)."),
    ]
)
FileJudgeOptions = Annotated[OptionValues, Options(**JUDGE_OPTIONS, **OLD_MODEL, **LICENCE)]


def without_old_name(judging: OptionValues) -> OptionValues:
    """Return what the user said of a judge; a model under the option's old name is taken, and the new one said."""
    old = judging.pop("old_model")
    if old is not None:
        typer.echo("cxr: --model is called --judge-model here now; --model names a model that is judged", err=True)
    return {**judging, "model": judging["model"] or old}
