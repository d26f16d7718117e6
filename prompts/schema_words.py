"""A reply's JSON schema in words, for servers that take none: a line for every field, and the object's shape once."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_INDENT = "  "
_KINDS = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
_SHOWN = {"integer": 1, "number": 1, "boolean": True}


def in_words(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema as instructions.

    References into `$defs` are followed. What our reply types all have alike (every field is required, no other is
    allowed) is said once.
    """
    fields = "\n".join(_fields(schema, schema, ""))
    shape = json.dumps(_shape(schema, schema), ensure_ascii=False)
    return (
        "Reply with one JSON object and nothing else: no words before or after it, no code fence. It has exactly these "
        f"fields, every one of them:\n{fields}\nIts shape: {shape}"
    )


def _fields(node: Mapping[str, Any], root: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, said in node.get("properties", {}).items():
        field = _resolved(said, root)
        about = f": {field['description']}" if field.get("description") else ""
        yield f'{indent}- "{name}", {_kind(field, root)}{about}'
        inner = _resolved(field.get("items", {}), root) if field.get("type") == "array" else field
        yield from _fields(inner, root, indent + _INDENT)


def _kind(field: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Return what a value is, with what bounds it."""
    if "enum" in field or "const" in field:
        values = field.get("enum", [field.get("const")])
        return f"one of {', '.join(json.dumps(value, ensure_ascii=False) for value in values)}"
    if field.get("type") == "object":
        return "an object with the fields below"
    if field.get("type") == "array":
        items = _resolved(field.get("items", {}), root)
        of_objects = items.get("type") == "object"
        listed = "a list of objects with the fields below" if of_objects else f"a list, each {_kind(items, root)}"
        return f"{listed} ({field['maxItems']} at most)" if "maxItems" in field else listed
    most = f" of at most {field['maxLength']} characters" if "maxLength" in field else ""
    return _KINDS.get(str(field.get("type")), "a value") + most


def _shape(said: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    node = _resolved(said, root)
    if node.get("type") == "object":
        return {name: _shape(field, root) for name, field in node.get("properties", {}).items()}
    if node.get("type") == "array":
        return [_shape(node.get("items", {}), root)]
    return node["enum"][0] if "enum" in node else _SHOWN.get(str(node.get("type")), "...")


def _resolved(said: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference points to, with what stands beside it; the node itself where it is none."""
    if "$ref" not in said:
        return said
    node: Any = root
    for part in str(said["$ref"]).removeprefix("#/").split("/"):
        node = node[part]
    return {**_resolved(node, root), **{name: value for name, value in said.items() if name != "$ref"}}
