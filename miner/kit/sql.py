"""SQL that lies in files beside the room that runs it: one statement a file, whose first line says what it is for."""

from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def read_sql(package: str, folder: str = "sql") -> Mapping[str, str]:
    """Return the statements in a folder of a package, by the names of their files without `.sql`, in that order.

    The package is named as it is imported (`cxr.miner.report`).
    """
    files = [file for file in resources.files(package).joinpath(folder).iterdir() if file.name.endswith(".sql")]
    return {
        file.name.removesuffix(".sql"): file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name)
    }
