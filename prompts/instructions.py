"""How a model is asked: system prompt, question and instruction, by the name of those who trained a model on them.

`paper` is section 6.2, word for word; `released` is what the authors' published training code asks, which a model of
theirs knows. A file of one's own is TOML with `reasoning` and `answer_only`, each with `{question}` in it once, and
`system` where there is a system prompt.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator

from cxr.miner.kit.errors import SettingsError
from cxr.schemas.base import Frozen

SYSTEM = "You are a helpful AI assistant."
ASK_WITH_REASONING = (
    "Please think step by step, and enclose the answer within <answer></answer> "
    "and the reasoning processes within <think></think>."
)
ASK_FOR_ANSWER = "Please enclose the answer within <answer></answer>"

QUESTION = "{question}"
_PLACEHOLDER = re.compile(r"\{[A-Za-z_]*\}")


class Instructions(Frozen):
    """One way of asking in both modes; `{question}` stands for the question."""

    name: str
    system: str = ""
    """Without one, the model's chat template puts in what it puts in by itself."""
    reasoning: str
    answer_only: str

    @field_validator("reasoning", "answer_only")
    @classmethod
    def _check_form(cls, form: str) -> str:
        found = _PLACEHOLDER.findall(form)
        if found != [QUESTION]:
            told = "no placeholder" if not found else ", ".join(found)
            raise ValueError(f"holds {told}; expected {QUESTION} once and no other")
        return form

    @property
    def sha256(self) -> str:
        """What tells these words from all others; the name is not in it."""
        return hashlib.sha256(f"{self.system}\0{self.reasoning}\0{self.answer_only}".encode()).hexdigest()

    @property
    def label(self) -> str:
        """The name with the beginning of the hash: what is compared, as one can read it."""
        return f"{self.name} {self.sha256[:12]}"

    def form(self, mode: str) -> str:
        """Return how a mode is asked, with `{question}` for the question."""
        return self.reasoning if mode == "reasoning" else self.answer_only

    def ask(self, question: str, mode: str) -> str:
        """Return the user's turn: the question, and what asks for the mode."""
        return self.form(mode).replace(QUESTION, question)

    def question_of(self, asked: str, mode: str) -> str:
        """Return the question that a user's turn asks; raises ValueError where it was not asked in this form."""
        before, after = self.form(mode).split(QUESTION)
        if not asked.startswith(before) or not asked.endswith(after):
            raise ValueError("another form")
        return asked[len(before) : len(asked) - len(after)]

    def turns(self, user: Any) -> list[dict[str, Any]]:
        """Return the conversation around a user's turn, of which `user` is the content."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": user}]

    def facts(self) -> dict[str, str]:
        """Return what a record keeps: name, hash and the words."""
        return {"sha256": self.sha256, **self.model_dump()}


PAPER = Instructions(
    name="paper",
    system=SYSTEM,
    reasoning=f"{QUESTION} {ASK_WITH_REASONING}",
    answer_only=f"{QUESTION} {ASK_FOR_ANSWER}",
)
# The suffix is theirs, word for word: a model of theirs knows it and no other. They ask for an answer with nothing.
RELEASED = Instructions(
    name="released",
    reasoning=f"{QUESTION}\nLet's think step by step. Enclose the reasoning within <think></think> "
    "and the answer within <answer></answer>.",
    answer_only=QUESTION,
)
NAMED = {one.name: one for one in (PAPER, RELEASED)}


def read_instructions(name: str) -> Instructions:
    """Return instructions by their name, or from a TOML file; raises SettingsError where they cannot be used."""
    if name in NAMED:
        return NAMED[name]
    path = Path(name)
    try:
        told = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError:
        raise SettingsError(
            f"there are no instructions {name!r}; expected {', '.join(NAMED)}, or a TOML file with reasoning and "
            "answer_only"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the instructions {name} are not valid TOML ({error}); mend the file") from None
    return _checked({"name": path.stem, **told}, name)


def recorded_instructions(record: Mapping[str, Any]) -> Instructions:
    """Return the instructions that a record holds; what was written before there were several is the paper's."""
    told = record.get("instructions")
    if not isinstance(told, Mapping):
        return PAPER
    return _checked({name: told.get(name) for name in Instructions.model_fields}, str(told.get("name")))


def _checked(told: Mapping[str, Any], where: str) -> Instructions:
    try:
        return Instructions.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        wrong = first["msg"].removeprefix("Value error, ")
        problem = {"missing": "is missing", "extra_forbidden": "is none of system, reasoning, answer_only"}
        raise SettingsError(
            f"the instructions {where}: {name} {problem.get(first['type'], wrong)}; write e.g. "
            'reasoning = "{question} Please think step by step."'
        ) from None
