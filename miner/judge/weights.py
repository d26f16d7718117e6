"""By what a score beside RadRScore weighs findings; the score itself is in `weighted`."""

from enum import StrEnum


class Weights(StrEnum):
    """What `--weights` takes."""

    NONE = "none"
    """No such score."""
    SIGNIFICANCE = "significance"
    """By the pack's significance of each finding."""
