"""How large a model is shown images, in training as in prediction."""

from typing import Any

from cxr.miner.images.pictures import Fit, Square
from cxr.trainer.models.families import shown_size


def fit_of(processor: Any, image_side: int | None) -> Fit | None:
    """Return the fit to the processor's size, or to squares of a side; None where it takes images as they are."""
    return shown_size(processor) if image_side is None else Square(image_side)
