"""Deterministic ids."""

import json
from hashlib import sha256


def digest(*parts: object, length: int = 20) -> str:
    """Return a deterministic id: `length` hexadecimal digits of the SHA-256 of the parts as canonical JSON."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return sha256(canonical.encode()).hexdigest()[:length]
