"""`cxr train`: the two stages, and the ablation over both."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cxr.miner.commands.base import DEFAULT_DB, Commands, Db, Exit

if TYPE_CHECKING:
    from cxr.trainer.train.launch import LaunchPlan
    from cxr.trainer.train.run import Trained, Training
    from cxr.trainer.train.settings import GRPOSettings, SFTSettings

train_app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Train a vision-language model: sft, then grpo with a process reward."
)

ModelPath = Annotated[
    str,
    typer.Option("--model", help="A folder or hub name: Qwen2-VL, Qwen2.5-VL or Qwen3-VL; grpo: an SFT checkpoint."),
]
Data = Annotated[Path, typer.Option("--data", help="An export for this stage (`cxr export`), or a store.")]
RunFolder = Annotated[Path, typer.Option("-o", "--output", help="The run's folder: checkpoints, logs, curves, final/.")]
Preset = Annotated[str, typer.Option(help="paper, lora, tiny, or a TOML file of your own.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a setting, e.g. learning_rate=1e-5; trl.KEY for TRL's own."
    ),
]
ExistingRun = Annotated[str, typer.Option("--existing", help="Where the folder holds a run: resume, replace or stop.")]
PlanOnly = Annotated[bool, typer.Option("--dry-run", help="Print batch, steps, memory and the launch command; stop.")]
Nproc = Annotated[int | None, typer.Option(help="GPUs of this machine; more than one starts `accelerate launch`.")]
Nnodes = Annotated[int, typer.Option(help="Machines that train together.")]
NodeRank = Annotated[int, typer.Option(help="Which of the machines this is, from 0.")]
Master = Annotated[str | None, typer.Option(help="HOST:PORT of the first machine.")]
ShowText = Annotated[bool, typer.Option("--show-text", help="Show sampled completions of credentialed data, too.")]


@train_app.command("sft")
def train_sft(
    model: ModelPath,
    data: Data,
    output: RunFolder,
    preset: Preset = "paper",
    set_: Set = None,
    existing: ExistingRun = "stop",
    dry_run: PlanOnly = False,
    nproc: Nproc = None,
    nnodes: Nnodes = 1,
    node_rank: NodeRank = 0,
    master: Master = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Fine-tune on answers and mined reasoning."""
    from cxr.trainer.train.settings import SFTSettings, parse_given

    where = _Where(dry_run, nproc, nnodes, node_rank, master)
    settings = SFTSettings.from_preset(preset, db, parse_given(set_ or ()) | where.gpus())
    _train(settings, model, data, output, preset, existing, where, db)


