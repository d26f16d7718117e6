"""A local checkpoint over many samples: batches of one shape, prepared in threads while the device writes.

What a model writes about a sample does not depend on its neighbours in a batch, as far as floating point allows:
padding is masked, and a temperature above 0 draws from a generator of each request's own.
"""

import inspect
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from cxr.miner.images.pictures import BadPicture, open_picture
from cxr.miner.kit.console import say
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import EngineStopped, SettingsError
from cxr.miner.kit.parallel import ordered_map
from cxr.schemas.vocabulary import RejectReason
from cxr.trainer.models.families import load_model, load_processor
from cxr.trainer.predict.fit import fit_of
from cxr.trainer.predict.naming import model_name
from cxr.trainer.predict.samples import Predicted, Request
from cxr.trainer.predict.settings import PredictSettings
from cxr.trainer.predict.speed import Speed


def plan_batches(requests: Sequence[Request], size: int) -> list[list[Request]]:
    """Cut requests into batches of about one length: the longest first, so that what does not fit shows at once."""

    def weight(request: Request) -> tuple[str, int, int]:
        # A batch is done when its longest output is: reasoning and bare answers do not mix.
        return str(request.mode), len(request.sample.images), len(request.text)

    ordered = sorted(requests, key=weight, reverse=True)
    return [ordered[first : first + size] for first in range(0, len(ordered), size)]


@dataclass(frozen=True)
class _Prepared:
    """A request as text with its image tokens, and its images as the model takes them."""

    request: Request
    text: str
    pixels: list[Any]
    grids: list[Any]


@dataclass(frozen=True)
class _Batch:
    """What can be asked at once, and the requests that cannot be asked at all."""

    prepared: list[_Prepared]
    inputs: dict[str, Any] | None
    errors: list[tuple[Request, str]]


