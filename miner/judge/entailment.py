"""What else a report is taken to say of a finding: the rubric's entailments alone, or also what radiologists grant."""

from enum import StrEnum


class Entailment(StrEnum):
    """What `--entailment` takes."""

    RUBRIC = "rubric"
    """What the rubric lists."""
    RADIOLOGIST = "radiologist"
    """Also a disease by its signs, a cause by what it leaves, and "normal" beside what is routine."""
