"""Images of a training: which samples have none that can be shown, and the decoder that prediction has, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from cxr.miner.images.facts import MOST_ODD
from cxr.miner.images.pictures import BadPicture, Fit, Picture, Within, is_constant, open_picture
from cxr.miner.images.workers import unusable
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.parallel import ordered_map
from cxr.schemas.vocabulary import RejectReason, Stage
from cxr.trainer.models.families import shown_size

if TYPE_CHECKING:
    from datasets import Dataset

MOST_LOOKED_AT = 400
"""Files that are decoded before step 1, spread evenly over all: headers say nothing of pixels, and all take hours."""
_THREADS = 8
_GLANCE = Within(512 * 512)


@dataclass(frozen=True)
class ImageRejects:
    """Samples that are left out for an image, and what the files that were decoded showed."""

    rejects: list[dict[str, str]]
    looked_at: int
    blank: int
    """Files among those looked at that cannot be decoded, or are of one colour."""

    def more_than(self, share: float, samples: int) -> bool:
        """Return whether more is left out than a share of the samples, or of the files that were looked at."""
        return len(self.rejects) > share * samples or self.blank > share * self.looked_at


def image_rejects(index: pl.DataFrame) -> ImageRejects:
    """Name the samples with an image file that is missing, damaged, of odd shape or of one colour.

    All headers are read, and some files decoded. `index` has `sample_id` and `images`; embedded pixels count as read.
    """
    flat = index.select("sample_id", "images").explode("images").drop_nulls("images").unnest("images")
    flat = flat.filter(pl.col("bytes").is_null())
    paths = flat["path"].unique(maintain_order=True).to_list()
    bad = {path: reason for path, (reason, _) in unusable(paths, most_odd=MOST_ODD).items()}
    sound = [path for path in paths if path not in bad]
    looked_at = sound[:: max(1, -(-len(sound) // MOST_LOOKED_AT))]
    seen = zip(looked_at, ordered_map(_what_is_seen, looked_at, _THREADS), strict=True)
    blank = {path: reason for path, reason in seen if reason is not None}
    bad |= blank
    hit = flat.filter(pl.col("path").is_in(list(bad))).select("sample_id", "path")
    rejects = [
        {"stage": str(Stage.TRAIN), "sample_id": sample, "path": path, "reason": str(bad[path])}
        for sample, path in hit.unique("sample_id", keep="first", maintain_order=True).iter_rows()
    ]
    return ImageRejects(rejects, len(looked_at), len(blank))


def what_is_wrong(pictures: Sequence[Picture], fit: Fit | None) -> RejectReason | None:
    """Decode a sample's images as `fit` shows them; return why they cannot be used, None where they can."""
    try:
        constant = [is_constant(open_picture(picture, fit)) for picture in pictures]
    except BadPicture as bad:
        return bad.reason
    return RejectReason.IMAGE_CONSTANT if any(constant) else None


def _what_is_seen(path: str) -> RejectReason | None:
    """Decode a file; return what is wrong with its pixels."""
    return what_is_wrong([path], _GLANCE)


def decoded(rows: "Dataset", processor: Any) -> "Dataset":
    """Return rows whose images are decoded when they are asked for, as prediction decodes them for this processor."""
    return rows.with_transform(Decoder(shown_size(processor)), columns=["images"], output_all_columns=True)


@dataclass(frozen=True)
class Decoder:
    """A transform of `datasets`: encoded images become images of eight bits, no larger than they will be shown."""

    fit: Fit | None

    def __call__(self, batch: Mapping[str, Sequence[Sequence[Mapping[str, Any]] | None]]) -> dict[str, Any]:
        """Return the images of each row; raises InputError, with the file's name, where one cannot be decoded."""
        return {"images": [[self._shown(image) for image in of_row or ()] for of_row in batch["images"]]}

    def _shown(self, image: Mapping[str, Any]) -> Any:
        picture: Picture = image["bytes"] if image.get("bytes") else image["path"]
        try:
            return open_picture(picture, self.fit)
        except BadPicture as bad:
            raise InputError(f"{bad.message}; mend the file, or export again without its study") from None
