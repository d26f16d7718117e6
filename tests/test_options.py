"""Groups of options: one parameter of a command, option by option on its command line."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cxr.miner.commands.options import SERVER, OptionValues, grouped, without_old_name


def test_a_command_gets_what_was_said_of_a_group_by_the_names_of_the_settings() -> None:
    got: list[object] = []

    @grouped
    def run(server: OptionValues = SERVER, plain: Annotated[int, typer.Option(help="No group.")] = 3) -> None:
        got.append((plain, {name: value for name, value in server.items() if value is not None}, set(server)))

    app = typer.Typer()
    app.command()(run)
    done = CliRunner().invoke(app, ["--max-usd", "2.5", "--plain", "4", "--base-url", "http://127.0.0.1:1/v1"])
    assert done.exit_code == 0, done.output
    assert got == [(4, {"max_usd": 2.5, "base_url": "http://127.0.0.1:1/v1"}, set(SERVER))]


def test_the_old_name_of_a_judges_model_is_taken_and_the_new_one_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert without_old_name({"judge": "llm", "model": None, "old_model": "m"}) == {"judge": "llm", "model": "m"}
    assert "--model is called --judge-model here now" in capsys.readouterr().err
    assert without_old_name({"model": "new", "old_model": None}) == {"model": "new"}
    assert capsys.readouterr().err == ""