class LoadedModel:
    """A model and its processor, ready to write."""

    def __init__(
        self,
        model: Any,
        processor: Any,
        settings: PredictSettings,
        *,
        device: torch.device,
        name: str,
        benchmark: str | None = None,
        speed: Speed | None = None,
    ) -> None:
        """Take a model that lies on `device` in evaluation mode, and give it generation settings of ours.

        `benchmark` is the fingerprint and `name` the model's name that the predictions carry; `speed` is told how busy
        the device is.
        """
        self.settings = settings
        self.device = device
        self.name = name
        self._benchmark = benchmark
        self._fits = settings.batch
        self.speed = speed or Speed()
        self._processor = processor
        self._fit = fit_of(processor, settings.image_side)
        self._tokenizer = self._processor.tokenizer
        # A fast tokenizer may not be used by two threads at once.
        self._tokenizing = threading.Lock()
        self._ends = _ends(model, self._tokenizer)
        # Not the folder's own: Qwen's asks for sampling and a repetition penalty.
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            max_new_tokens=settings.max_completion_tokens,
            eos_token_id=sorted(self._ends),
            pad_token_id=self._tokenizer.pad_token_id,
        )
        # Newer models want to be told which tokens are an image's.
        self._marks_images = "mm_token_type_ids" in inspect.signature(type(model).forward).parameters
        self._model = model

    def predict(self, requests: Sequence[Request]) -> Iterator[list[Predicted]]:
        """Return the predictions of one batch after the other; batches ahead are prepared meanwhile.

        A sample whose images cannot be used comes with an error instead of a text. Raises EngineStopped where a
        single sample does not fit into memory.
        """
        self.speed.is_gpu = self.device.type == "cuda"
        self.speed.start(len(requests))
        planned = plan_batches(requests, self.settings.batch)
        for batch in ordered_map(self._collated, planned, 1, ahead=self.settings.prefetch):
            made = [request.predicted(self.name, self._benchmark, error=error) for request, error in batch.errors]
            if batch.inputs is not None:
                made += self._write(batch.prepared, batch.inputs)
            self.speed.ended(made)
            yield made

    # --- preparing ------------------------------------------------------------------------------------------------

    def _collated(self, requests: Sequence[Request]) -> _Batch:
        """Prepare a batch; requests whose images cannot be used are told apart."""
        prepared: list[_Prepared] = []
        errors: list[tuple[Request, str]] = []
        for request, result in zip(requests, ordered_map(self._prepared, requests, self.settings.workers), strict=True):
            if isinstance(result, BadPicture):
                errors.append((request, f"{result.reason}: {result.message}"))
            else:
                prepared.append(result)
        return _Batch(prepared, self._inputs(prepared) if prepared else None, errors)

    def _prepared(self, request: Request) -> _Prepared | BadPicture:
        """Decode a request's images and bring them into patches; called from several threads."""
        processor = self._processor
        try:
            pictures = [open_picture(picture, self._fit) for picture in request.sample.images]
            given = [processor.image_processor(images=[picture], return_tensors="pt") for picture in pictures]
        except BadPicture as bad:
            return bad
        except ValueError as error:  # what another version of the processor may refuse
            return BadPicture(RejectReason.IMAGE_UNREADABLE, f"the model takes no such image ({error})")
        grids = [one["image_grid_thw"] for one in given]
        pieces = self._template(request).split(processor.image_token)
        if len(pieces) != len(grids) + 1:
            return BadPicture(RejectReason.BAD_VALUE, "the question holds a model's own image token")
        merged = processor.image_processor.merge_size**2
        text = pieces[0]
        for grid, piece in zip(grids, pieces[1:], strict=True):
            text += processor.image_token * (int(grid.prod()) // merged) + piece
        return _Prepared(request, text, [one["pixel_values"] for one in given], grids)

    def _template(self, request: Request) -> str:
        """Return the conversation as the model reads it: the images come before the question, as in training."""
        shown = [{"type": "image"} for _ in request.sample.images]
        turns = request.instructions.turns([*shown, {"type": "text", "text": request.text}])
        # The form that all chat templates read: content as parts.
        messages = [
            {**turn, "content": [{"type": "text", "text": turn["content"]}]} if turn["role"] == "system" else turn
            for turn in turns
        ]
        made: str = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return made

    def _inputs(self, prepared: Sequence[_Prepared]) -> dict[str, Any]:
        """Return the tensors of a batch, padded on the left; a batch may mix rows with no image, one and two."""
        with self._tokenizing:
            words = self._tokenizer([one.text for one in prepared], padding=True, return_tensors="pt")
        inputs = {"input_ids": words["input_ids"], "attention_mask": words["attention_mask"]}
        if self._marks_images:
            is_image = inputs["input_ids"] == self._processor.image_token_id
            inputs["mm_token_type_ids"] = is_image.to(inputs["input_ids"].dtype)
        if pixels := [part for one in prepared for part in one.pixels]:
            inputs["pixel_values"] = torch.cat(pixels)
            inputs["image_grid_thw"] = torch.cat([grid for one in prepared for grid in one.grids])
        if self.device.type == "cuda":
            inputs = {name: value.pin_memory() for name, value in inputs.items()}
        return inputs

    # --- writing --------------------------------------------------------------------------------------------------

    def _write(self, prepared: Sequence[_Prepared], inputs: dict[str, Any]) -> list[Predicted]:
        """Generate a batch; one that does not fit into memory is halved until it does, and so are all after it."""
        requests = [one.request for one in prepared]
        if len(requests) <= self._fits:
            with self.speed.busy():
                written = self._generate(inputs, requests)
            if written is not None:
                return self._read(written, requests)
            self._fits = len(requests) // 2
            if not self._fits:
                raise EngineStopped(
                    f"the device has too little memory for one sample of this model ({requests[0].sample.sample_id}); "
                    "lower --max-pixels or --max-new-tokens, or choose --precision bf16"
                )
            say(f"{len(requests)} samples at once do not fit into memory: going on with --batch {self._fits}")
        most = self._fits  # a part may turn out to be too large as well
        parts = [prepared[first : first + most] for first in range(0, len(requests), most)]
        return [one for part in parts for one in self._write(part, self._inputs(part))]

    def _generate(self, inputs: dict[str, Any], requests: Sequence[Request]) -> Any | None:
        """Return the new tokens of each row on the CPU, or None where memory did not suffice."""
        drawn = LogitsProcessorList()
        if self.settings.temperature:
            drawn.append(Draw(self.settings.temperature, self.settings.sampling_seed or 0, requests, self.device))
        try:
            placed = {name: value.to(self.device, non_blocking=True) for name, value in inputs.items()}
            # Not in inference mode: a model in training keeps what is computed here, and could not go on with it.
            with torch.no_grad():
                written = self._model.generate(**placed, logits_processor=drawn)
            return written[:, inputs["input_ids"].shape[1] :].cpu()
        except torch.OutOfMemoryError:
            pass
        except RuntimeError as error:
            if "allocate memory" not in str(error):
                raise
        # Here, and not above: the exception holds on to what was to be freed.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _read(self, written: Any, requests: Sequence[Request]) -> list[Predicted]:
        made = []
        for row, request in zip(written.tolist(), requests, strict=True):
            length = next((place for place, token in enumerate(row) if token in self._ends), None)
            with self._tokenizing:
                text = self._tokenizer.decode(row[:length], skip_special_tokens=True)
            finish, tokens = ("length", len(row)) if length is None else ("stop", length + 1)
            made.append(request.predicted(self.name, self._benchmark, text=text, finish=finish, tokens=tokens))
        return made


class LocalModel(LoadedModel):
    """A model folder or hub name, loaded to write."""

    def __init__(
        self,
        model: str,
        settings: PredictSettings,
        *,
        benchmark: str | None = None,
        name: str | None = None,
        speed: Speed | None = None,
    ) -> None:
        """Load the model; raises InputError where the folder holds none of ours, SettingsError for a missing device."""
        transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        device = pick_device(settings.device)
        self.precision = settings.precision or ("bf16" if device.type == "cuda" else "fp32")
        processor = load_processor(model, min_pixels=settings.min_pixels, max_pixels=settings.max_pixels)
        loaded = load_model(model, precision=self.precision, attention=settings.attention).eval().to(device)
        super().__init__(
            loaded,
            processor,
            settings,
            device=device,
            name=name or model_name(model),
            benchmark=benchmark,
            speed=speed,
        )


class Draw(LogitsProcessor):
    """Sampling that knows no neighbours: each row has a generator of its own, seeded with what is asked.

    The token of the largest (logit / temperature + Gumbel noise) is a draw from the softmax at that temperature
    (Gumbel-max; Maddison et al. 2014, arXiv 1411.0030), so greedy decoding goes on as it is.
    """

    def __init__(self, temperature: float, seed: int, requests: Sequence[Request], device: torch.device) -> None:
        self._temperature = temperature
        self._generators = [torch.Generator(device).manual_seed(request_seed(seed, request)) for request in requests]

    def __call__(self, input_ids: Any, scores: Any) -> Any:  # noqa: ARG002 - transformers names the arguments
        """Return the scores with each row's noise."""
        noise = torch.empty_like(scores, dtype=torch.float32)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores.float() / self._temperature - noise.log()


def request_seed(seed: int, request: Request) -> int:
    """Return a number that names a request under a seed, the same on every machine."""
    return int(digest(seed, *request.key, length=15), 16)


def pick_device(name: str | None) -> torch.device:
    """Return the device that was named, or else a GPU where there is one; raises SettingsError where it is not."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise SettingsError(f"predict: the device {name!r} is not here; choose cpu, cuda or cuda:N") from None
    return device


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an output: what the folder's generation settings name, and the tokenizer's own."""
    named = getattr(model.generation_config, "eos_token_id", None)
    listed = named if isinstance(named, list) else [named]
    return frozenset(int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None)
