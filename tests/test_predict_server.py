"""`cxr predict` with a server: real requests over loopback, which must hold the right pixels and the right words."""

import base64
import io
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cxr.miner.images.pictures import Within, open_picture
from cxr.miner.kit.errors import PolicyError
from cxr.miner.llm.policy import Attestation
from cxr.trainer.predict.run import PredictJob, requests_for
from cxr.trainer.predict.samples import ShownSample
from cxr.trainer.predict.server import check_policy, data_url, image_tokens
from cxr.trainer.predict.settings import PredictSettings
from tests.benchmarks_world import run_cxr
from tests.prediction_world import World, header, lines, make_world, stored, write_picture
from tests.scripted_server import Act, Fail, Raw, Say, ScriptedServer

pytestmark = pytest.mark.usefixtures("no_waiting")

ANSWER = "<think> The heart is large. </think><answer> Yes </answer>"
ELSEWHERE = "http://192.0.2.1:9/v1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("closed"), licence="credentialed")


def serving(reply: Callable[[dict[str, Any]], Act] = lambda _: Say(ANSWER), **more: Any) -> ScriptedServer:
    return ScriptedServer(reply, **more)


def predict(world: World, url: str, output: str, *more: str | Path) -> Any:
    """Ask the server; each output has its own replies, and its own name in the store."""
    return run_cxr(
        world.folder, "predict", "bench", "--model", "vlm", "--base-url", url, "-o", output, "--max-new-tokens", "64",
        "--cache", f"{output}.replies", *(() if "--name" in more else ("--name", output)), *more,
    )  # fmt: skip


def pictures(request: dict[str, Any]) -> list[Image.Image]:
    """Decode the images of a request."""
    made: list[Image.Image] = []
    for part in request["messages"][1]["content"]:
        if part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(";base64,")
            assert head in {"data:image/png", "data:image/jpeg"}
            image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
            assert image.format == head.rpartition("/")[2].upper()
            made.append(image)
    return made


# --- what is sent, and what is kept -------------------------------------------------------------------------------


def test_the_server_gets_the_pixels_and_the_papers_words(world: World) -> None:
    with serving() as server:
        done = predict(world, server.url, "sent.jsonl", "--concurrency", "3", "--name", "sent")
    assert done.returncode == 0, done.stderr
    asked = {request["messages"][1]["content"][-1]["text"]: request for request in server.requests}
    endings = {
        "reasoning": " Please think step by step, and enclose the answer within <answer></answer> and the reasoning "
        "processes within <think></think>.",
        "answer_only": " Please enclose the answer within <answer></answer>",
    }
    shown: dict[str, list[list[bytes]]] = {}
    for request in server.requests:
        assert request["model"] == "vlm"
        assert request["temperature"] == 0
        assert request["max_completion_tokens"] == 64
        assert request["messages"][0] == {"role": "system", "content": "You are a helpful AI assistant."}
        kinds = [part["type"] for part in request["messages"][1]["content"]]
        assert kinds == ["image_url"] * (len(kinds) - 1) + ["text"]
        text = request["messages"][1]["content"][-1]["text"]
        shown.setdefault(text, []).append([image.tobytes() for image in pictures(request)])
    samples = world.samples()
    assert len(server.requests) == len(samples)
    assert {len(row["images"]) for row in samples.values()} == {0, 1, 2}
    for row in samples.values():
        words = row["question"] + endings[row["mode"]]
        assert words in asked
        assert [Image.open(world.folder / name).tobytes() for name in row["images"]] in shown[words]
    made = lines(world.folder / "sent.jsonl")
    assert [line["sample_id"] for line in made] == list(samples)
    assert {line["text"] for line in made} == {ANSWER}
    assert stored(world.folder, "sent") == sorted((key, row["mode"], ANSWER, None) for key, row in samples.items())


def test_a_server_is_asked_in_the_form_that_is_named(world: World) -> None:
    with serving() as server:
        words = ("--instructions", "released", "--image-side", "56", "--limit", "6", "--name", "theirs")
        done = predict(world, server.url, "theirs.jsonl", *words)
        assert done.returncode == 0, done.stderr
        other = predict(world, server.url, "theirs.jsonl", "--limit", "6", "--name", "theirs")
    assert (other.returncode, "its instructions is released" in other.stderr) == (1, True)
    asked = {row["question"]: row["mode"] for row in world.samples().values()}
    suffix = "\nLet's think step by step. Enclose the reasoning within <think></think> and the answer within "
    for request in server.requests:
        (user,) = request["messages"]
        text = user["content"][-1]["text"]
        question, _, more = text.partition(suffix)
        assert more in ({"<answer></answer>."} if suffix in text else {""})
        assert question in asked
        for part in user["content"][:-1]:
            data = base64.b64decode(part["image_url"]["url"].partition(";base64,")[2])
            assert Image.open(io.BytesIO(data)).size == (56, 56)
    told = header(world.folder / "theirs.jsonl")
    assert (told["instructions"]["name"], told["identity"]["image_side"]) == ("released", 56)


