"""What a report is to show."""

from pydantic import Field

from cxr.schemas import Frozen


class ReportSettings(Frozen):
    """Choices of `cxr report`; they change what is shown, never what is counted."""

    with_text: bool = Field(default=False, description="show text of credentialed corpora too, under a banner")
    examples: int = Field(default=48, ge=0, le=500, description="example chains at most")
    resamples: int = Field(default=1000, ge=100, description="bootstrap resamples of an interval")
    seed: int = 0
