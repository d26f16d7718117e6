"""Settings: command line, environment, cxr.toml; a name that nobody reads is refused with the one that was meant."""

from pathlib import Path

import pytest

from cxr.miner.ask.settings import AskSettings
from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import STAGES, StageSettings
from cxr.miner.mine.settings import MineSettings
from cxr.miner.report.settings import ReportSettings
from cxr.miner.score.settings import FilterSettings, ScoreSettings
from cxr.trainer.evaluate.settings import EvaluateSettings
from cxr.trainer.predict.settings import PredictSettings
from cxr.trainer.train.settings import GRPOSettings
from tests.conftest import Cli


def resolve(folder: Path, stage: type[StageSettings] = MineSettings, toml: str = "") -> StageSettings:
    if toml:
        (folder / "cxr.toml").write_text(toml)
    return stage.resolve(folder / "cxr.duckdb")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[mine]\nmax_us = 3\n", "'max_us' is no setting of this stage; did you mean 'max_usd'?"),
        ("[mine]\nengin = 'llm'\n", "did you mean 'engine'?"),
        ("[mien]\nengine = 'llm'\n", "did you mean 'mine'?"),
        ("[mine]\nmode = 'tools'\n", "'mode' is no setting of this stage; it is called 'response_format' now"),
        ("[mine]\nengine = 'magic'\n", "expected 'rules', 'llm', or your own as module:name"),
    ],
)
def test_a_key_that_nobody_reads_is_refused_with_the_nearest(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        resolve(tmp_path, toml=toml)
    assert said in str(refused.value)


def test_the_keys_that_prediction_had_say_what_they_are_now(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'max_completion_tokens' now"):
        resolve(tmp_path, PredictSettings, "[predict]\nmax_new_tokens = 5\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CXR_MINE_MAXUSD", "did you mean 'CXR_MINE_MAX_USD'?"),
        ("CXR_MIEN_MAX_USD", "did you mean 'CXR_MINE_MAX_USD'?"),
        ("CXR_MINE_MODE", "it is CXR_MINE_RESPONSE_FORMAT now"),
        ("CXR_DBB", "did you mean 'CXR_DB'?"),
        ("CXR_NOTHING_LIKE_IT", "nothing reads it"),
    ],
)
def test_a_name_in_the_environment_that_nobody_reads_is_refused_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError) as refused:
        resolve(tmp_path)
    assert name in str(refused.value)
    assert said in str(refused.value)


def test_names_of_other_stages_and_nested_ones_are_left_to_those_who_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CXR_ASK_SEED", "3"), ("CXR_DB", "x.duckdb"), ("CXR_TRAIN_GRPO_TRL__TOP_K", "7")):
        monkeypatch.setenv(name, value)
    assert resolve(tmp_path).model_dump() == MineSettings().model_dump()
    assert GRPOSettings.from_preset("paper", tmp_path / "cxr.duckdb", {}).trl == {"top_k": "7"}


def test_a_mistyped_budget_on_the_command_line_of_a_shell_is_one_sentence(cxr: Cli) -> None:
    done = cxr("mine", CXR_MINE_MAXUSD="3")
    assert done.returncode == 2
    assert done.stderr.startswith("cxr: CXR_MINE_MAXUSD is set in the environment and nothing reads it; did you mean")


STAGE_SETTINGS = (
    *(AskSettings, MineSettings, ScoreSettings, JudgeSettings, FilterSettings, PredictSettings, EvaluateSettings),
    ReportSettings,
)


@pytest.mark.parametrize("stage", STAGE_SETTINGS, ids=lambda stage: str(stage.__name__))
def test_every_setting_of_every_stage_is_reachable_from_the_file_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: type[StageSettings]
) -> None:
    assert str(stage.model_config["env_prefix"]).removeprefix("CXR_").rstrip("_").lower() in STAGES
    for name, field in stage.model_fields.items():
        if field.annotation is int and field.default:
            with monkeypatch.context() as patched:
                patched.setenv(f"{stage.model_config['env_prefix']}{name.upper()}", str(field.default + 1))
                assert getattr(resolve(tmp_path, stage), name) == field.default + 1
    monkeypatch.setenv(f"{MineSettings.model_config['env_prefix']}PLAN_VERSION", "1")
    assert MineSettings.resolve(tmp_path / "cxr.duckdb").plan_version == 1


def test_none_in_words_leaves_a_choice_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXR_MINE_TEMPERATURE", "none")
    settings = resolve(tmp_path, toml='[mine]\nsampling_seed = "none"\n')
    assert isinstance(settings, MineSettings)
    assert settings.sampling() == {"max_completion_tokens": 4096}
