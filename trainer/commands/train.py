"""`cxr train`: the two stages, the ablation over both, and the encoder of a judge."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxr.miner.commands.base import DEFAULT_DB, Commands, Db, Exit
from cxr.miner.commands.options import Options, OptionValues, grouped, offered

if TYPE_CHECKING:
    from cxr.trainer.train.launch import LaunchPlan
    from cxr.trainer.train.run import Trained, Training
    from cxr.trainer.train.settings import GRPOSettings, SFTSettings

train_app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Train a vision-language model: sft, then grpo with a process reward."
)

ASKED = Options(
    model=offered(
        str, "A folder or hub name: Qwen2-VL, Qwen2.5-VL or Qwen3-VL; grpo: an SFT checkpoint.", "--model", default=...
    ),
    data=offered(Path, "An export for this stage (`cxr export`), or a store.", "--data", default=...),
    output=offered(Path, "The run's folder: checkpoints, logs, curves, final/.", "-o", "--output", default=...),
    preset=offered(str, "paper, released, lora, tiny, or a TOML file of your own.", default="paper"),
)
CHANGED = Options(
    set_=offered(
        list[str], "Change a setting, e.g. learning_rate=1e-5; trl.KEY for TRL's own.", "--set", metavar="KEY=VALUE"
    ),
    existing=offered(str, "Where the folder holds a run: resume, replace or stop.", "--existing", default="stop"),
    dry_run=offered(bool, "Print batch, steps, memory and the launch command; stop.", "--dry-run", default=False),
)
MACHINES = Options(
    nproc=offered(int, "GPUs of this machine; more than one starts `accelerate launch`."),
    nnodes=offered(int, "Machines that train together.", default=1),
    node_rank=offered(int, "Which of the machines this is, from 0.", default=0),
    master=offered(str, "HOST:PORT of the first machine."),
)
ShowText = Annotated[bool, typer.Option("--show-text", help="Show sampled completions of credentialed data, too.")]


@train_app.command("sft")
@grouped
def train_sft(
    asked: OptionValues = ASKED, changed: OptionValues = CHANGED, machines: OptionValues = MACHINES, db: Db = DEFAULT_DB
) -> None:
    """Fine-tune on answers and mined reasoning."""
    from cxr.trainer.train.settings import SFTSettings

    told = asked | changed | machines
    _train(SFTSettings.from_preset(told["preset"], db, _given(told)), told, db)


@train_app.command("grpo")
@grouped
def train_grpo(
    asked: OptionValues = ASKED,
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
        typer.Option(help="grounded (report and reference), factuality (the paper's: the report alone), or none."),
    ] = None,
    process_judge: Annotated[
        str | None,
        typer.Option(help="Who judges reasoning: rules, llm ([judge] in cxr.toml), or your own as module:name."),
    ] = None,
    changed: OptionValues = CHANGED,
    show_text: ShowText = False,
    machines: OptionValues = MACHINES,
    db: Db = DEFAULT_DB,
) -> None:
    """Go on from an SFT checkpoint with GRPO: format, accuracy and a process reward."""
    from cxr.trainer.train.settings import GRPOSettings, parse_rewards

    told = asked | changed | machines
    given = _given(told)
    if reward:
        given["rewards"] = given.get("rewards", {}) | parse_rewards(reward)
    if process_reward is not None:
        given["process_reward"] = process_reward
    if process_judge is not None:
        given["process_judge"] = process_judge
    _train(GRPOSettings.from_preset(told["preset"], db, given), told, db, show_text=show_text)


@train_app.command("ablation")
def train_ablation(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where all runs, predictions and the table go.")],
    preset: Annotated[
        str, typer.Option(help="tiny (on phantoms, minutes), paper, released, lora, or a TOML file.")
    ] = "tiny",
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

    from cxr.miner.kit.console import echo, out, plain_table, say
    from cxr.trainer.train import ablation

    world = ablation.find_world(output, preset, data, model, tuple(set_ or ()))
    options = ablation.predict_options(preset)
    if dry_run:
        for variant in ablation.read_variants():
            for words in (ablation.train_command(variant, world), ablation.predict_command(variant, world, options)):
                echo(shlex.join(["cxr", *words]))
        return
    ablation.make_shared(world)
    rows = ablation.run_ablation(world, options)
    out().print(plain_table(*ablation.table_rows(rows)))
    for measure in ("radrscore", "accuracy"):
        same, of = ablation.order_agreement(rows, measure)
        say(f"{measure}: {same} of {of} pairs of variants are ordered as in the paper")
    say(f"the rows, as JSON: {output / 'ablation.json'}")


@train_app.command("encoder")
def train_encoder(
    output: Annotated[Path, typer.Option("-o", "--output", help="A new folder for the encoder.")],
    seed: Annotated[int, typer.Option(help="Names the draws; the same seed trains the same encoder.", min=0)] = 0,
    epochs: Annotated[int, typer.Option(help="How often everything is seen.", min=0, max=100)] = 4,
) -> None:
    """Train the encoder of the judge rules+encoder to name what is described, on a CPU, in minutes."""
    from cxr.miner.kit.console import progress, say
    from cxr.trainer.learned.training import train_encoder as train_it

    with progress("train encoder") as advance:
        trained = train_it(output, seed=seed, epochs=epochs, advance=advance)
    say(
        f"of {trained.held_out:,} sentences that were held out, {trained.named:,} are named at a similarity of "
        f"{trained.least_similarity:.2f}, {trained.right:,} of them rightly"
    )
    say(f"encoder {trained.version} is in {output}; ask it with --judge rules+encoder --judge-model {output}")


def _given(told: OptionValues) -> dict[str, Any]:
    """Return the settings that the command line names."""
    from cxr.trainer.train.settings import parse_given

    gpus = {} if told["nproc"] is None else {"gpus": told["nproc"] * told["nnodes"]}
    return parse_given(told["set_"] or ()) | gpus


def _train(settings: "SFTSettings | GRPOSettings", told: OptionValues, db: Path, *, show_text: bool = False) -> None:
    """Train, and ask no host for anything but a hub for its model."""
    from cxr.trainer.models.offline import no_look_ups

    with no_look_ups(told["model"]):  # before the libraries are imported, which look at the environment once
        _train_here(settings, told, db, show_text=show_text)


def _train_here(
    settings: "SFTSettings | GRPOSettings", told: OptionValues, db: Path, *, show_text: bool = False
) -> None:
    """Print the plan, or hand over to `accelerate launch`, or train in this process."""
    from cxr.miner.benchmark.settings import Existing
    from cxr.miner.kit.console import echo, out, plain_table, say
    from cxr.miner.kit.settings import choose
    from cxr.trainer.train.launch import is_first, is_launched, launch
    from cxr.trainer.train.run import LEFT_OUT, Training, no_orphan, prepare_output, train

    existing = choose(Existing, told["existing"], f"{settings.stage}: --existing")
    where = {name: told[name] for name in ASKED}
    training = Training(settings, **where, existing=existing, store=db, show_text=show_text)
    if is_launched():
        result = train(training)
        if is_first():
            # Any exit code but 0 is a crash to the launcher; that samples were left out says the process above.
            with contextlib.suppress(typer.Exit):
                _say_trained(training, result)
    elif told["dry_run"]:
        plan = _planned(training, told)
        out().print(plain_table(["what", "how much"], plan.described()))
        echo(plan.command_line)  # outside of the table, where it would be folded
        for sentence in plan.lacking:
            say(sentence)
    elif settings.gpus > 1:
        plan = _planned(training, told)
        code = 1
        with contextlib.suppress(_Failed), no_orphan(training.output):
            prepare_output(training)  # what the user can mend is said here, once, and not by each process
            code = launch(plan)
            if code:
                raise _Failed
        raise typer.Exit(Exit.REJECTS if code == Exit.DONE and (training.output / LEFT_OUT).is_file() else code)
    else:
        _say_trained(training, train(training))


class _Failed(Exception):
    """The processes ended with an error, which they said."""


def _planned(training: "Training", told: OptionValues) -> "LaunchPlan":
    import sys

    from cxr.trainer.train.data import count_rows
    from cxr.trainer.train.launch import gpus_here, parse_nodes, plan
    from cxr.trainer.train.memory import memory_of

    rows, unusable = count_rows(training.data, training.settings, look=told["dry_run"])
    return plan(
        training.settings,
        rows,
        unusable=unusable,
        nodes=parse_nodes(told["nnodes"], told["node_rank"], told["master"]),
        gpus_here=gpus_here(),
        asked=told["nproc"] is not None,
        dry=told["dry_run"],
        preset=training.preset,
        memory=memory_of(training.settings, training.model),
        arguments=[word for word in sys.argv[1:] if word != "--dry-run"],
    )


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
