"""A study's report, as the store keeps it."""

from typing import Self

from pydantic import Field, model_validator

from cxr.schemas.base import Frozen
from cxr.schemas.text import Section
from cxr.schemas.vocabulary import Licence


class Report(Frozen):
    """The radiologist's words about one study; every offset in the project points into `text`."""

    study_id: str = Field(min_length=1)
    text: str
    sections: tuple[Section, ...] = ()
    licence: Licence = Licence.CREDENTIALED
    prior: str | None = Field(
        default=None,
        description="temporal questions: the words about the reference image, as context; no offset points into them",
    )

    @model_validator(mode="after")
    def _sections_lie_inside(self) -> Self:
        if any(section.end > len(self.text) for section in self.sections):
            raise ValueError(f"a section of {self.study_id} ends after its report's {len(self.text)} characters")
        return self
