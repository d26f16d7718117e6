"""A guide for one reply: what its question allows in the fields of a schema, and how long an honest reply gets.

The reply classes stay as they are; a guide puts `enum`, `minItems`, `maxItems` and `maxLength` into the schema that
goes with the request, for servers that decode by it. What the guide cannot say is checked as before, and a reply that
does not keep to it is read all the same: names in another case are the same names.

The lengths are those of GPT-4o's 306 recorded replies on OpenI and of the rules engine's on 2,429 of its questions,
with room: the longest thing to look for has 619 characters, all steps but one of 1,942 have at most 504, no quote has
more than 202, and no plan or chain takes more than 70 % of the tokens that it may. All are below 2,000: grammars of
llama.cpp take no longer ones.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from cxr.prompts.render import TEMPORAL
from cxr.schemas.base import Frozen
from cxr.schemas.question import Question
from cxr.schemas.vocabulary import Task

EVERYWHERE = frozenset({"enum"})
"""What every server takes that takes a schema."""
LISTED = EVERYWHERE | {"minItems", "maxItems"}
"""What OpenAI documents for its strict form (developers.openai.com/api/docs/guides/structured-outputs); Azure and
Anthropic refuse the bounds of lists."""
WHOLE = LISTED | {"maxLength"}
"""What the servers that people run themselves decode by: llama.cpp and what is built on it, vLLM, SGLang."""

# Characters of a text, and texts of a list.
_LOOK_FOR, _STATEMENT, _QUOTE, _STEP = 1000, 600, 800, 1200
_QUOTES = 8
# Tokens of a reply: what it takes anyhow, and for every finding; see the measurement in docs/mining.md.
_TOKENS = {"plan": (100, 320), "evidence": (150, 320), "chain": (400, 220)}


class Guide(Frozen):
    """What one question allows in the reply to one step; equal guides are one, so its schema is made once."""

    step: str
    findings: tuple[str, ...] = ()
    """What a finding may be called; none where that shall not stand in a schema."""
    asked: int
    """The number of findings that the question is about."""
    answers: tuple[str, ...] = ()
    """What the answer may be; none where it is open."""
    observations: int | None = None
    """The number of observations that a chain may rest on; None where they are part of the same reply."""

    @property
    def tokens(self) -> int:
        """The longest reply in tokens; a reply that keeps to the lengths of its texts is far below."""
        parts = _TOKENS.values() if self.step == "whole" else (_TOKENS[self.step],)
        return sum(anyhow + of_each * self.asked for anyhow, of_each in parts)

    def bounds(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return, by reply class and field, the keywords that its schema gets."""
        finding: dict[str, Any] = {"enum": sorted(self.findings)} if self.findings else {}
        # A finding may be answered more than once: on each side, or by its parts.
        most = 2 * self.asked + 2
        item: dict[str, dict[str, Any]] = {
            "finding": finding,
            "statement": {"maxLength": _STATEMENT},
            "quotes": _texts(_QUOTES, _QUOTE),
        }
        numbers = list(range(1, (self.observations or most) + 1))
        answer = {"enum": list(self.answers)} if self.answers else {}
        return {
            "PlanItemReply": {"finding": finding, "look_for": {"maxLength": _LOOK_FOR}},
            "PlanReply": {"items": {"minItems": self.asked, "maxItems": self.asked}},
            "EvidenceItemReply": item,
            "ChangeItemReply": item,
            "EvidenceReply": {"items": {"minItems": self.asked, "maxItems": most}},
            "TemporalEvidenceReply": {"items": {"minItems": self.asked, "maxItems": most}},
            "StepReply": {
                "text": {"maxLength": _STEP},
                "evidence": {"maxItems": len(numbers), "items": {"enum": numbers}},
            },
            "ChainReply": {"steps": {"minItems": 2, "maxItems": most + 6}, "answer": answer},
        }


def guide_for(name: str, question: Question, observations: int | None = None, *, named: bool = True) -> Guide:
    """Return the guide of a step, by the name of its prompt.

    `named`: the findings of the question stand in the schema by name, the same ones in one order whatever the question.
    """
    letters = tuple(option.letter for option in question.options)
    return Guide(
        step=name.removesuffix(TEMPORAL),
        findings=question.findings if named else (),
        asked=len(question.findings),
        answers=("Yes", "No") if question.task is Task.BINARY else letters,
        observations=observations,
    )


def guided(schema: Mapping[str, Any], guide: Guide, taken: Collection[str]) -> dict[str, Any]:
    """Return a copy of a reply's schema with the keywords of a guide that are taken."""
    edited: dict[str, Any] = _edited(schema, _limited(guide, frozenset(taken)))
    return edited


@lru_cache(maxsize=256)
def _limited(guide: Guide, taken: frozenset[str]) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        name: {field: _only(said, taken) for field, said in fields.items()} for name, fields in guide.bounds().items()
    }


def _only(said: Mapping[str, Any], taken: frozenset[str]) -> dict[str, Any]:
    """Return the keywords that are taken; those of a list's items stand one step further in."""
    return {
        word: _only(value, taken) if word == "items" else value
        for word, value in said.items()
        if word in taken or word == "items"
    }


def _edited(node: Any, bounds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Any:
    if isinstance(node, list):
        return [_edited(each, bounds) for each in node]
    if not isinstance(node, dict):
        return node
    made = {name: _edited(value, bounds) for name, value in node.items()}
    of_class = bounds.get(str(node.get("title")), {}) if "properties" in node else {}
    for field, said in of_class.items():
        if field in made["properties"]:
            made["properties"][field] = _merged(made["properties"][field], said)
    return made


def _merged(field: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    inner = {"items": {**field["items"], **said["items"]}} if "items" in said else {}
    return {**field, **said, **inner}


def _texts(number: int, length: int) -> dict[str, Any]:
    return {"maxItems": number, "items": {"maxLength": length}}


def unbounded(schema: Any) -> Any:
    """Return a copy of a schema without the lengths of its texts and lists, for servers that refuse these keywords."""
    if isinstance(schema, list):
        return [unbounded(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {name: unbounded(said) for name, said in schema.items() if name not in WHOLE - EVERYWHERE}
