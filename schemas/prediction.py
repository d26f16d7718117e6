"""What a model wrote about one sample: a line of a predictions file, and a row of the store's `predictions`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from cxr.schemas.base import Frozen


class Prediction(Frozen):
    """A model's output for one sample, or why there is none. An empty `text` is an output; no text is an error."""

    sample_id: str = Field(min_length=1, description="of the benchmark's sample: question and its mode")
    model: str = Field(min_length=1)
    mode: Literal["reasoning", "answer_only"] = Field(description="how the model was asked: to think first, or not")
    text: str | None = Field(default=None, description="the whole output, as the model wrote it")
    benchmark: str | None = Field(default=None, description="fingerprint of the benchmark's manifest")
    error: str | None = Field(default=None, description="why there is no text")

    @model_validator(mode="after")
    def _text_or_error(self) -> Self:
        if (self.text is None) == (self.error is None):
            raise ValueError("expected a text, or an error that says why there is none")
        return self
