"""Images as a model is shown them, kept in a folder, so that a large file is decoded and scaled once.

What is kept is lossless: pixels are the same with the cache and without it. Whoever may read the folder may see the
images.
"""

import os
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import PIL
from PIL import Image

from cxr.miner.images.pictures import Fit, Picture, is_grey, open_picture
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.files import whole_path

_FOLDERS = 3
"""The first digits of an image's name are its folder's: 4,096 folders hold millions of files."""


@dataclass(frozen=True)
class ImageCache:
    """Opens images as `open_picture` does, from the folder where they are in it."""

    folder: Path
    fit: Fit | None
    """How large images are shown, in words of its own (`repr`): of another size are other files."""

    def __call__(self, picture: Picture) -> Image.Image:
        """Return an image; raises BadPicture where it cannot be decoded, InputError where the folder takes no files."""
        name = self._name(picture)
        if name is None:
            return open_picture(picture, self.fit)
        kept = self.folder / name[:_FOLDERS] / f"{name}.png"
        return _read(kept) or self._write(kept, picture)

    def _write(self, kept: Path, picture: Picture) -> Image.Image:
        shown = open_picture(picture, self.fit)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with whole_path(kept) as partial:
            (shown.getchannel(0) if is_grey(shown) else shown).save(partial, "PNG", compress_level=1)
        return shown

    def _name(self, picture: Picture) -> str | None:
        """Return what tells a shown image from all others: a file's place, size and time of change, or its bytes."""
        if isinstance(picture, bytes):
            told: tuple[object, ...] = (sha256(picture).hexdigest(),)
        else:
            try:
                found = os.stat(picture)  # noqa: PTH116 - called for every image of every step
            except OSError:
                return None  # the decoder says why
            told = (os.path.abspath(picture), found.st_size, found.st_mtime_ns)  # noqa: PTH100 - likewise
        return digest(_version(), repr(self.fit), *told, length=40)


@cache
def _version() -> str:
    """Return what stands for the decoder: what another one kept is not read."""
    return digest(code_digest("cxr.miner.images.pictures", "cxr.miner.images.dicom"), PIL.__version__)


def _read(kept: Path) -> Image.Image | None:
    """Return a kept image; None where there is none, or one that is damaged, which is made anew."""
    try:
        with Image.open(kept, formats=("PNG",)) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
