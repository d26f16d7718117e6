"""Images of a training: which samples have none that can be shown, and the decoder that prediction has, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq

from cxr.miner.images.facts import MOST_ODD, read_facts
from cxr.miner.images.pictures import BadPicture, Fit, Picture, Within, is_constant, open_picture
from cxr.miner.images.workers import reason_of, unusable
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.parallel import ordered_map
from cxr.schemas.vocabulary import RejectReason, Stage
from cxr.trainer.predict.fit import fit_of
from cxr.trainer.train.image_cache import ImageCache

if TYPE_CHECKING:
    from datasets import Dataset

MOST_LOOKED_AT = 400
"""Files that are decoded before step 1, spread evenly over all: headers say nothing of pixels, and all take hours."""
_THREADS = 8
_AT_ONCE = 100
"""Rows with pixels that are read at once: a hundred images are a hundred megabytes."""
_GLANCE = Within(512 * 512)


@dataclass(frozen=True)
class ImageRejects:
    """Samples that are left out for an image, and what the files that were decoded showed."""

    rejects: list[dict[str, str]]
    looked_at: int
    blank: int
    """Files among those looked at that cannot be decoded, or are of one colour."""

    def and_of(self, other: "ImageRejects") -> "ImageRejects":
        """Return both together, each sample once."""
        known = {reject["sample_id"] for reject in self.rejects}
        more = [reject for reject in other.rejects if reject["sample_id"] not in known]
        return ImageRejects([*self.rejects, *more], self.looked_at + other.looked_at, self.blank + other.blank)

    def more_than(self, share: float, samples: int) -> bool:
        """Return whether more is left out than a share of the samples, or of the files that were looked at."""
        return len(self.rejects) > share * samples or self.blank > share * self.looked_at


def image_rejects(index: pl.DataFrame, files: Sequence[Path] = ()) -> ImageRejects:
    """Name the samples with an image that is missing, damaged, of odd shape or of one colour.

    All headers are read, and some images decoded. `index` has `sample_id` and `images`, each with `path` and
    `embedded`: those are read from the Parquet `files`, a few at a time.
    """
    flat = index.select("sample_id", "images").explode("images").drop_nulls("images").unnest("images")
    outside = flat.filter(~pl.col("embedded"))
    paths = outside["path"].unique(maintain_order=True).to_list()
    bad = {path: reason for path, (reason, _) in unusable(paths, most_odd=MOST_ODD).items()}
    sound = [path for path in paths if path not in bad]
    looked_at = sound[:: _every(len(sound))]
    seen = zip(looked_at, ordered_map(_what_is_seen, looked_at, _THREADS), strict=True)
    blank = {path: reason for path, reason in seen if reason is not None}
    bad |= blank
    hit = outside.filter(pl.col("path").is_in(list(bad))).select("sample_id", "path")
    once = hit.unique("sample_id", keep="first", maintain_order=True)
    rejects = [_reject(sample, path, bad[path]) for sample, path in once.iter_rows()]
    found = ImageRejects(rejects, len(looked_at), len(blank))
    embedded = flat.height - outside.height
    return found.and_of(_embedded_rejects(set(index["sample_id"]), files, embedded)) if embedded else found


def _embedded_rejects(samples: set[str], files: Sequence[Path], count: int) -> ImageRejects:
    """Look at pixels that lie in an export, as at those in files."""
    rejects: dict[str, dict[str, str]] = {}
    place = looked_at = blank = 0
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(_AT_ONCE, columns=["sample_id", "images"]):
            for row in batch.to_pylist():
                for image in (row["images"] or ()) if row["sample_id"] in samples else ():
                    if image["bytes"] is None:
                        continue
                    reason = reason_of(read_facts(image["bytes"]), MOST_ODD)
                    if reason is None and place % _every(count) == 0:
                        reason = what_is_wrong([image["bytes"]], _GLANCE)
                        looked_at += 1
                        blank += reason is not None
                    if reason is not None:
                        name = str(image["path"] or "an embedded image")
                        rejects.setdefault(row["sample_id"], _reject(row["sample_id"], name, reason))
                    place += 1
    return ImageRejects(list(rejects.values()), looked_at, blank)


def _every(count: int) -> int:
    """Return that one of so many images in a row is decoded."""
    return max(1, -(-count // MOST_LOOKED_AT))


def _reject(sample: str, path: str, reason: RejectReason) -> dict[str, str]:
    return {"stage": str(Stage.TRAIN), "sample_id": sample, "path": path, "reason": str(reason)}


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


def decoded(rows: "Dataset", processor: Any, image_side: int | None, cache: Path | None = None) -> "Dataset":
    """Return rows whose images are decoded when they are asked for, as prediction decodes them for this processor.

    `cache` is a folder that keeps them as they are shown.
    """
    decoder = Decoder(fit_of(processor, image_side), cache)
    return rows.with_transform(decoder, columns=["images"], output_all_columns=True)


@dataclass(frozen=True)
class Decoder:
    """A transform of `datasets`: encoded images become images of eight bits, no larger than they will be shown."""

    fit: Fit | None
    cache: Path | None = None

    def __call__(self, batch: Mapping[str, Sequence[Sequence[Mapping[str, Any]] | None]]) -> dict[str, Any]:
        """Return the images of each row; raises InputError, with the file's name, where one cannot be decoded."""
        return {"images": [[self._shown(image) for image in of_row or ()] for of_row in batch["images"]]}

    def _shown(self, image: Mapping[str, Any]) -> Any:
        picture: Picture = image["bytes"] if image.get("bytes") else image["path"]
        try:
            return open_picture(picture, self.fit) if self.cache is None else ImageCache(self.cache, self.fit)(picture)
        except BadPicture as bad:
            raise InputError(f"{bad.message}; mend the file, or export again without its study") from None
