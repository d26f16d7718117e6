"""The schema of a reply in words, for servers and models that take no schema."""

import json

import pytest

from cxr.miner.llm.typed import typed
from cxr.prompts.judge_replies import SupportReply
from cxr.prompts.replies import ChainReply, EvidenceReply, PlanReply, Reply, TemporalWholeReply, WholeReply
from cxr.prompts.schema_words import in_words


def _schema(reply: type[Reply]) -> dict[str, object]:
    schema: dict[str, object] = typed(reply, "json_schema").request["response_format"]["json_schema"]["schema"]
    return schema


@pytest.mark.parametrize("reply", [PlanReply, EvidenceReply, ChainReply, WholeReply, TemporalWholeReply, SupportReply])
def test_every_field_is_named_and_described_and_the_shape_is_one_object(reply: type[Reply]) -> None:
    schema = _schema(reply)
    told = in_words(schema)
    named = (schema, *dict(schema.get("$defs", {})).values())  # type: ignore[call-overload]
    for node in named:
        for name, field in node.get("properties", {}).items():
            assert f'"{name}"' in told
            assert field.get("description", "") in told
    shape = json.loads(told.rsplit("Its shape: ", 1)[1])
    assert shape.keys() == reply.model_fields.keys()


def test_what_may_stand_in_a_field_is_said() -> None:
    told = in_words(_schema(EvidenceReply))
    assert '- "items", a list of objects with the fields below: at least one item' in told
    assert '  - "kind", one of "quoted", "inferred_normal": quoted if' in told
    assert '  - "quotes", a list, each text: the deciding words' in told


def test_bounds_are_said() -> None:
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 90},
            "numbers": {"type": "array", "maxItems": 3, "items": {"type": "integer", "enum": [1, 2]}},
        },
    }
    told = in_words(schema)
    assert '- "text", text of at most 90 characters' in told
    assert '- "numbers", a list, each one of 1, 2 (3 at most)' in told
    assert told.endswith('Its shape: {"text": "...", "numbers": [1]}')