@train_app.command("grpo")
def train_grpo(
    model: ModelPath,
    data: Data,
    output: RunFolder,
    preset: Preset = "paper",
    reward: Annotated[
        list[str] | None,
        typer.Option(
            "--reward",
            metavar="NAME=WEIGHT",
            help="Weigh a reward: format, accuracy, process, or your own as module:function. Repeatable.",
        ),
    ] = None,
    process_reward: Annotated[
        str | None,
        typer.Option(help="Who judges reasoning: rules, llm ([judge] in cxr.toml), your own as module:name, or none."),
    ] = None,
    set_: Set = None,
    existing: ExistingRun = "stop",
    dry_run: PlanOnly = False,
    show_text: ShowText = False,
    nproc: Nproc = None,
    nnodes: Nnodes = 1,
    node_rank: NodeRank = 0,
    master: Master = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Go on from an SFT checkpoint with GRPO: format, accuracy and process factuality as rewards."""
    from cxr.trainer.train.settings import GRPOSettings, parse_given, parse_rewards

    where = _Where(dry_run, nproc, nnodes, node_rank, master)
    given = parse_given(set_ or ()) | where.gpus()
    if reward:
        given["rewards"] = given.get("rewards", {}) | parse_rewards(reward)
    if process_reward is not None:
        given["process_reward"] = process_reward
    settings = GRPOSettings.from_preset(preset, db, given)
    _train(settings, model, data, output, preset, existing, where, db, show_text=show_text)


@train_app.command("ablation")
def train_ablation(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where all runs, predictions and the table go.")],
    preset: Annotated[str, typer.Option(help="tiny (on phantoms, minutes), paper, lora, or a TOML file.")] = "tiny",
    data: Annotated[
        Path | None, typer.Option("--data", help="A store with scored chains; default for tiny: phantoms.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The base model; default for tiny: a random one.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="STAGE.KEY=VALUE", help="Change a setting, e.g. sft.steps=100.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands; run none.")] = False,
) -> None:
    """Train, predict and evaluate the paper's six variants, and print its Fig. 5 as a table."""
    import shlex

    from cxr.miner.kit.console import out, plain_table, say
    from cxr.trainer.train.ablation import (
        order_agreement,
        predict_command,
        read_variants,
        run_ablation,
        table_rows,
        train_command,
    )
    from cxr.trainer.train.ablation_world import find_world, make, predict_options

    world = find_world(output, preset, data, model, tuple(set_ or ()))
    options = predict_options(preset)
    if dry_run:
        for variant in read_variants():
            for words in (train_command(variant, world), predict_command(variant, world, options)):
                typer.echo(shlex.join(["cxr", *words]))
        return
    make(world)
    rows = run_ablation(world, options)
    out().print(plain_table(*table_rows(rows)))
    for measure in ("radrscore", "accuracy"):
        same, of = order_agreement(rows, measure)
        say(f"{measure}: {same} of {of} pairs of variants are ordered as in the paper")
    say(f"the rows, as JSON: {output / 'ablation.json'}")


class _Where(NamedTuple):
    """Where a stage is to run, as the command line says it."""

    dry_run: bool
    nproc: int | None
    nnodes: int
    node_rank: int
    master: str | None

    def gpus(self) -> dict[str, int]:
        return {} if self.nproc is None else {"gpus": self.nproc * self.nnodes}


def _train(
    settings: "SFTSettings | GRPOSettings",
    model: str,
    data: Path,
    output: Path,
    preset: str,
    existing: str,
    where: _Where,
    db: Path,
    *,
    show_text: bool = False,
) -> None:
    """Print the plan, or hand over to `accelerate launch`, or train here."""
    from cxr.miner.benchmark.settings import Existing
    from cxr.miner.kit.settings import choose
    from cxr.trainer.train.launch import is_first, is_launched, launch
    from cxr.trainer.train.run import LEFT_OUT, Training, prepare_output, train

    chosen = choose(Existing, existing, f"{settings.stage}: --existing")
    training = Training(settings, model, data, output, preset, chosen, db, show_text=show_text)
    if is_launched():
        result = train(training)
        if is_first():
            # Any exit code but 0 is a crash to the launcher; that samples were left out says the process above.
            with contextlib.suppress(typer.Exit):
                _say_trained(training, result)
    elif where.dry_run:
        _say_planned(_planned(training, where))
    elif settings.gpus > 1:
        plan = _planned(training, where)
        prepare_output(training)  # what the user can mend is said here, once, and not by each process
        code = launch(plan)
        raise typer.Exit(Exit.REJECTS if code == Exit.DONE and (output / LEFT_OUT).is_file() else code)
    else:
        _say_trained(training, train(training))


def _planned(training: "Training", where: _Where) -> "LaunchPlan":
    import sys

    from cxr.trainer.train.data import count_rows
    from cxr.trainer.train.launch import gpus_here, parse_nodes, plan
    from cxr.trainer.train.memory import memory_of

    return plan(
        training.settings,
        count_rows(training.data, training.settings),
        nodes=parse_nodes(where.nnodes, where.node_rank, where.master),
        gpus_here=gpus_here(),
        asked=where.nproc is not None,
        dry=where.dry_run,
        preset=training.preset,
        memory=memory_of(training.settings, training.model),
        arguments=[word for word in sys.argv[1:] if word != "--dry-run"],
    )


def _say_planned(plan: "LaunchPlan") -> None:
    from cxr.miner.kit.console import out, plain_table, say

    out().print(plain_table(["what", "how much"], plan.described()))
    typer.echo(plan.command_line)  # outside of the table, where it would be folded
    for sentence in plan.lacking:
        say(sentence)


def _say_trained(training: "Training", trained: "Trained") -> None:
    """Say what a training left; exit with 4 where samples were left out."""
    from cxr.miner.kit.console import say
    from cxr.trainer.train.run import LEFT_OUT

    say(f"{trained.steps:,} steps of {training.settings.short_stage()} done; the model is in {trained.final}")
    if trained.curves is not None:
        say(f"curves: {trained.curves}")
    if trained.rejects:
        say(f"{trained.rejects:,} samples left out for their images; see {training.output / LEFT_OUT}")
        raise typer.Exit(Exit.REJECTS)