def test_the_key_comes_from_the_environment_and_stays_nowhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serving() as server:
        assert predict(world, server.url, "key.jsonl", "--limit", "2").returncode == 0
    assert server.keys == ["Bearer sk-secret"] * 2
    for path in (path for path in world.folder.rglob("*") if path.is_file()):
        assert b"sk-secret" not in path.read_bytes(), path


def test_azure_is_asked_in_its_own_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    with serving() as server:
        done = predict(world, server.url.removesuffix("/v1"), "azure.jsonl", "--api", "azure", "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert all(path.startswith("/openai/deployments/vlm/chat/completions?api-version=") for path in server.paths)


@pytest.mark.parametrize(
    ("said", "kept", "finish"),
    [
        (Say(""), "", "stop"),
        (Say("<think> and so", finish_reason="length"), "<think> and so", "length"),
        (Say("x", refusal="I cannot help with that."), "I cannot help with that.", "stop"),
    ],
)
def test_what_a_model_says_is_kept_as_it_is(world: World, said: Say, kept: str, finish: str) -> None:
    output = f"kept{len(kept)}.jsonl"
    with serving(lambda _: said) as server:
        done = predict(world, server.url, output, "--limit", "2")
    assert done.returncode == 0, done.stderr
    made = lines(world.folder / output)
    assert {(line["text"], line["finish"], line["error"]) for line in made} == {(kept, finish, None)}
    assert ("2 outputs are empty" in done.stderr) == (kept == "")
    assert ("2 outputs were cut off" in done.stderr) == (finish == "length")


def test_thoughts_that_a_server_keeps_apart_come_back_into_their_tags(world: World) -> None:
    server = serving()
    server.extra.append(("POST", "/v2/chat/completions", _thinking))
    with server:
        done = predict(world, server.url.replace("/v1", "/v2"), "apart.jsonl", "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert lines(world.folder / "apart.jsonl")[0]["text"] == "<think> It is large. </think><answer> Yes </answer>"


async def _thinking(http: Any) -> Any:
    from aiohttp import web  # noqa: PLC0415

    from tests.scripted_server import completion  # noqa: PLC0415

    reply = completion(json.loads(await http.read()), Say("<answer> Yes </answer>"))
    reply["choices"][0]["message"]["reasoning_content"] = "It is large."
    return web.json_response(reply)


def test_an_output_that_a_server_took_for_thoughts_is_kept_as_it_is(world: World) -> None:
    text = "<think> It is large. </think><answer> Yes </answer>"
    with serving(lambda _: Raw(json.dumps({"choices": [{"message": {"content": None, "reasoning": text}}]}))) as server:
        done = predict(world, server.url, "thoughts.jsonl", "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert lines(world.folder / "thoughts.jsonl")[0]["text"] == text


def test_images_are_scaled_and_encoded_as_asked(world: World, tmp_path: Path) -> None:
    with serving() as server:
        done = predict(world, server.url, "small.jsonl", "--limit", "8", "--max-pixels", "660", "--picture", "jpeg")
    assert done.returncode == 0, done.stderr
    sizes = {(image.format, image.size) for request in server.requests for image in pictures(request)}
    assert sizes == {("JPEG", (30, 22))}
    colour = Image.new("RGB", (40, 30), (200, 10, 10))
    assert Within(1200)(40, 30) == (40, 30)
    back = Image.open(io.BytesIO(base64.b64decode(data_url(colour, "png").partition(",")[2])))
    assert back.mode == "RGB"
    assert back.getpixel((3, 3)) == (200, 10, 10)
    write_picture(tmp_path / "grey.png", 3)
    grey = Image.open(io.BytesIO(base64.b64decode(data_url(open_picture(str(tmp_path / "grey.png")), "png")[22:])))
    assert grey.mode == "L"


# --- limits, failures, going on -----------------------------------------------------------------------------------


def test_nothing_is_asked_twice(world: World) -> None:
    with serving() as server:
        assert predict(world, server.url, "once.jsonl", "--limit", "4").returncode == 0
        assert predict(world, server.url, "once.jsonl").returncode == 0
        assert server.received == len(world.samples())
        (world.folder / "once.jsonl").unlink()  # what was paid for is still among the replies
        done = predict(world, server.url, "once.jsonl")
        assert done.returncode == 0
        assert "0 calls, 24 from the cache" in done.stderr
    assert server.received == len(world.samples())


def test_other_outputs_of_a_model_do_not_displace_the_stores(world: World) -> None:
    with serving() as server:
        assert predict(world, server.url, "first.jsonl", "--limit", "3", "--name", "same").returncode == 0
    with serving(lambda _: Say("<answer> No </answer>")) as server:
        done = predict(world, server.url, "second.jsonl", "--limit", "3", "--name", "same")
        assert done.returncode == 4
        assert "--name calls this run otherwise" in done.stderr
        assert {row[2] for row in stored(world.folder, "same")} == {ANSWER}
        assert predict(world, server.url, "second.jsonl", "--limit", "3", "--name", "same", "--replace").returncode == 0
    assert {row[2] for row in stored(world.folder, "same")} == {"<answer> No </answer>"}


def test_a_reached_budget_exits_with_3_and_the_same_command_goes_on(world: World) -> None:
    with serving() as server:
        done = predict(world, server.url, "budget.jsonl", "--max-calls", "5", "--concurrency", "1")
        assert done.returncode == 3
        assert "raise --max-calls" in done.stderr
        assert len(lines(world.folder / "budget.jsonl")) == 5
        assert header(world.folder / "budget.jsonl")["exit"] == "BudgetReached"
        assert predict(world, server.url, "budget.jsonl", "--max-calls", "24").returncode == 0
    assert server.received == len(world.samples())


def test_money_is_reserved_for_an_images_tokens_and_not_for_its_bytes(world: World, tmp_path: Path) -> None:
    """Noise of 600 x 600 is 480 kB of base64: 114,000 tokens by its bytes, $0.29; a server counts 765."""
    root = tmp_path / "large"
    for name in {name for row in world.samples().values() for name in row["images"]}:
        write_picture(root / name, 1, (600, 600))
    with serving() as server:
        done = predict(
            world, server.url, "money.jsonl", "--image-root", root, "--limit", "6",
            "--price", "2.50,10", "--max-usd", "0.05", "--concurrency", "4",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert image_tokens(600, 600) == 85 + 4 * 170
    assert max(len(json.dumps(request)) for request in server.requests) > 400_000


def test_passing_failures_are_tried_again_and_lasting_ones_are_named(world: World) -> None:
    broken = list(world.samples())[3]
    words = world.samples()[broken]["question"]
    failed: set[str] = set()

    def reply(request: dict[str, Any]) -> Act:
        text = request["messages"][1]["content"][-1]["text"]
        if text.startswith(words):
            return Fail(422, "bad_image")
        if text not in failed:
            failed.add(text)
            return Fail(500)
        return Say(ANSWER)

    with serving(reply) as server:
        done = predict(world, server.url, "rough.jsonl", "--concurrency", "1", "--samples", "answer_only")
        assert done.returncode == 4, done.stderr
        made = {line["sample_id"]: line for line in lines(world.folder / "rough.jsonl")}
        wrong = {
            key for key, row in world.samples().items() if row["question"] == words and row["mode"] == "answer_only"
        }
        assert {key for key, line in made.items() if line["error"]} == wrong
        assert made[broken]["error"].startswith("model_call_failed: ")
        assert "HTTP 422 bad_image" in made[broken]["error"]
        server.script = lambda _: Say(ANSWER)
        again = predict(world, server.url, "rough.jsonl", "--samples", "answer_only")
    assert again.returncode == 0, again.stderr
    assert not any(line["error"] for line in lines(world.folder / "rough.jsonl"))


def test_withheld_output_is_an_error(world: World) -> None:
    with serving(lambda _: Say("", finish_reason="content_filter")) as server:
        done = predict(world, server.url, "withheld.jsonl", "--limit", "2")
    assert done.returncode == 4
    assert all("content filter" in line["error"] for line in lines(world.folder / "withheld.jsonl"))


def test_a_server_that_takes_no_images_is_said_so(world: World) -> None:
    def blind(request: dict[str, Any]) -> Act:
        return Fail(400, "invalid_request_error") if pictures(request) else Say(ANSWER)

    with serving(blind) as server:
        done = predict(world, server.url, "blind.jsonl", "--concurrency", "1", "--mode", "reasoning")
        nobody = predict(world, "http://127.0.0.1:9/v1", "nobody.jsonl")
    assert done.returncode == 1
    assert "takes no images" in done.stderr
    assert done.stderr.rstrip().count("\n") <= 1
    assert nobody.returncode == 1
    assert "no server can be reached" in nobody.stderr


def test_a_damaged_image_is_not_sent(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.folder / "images", tmp_path / "images")
    name = next(row["images"][0] for row in world.samples().values() if row["images"])
    (tmp_path / name).write_bytes(b"not an image")
    with serving() as server:
        done = predict(world, server.url, "damaged.jsonl", "--image-root", tmp_path)
    assert done.returncode == 4
    hit = sum(name in row["images"] for row in world.samples().values())
    assert server.received == len(world.samples()) - hit
    errors = [line["error"] for line in lines(world.folder / "damaged.jsonl") if line["error"]]
    assert len(errors) == hit
    assert all(error.startswith("image_unreadable: ") and name in error for error in errors)


# --- who may see the images ---------------------------------------------------------------------------------------


def test_credentialed_images_go_to_this_machine(closed: World) -> None:
    with serving() as server:
        done = predict(closed, server.url, "here.jsonl", "--limit", "3")
    assert done.returncode == 0, done.stderr
    assert server.received == 3
    assert header(closed.folder / "here.jsonl")["licence"] == "credentialed"


def test_credentialed_images_go_nowhere_else(closed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    done = predict(closed, ELSEWHERE, "there.jsonl")
    assert done.returncode == 1
    assert "may not be sent to 192.0.2.1" in done.stderr
    assert not (closed.folder / "there.jsonl").exists()


def test_public_images_and_attested_endpoints_are_allowed(closed: World, world: World) -> None:
    url = "https://hospital.invalid/v1"
    settings = PredictSettings(base_url=url)
    of_closed = requests_for(PredictJob(closed.bench, "m", settings, store=closed.folder / "cxr.duckdb"))
    check_policy(requests_for(PredictJob(world.bench, "m", settings, store=world.folder / "cxr.duckdb")), settings)
    with pytest.raises(PolicyError):
        check_policy(of_closed, settings)
    attested = Attestation(
        endpoint=url,
        zero_retention=True,
        no_training=True,
        no_human_review=True,
        signed_by="A",
        signed_on=date(2026, 1, 2),
    )
    check_policy(of_closed, settings.model_copy(update={"attestations": (attested,)}))


def test_attestations_stand_in_the_configuration(tmp_path: Path, closed: World) -> None:
    (tmp_path / "cxr.toml").write_text(
        '[[predict.attestations]]\nendpoint = "https://hospital.invalid/v1"\nzero_retention = true\n'
        'no_training = true\nno_human_review = true\nsigned_by = "A. Researcher"\nsigned_on = 2026-01-02\n'
    )
    settings = PredictSettings.resolve(tmp_path / "cxr.duckdb", base_url="https://hospital.invalid/v1")
    check_policy(requests_for(PredictJob(closed.bench, "m", settings, store=closed.folder / "cxr.duckdb")), settings)


def test_one_credentialed_sample_among_public_ones_is_enough(world: World) -> None:
    settings = PredictSettings(base_url=ELSEWHERE)
    requests = requests_for(PredictJob(world.bench, "m", settings, store=world.folder / "cxr.duckdb"))
    one = requests[-1]
    mixed = [*requests, type(one)(ShownSample(**{**vars(one.sample), "licence": "credentialed"}), one.mode)]
    with pytest.raises(PolicyError):
        check_policy(mixed, settings)


# --- before anything is spent -------------------------------------------------------------------------------------


def test_an_estimate_counts_images_and_sends_nothing(world: World) -> None:
    with serving() as server:
        done = predict(world, server.url, "estimate.jsonl", "--estimate", "--price", "2.50,10")
        unknown = predict(world, server.url, "estimate.jsonl", "--estimate")
    assert done.returncode == 0, done.stderr
    assert server.received == 0
    assert not (world.folder / "estimate.jsonl").exists()
    rows = {cells[0]: cells[1:] for cells in _cells(done.stdout)}
    samples = world.samples()
    for mode in ("answer_only", "reasoning"):
        chosen = [row for row in samples.values() if row["mode"] == mode]
        images = sum(len(row["images"]) for row in chosen)
        calls, sent, replied, usd, _ = rows[mode]
        assert int(calls) == len(chosen)
        words = int(sent.replace(",", "")) - images * 255
        assert len(chosen) * 20 < words < len(chosen) * 90
        cost = (int(sent.replace(",", "")) * 2.5 + int(replied.replace(",", "")) * 10) / 1e6
        assert float(usd) == pytest.approx(cost, abs=0.0006)
    assert "no price is known" in unknown.stdout


def _cells(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("│").split("│")] for line in table.splitlines() if line.startswith("│")
    ]
