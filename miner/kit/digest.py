"""Deterministic ids, and versions that are made from the code that decides."""

import json
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path


def digest(*parts: object, length: int = 20) -> str:
    """Return a deterministic id: `length` hexadecimal digits of the SHA-256 of the parts as canonical JSON."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return sha256(canonical.encode()).hexdigest()[:length]


@cache
def code_digest(*modules: str) -> str:
    """Return the SHA-256 of the code of modules and packages, named as they are imported (`cxr.miner.judge`).

    Code is Python, and the SQL beside it in packages. The digest stands for what the code does: any edit makes another
    version, so that no row is taken for a newer one.
    """
    content = sha256()
    for module in modules:
        parent, _, name = module.rpartition(".")
        place = Path(str(resources.files(parent)))
        folder, file = place / name, place / f"{name}.py"
        within = place if file.is_file() else folder
        sources = [file] if file.is_file() else (*folder.rglob("*.py"), *folder.rglob("*.sql"))
        for path, source in sorted((source.relative_to(within).as_posix(), source) for source in sources):
            content.update(f"{module}/{path}".encode() + b"\0" + source.read_bytes() + b"\0")
    return content.hexdigest()
