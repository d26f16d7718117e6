"""How models word JSON where nothing binds them."""

import json
import re

from tests.personas.persona import Persona
from tests.personas.refusing import NOTHING


def _trailing_commas(text: str) -> str:
    return re.sub(r"([}\]\"\w])([}\]])", r"\1,\2", text)


def _wrapped(text: str) -> str:
    """Put the object into another one, under the name of its type or of a common field."""
    names = {"plan": "WholeReply", "steps": "ChainReply", "findings": "ExtractReply"}
    said = json.loads(text)
    return json.dumps({next((name for key, name in names.items() if key in said), "Reply"): said})


def _capitals(text: str) -> str:
    """Write the words of enumerations in capitals."""
    words = ("quoted", "inferred_normal", "present", "absent", "supported", "contradicted", "unmentioned_normal")
    for word in words:
        text = text.replace(f': "{word}"', f': "{word.upper() if word != "quoted" else "Quoted"}"')
    return text


def _pythonic(text: str) -> str:
    return repr(json.loads(text))


def _with_nan(text: str) -> str:
    said = json.loads(text)
    return json.dumps(said | {"confidence": float("nan")}) if isinstance(said, dict) else text


def _commented(text: str) -> str:
    return text.replace("{", "{ // the answer\n", 1)


def _raw_newlines(text: str) -> str:
    """Break lines inside of strings, as some guided decoding lets through."""
    return text.replace(". ", ".\n")


WORDINGS = tuple(
    Persona(name, "models in general", differs, source, does, binds=NOTHING, loose=loose)
    for name, differs, loose, source, does in (
        ("bare-fence", "JSON in a fence, nothing else", lambda text: f"```json\n{text}\n```", "M", "read"),
        ("open-fence", "a fence that is never closed", lambda text: f"```json\n{text}", "M", "read"),
        ("prose-before", "a sentence before the JSON", lambda text: f"Sure, here it is:\n{text}", "M", "read"),
        (
            "braces-in-prose",
            "prose with braces before and after",
            lambda text: f"As {{asked}}: the object is\n\n{text}\n\nI used the form {{...}} of your schema.",
            "M",
            "read",
        ),
        ("twice", "the object twice", lambda text: f"{text}\n{text}", "M", "the first that fits"),
        ("tagged", "the object in tags", lambda text: f"<json>{text}</json>", "M", "read"),
        ("trailing-commas", "trailing commas", _trailing_commas, "M", "read"),
        ("wrapped", "another object around it", _wrapped, "M", "unwrapped"),
        ("in-a-list", "a list around it", lambda text: f"[{text}]", "M", "unwrapped"),
        ("as-a-string", "the JSON as a JSON string", json.dumps, "M", "read"),
        ("capitals", "`Quoted` for `quoted`", _capitals, "M", "read"),
        ("pythonic", "single quotes, as Python prints", _pythonic, "M", "read"),
        ("commented", "a comment in the JSON", _commented, "M", "read"),
        ("raw-newlines", "raw line ends in strings", _raw_newlines, "D measured on vLLM", "read"),
        ("byte-order-mark", "a byte order mark at the start", lambda text: f"\ufeff{text}", "M", "read"),
        ("extra-field", "a field that nobody asked for, with NaN", _with_nan, "M", "left out"),
    )
)
