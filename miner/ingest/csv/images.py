"""The images that somebody's own CSV names: paths below one folder, and none that lead out of it."""

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from cxr.miner.ingest.corpus import IMAGES, Reject, conform
from cxr.miner.ingest.read.files import ROW, is_safe_name
from cxr.miner.ingest.read.frames import file_status, view_of
from cxr.schemas.vocabulary import RejectReason

# Paths that have to be looked at one by one; all others are names below names.
_ODD = r"^[/~.]|^.:|\.\.|//|\./|\\|\x00"


def own_images(studies: pl.DataFrame, extra: pl.DataFrame, name: str, root: Path) -> tuple[pl.DataFrame, list[Reject]]:
    """Return the images of the kept studies; a cell may list several paths, with semicolons or as a Python list.

    A path that leads out of `root` is a reject, and so is one that is listed again.
    """
    rows = pl.concat([frame.select("study_id", "image", "view", ROW) for frame in (studies, extra)])
    rows = rows.filter(pl.col("image").is_not_null()).join(studies.select("study_id"), on="study_id", how="semi")
    listed = pl.col("image").str.strip_chars().str.strip_chars("[]").str.replace_all(r"'\s*,\s*'|\"\s*,\s*\"", ";")
    paths = listed.str.replace_all(r"['\"]", "").str.replace_all("|", ";", literal=True).str.split(";")
    single = rows.with_columns(paths.alias("given")).sort(ROW).explode("given")
    single = single.with_columns(pl.col("given").str.strip_chars()).filter(pl.col("given") != "")
    single = single.with_columns(_below(single["given"], root))
    rejects = _rejects(
        single.filter(pl.col("path").is_null()),
        RejectReason.UNSAFE_PATH,
        "the path leads out of the folder of images, so the image was left out; --image-root names another folder",
    )
    single = single.filter(pl.col("path").is_not_null())
    rejects += _rejects(
        single.filter(~pl.col("path").is_first_distinct()),
        RejectReason.DUPLICATE_KEY,
        "the image is listed before; the first was kept",
    )
    single = single.filter(pl.col("path").is_first_distinct())
    frame = single.with_columns(
        pl.format("{}/{}", pl.lit(name), pl.col("path")).alias("image_id"),
        pl.format("{}/{}", pl.lit(name), pl.col("study_id")).alias("study_id"),
        view_of(pl.col("view")).alias("view"),
        pl.col("view").str.strip_chars().alias("view_position"),
        file_status(root, single["path"]),
    )
    return conform(frame, IMAGES), rejects


def _rejects(images: pl.DataFrame, reason: RejectReason, message: str) -> list[Reject]:
    return [
        Reject(f"{study}:{path[-80:]}", reason, message) for study, path in images.select("study_id", "given").rows()
    ]


def _below(paths: pl.Series, root: Path) -> pl.Series:
    """Return `path`: each path relative to the root, null where it leads out of it."""
    folders = tuple(folder.as_posix().rstrip("/") + "/" for folder in (root.absolute(), root.resolve()))
    odd = paths.filter(paths.str.contains(_ODD)).unique().to_list()
    columns = dict.fromkeys(("given", "path"), pl.String)
    made = pl.DataFrame([(path, relative_path(path, folders)) for path in odd], schema=columns, orient="row")
    joined = pl.DataFrame({"given": paths}).join(made, on="given", how="left", maintain_order="left")
    path = pl.when(pl.col("given").str.contains(_ODD)).then(pl.col("path")).otherwise(pl.col("given"))
    return joined.select(path.alias("path"))["path"]


def relative_path(path: str, folders: Sequence[str]) -> str | None:
    """Return a path as one relative to a folder, without `.` and `..`; None where it leads out of the folder.

    `folders` are the folder's absolute names, ending in a slash: as the user named it and as it really lies. Names
    are compared, not files: a link inside the folder is the user's own.
    """
    inside = next((path[len(folder) :] for folder in folders if path.startswith(folder)), path)
    plain = posixpath.normpath(inside)
    return plain if is_safe_name(plain) and not re.match(r"~/|\.$", plain) else None
