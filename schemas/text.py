"""Spans of report text."""

from typing import Self

from pydantic import Field, model_validator

from cxr.schemas.base import Frozen


class Span(Frozen):
    """Half-open character offsets `[start, end)` into a text, counted in Python code points."""

    start: int = Field(ge=0)
    end: int

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"a span needs end > start; got [{self.start}, {self.end})")
        return self


class Quote(Span):
    """An exact piece of a report: `report.text[start:end] == text`."""

    text: str = Field(min_length=1)

    @model_validator(mode="after")
    def _text_fills_the_span(self) -> Self:
        if len(self.text) != self.end - self.start:
            raise ValueError(f"a quote of {len(self.text)} characters cannot span [{self.start}, {self.end})")
        return self


class Section(Span):
    """A named part of a report, without its header: `report.text[start:end]` is the section's body."""

    name: str = Field(min_length=1, description="lower-case, e.g. findings, impression, indication")
