"""The prompts room: one plain file per prompt and version, worked examples as JSON, and their loader.

A published version stays as it is, since rows in the store name its hash; an improvement is a new file
(`plan.v2.md`) whose opening says what it fixes. A file has an opening for people, then `## system` and `## user`;
only the last two are sent. Examples are invented studies in the form of `WorkedCase`, checked on load. A pack may
bring prompts of its own: `of` is their folder, and a name that it has stands for its versions alone.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import Field, TypeAdapter

from cxr.prompts.render import TEMPORAL, fill, placeholders, stage_values
from cxr.prompts.replies import (
    EvidenceItemReply,
    EvidenceReply,
    PlanItemReply,
    Reply,
    TemporalEvidenceReply,
    TemporalWholeReply,
    WholeReply,
    WorkedCase,
)
from cxr.prompts.styles import Style, drawn, load_styles
from cxr.schemas.base import Frozen
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Evidence, PlanItem

__all__ = ["EvidenceReply", "Prompt", "Reply", "available", "load", "source"]

_FILE_NAME = re.compile(r"^(?P<name>[a-z_]+)\.v(?P<version>[1-9]\d*)\.md$")
_LAYOUT = re.compile(
    r"\A(?P<note>.*?)^examples: (?P<examples>\S+)\n\n## system\n(?P<system>.*?)^## user\n(?P<user>.*)\Z",
    re.DOTALL | re.MULTILINE,
)
_CASES = TypeAdapter(tuple[WorkedCase, ...])


class Prompt(Frozen):
    """One version of one prompt, with everything that makes up its words."""

    name: str
    version: int = Field(ge=1)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the prompt file and its examples file")
    note: str = Field(description="what this version is for; never sent")
    system: str
    user_template: str
    examples: tuple[WorkedCase, ...]

    def messages(self, values: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the chat messages: system, each example as question and reply, and the filled template.

        Raises ValueError if `values` are not exactly the template's placeholders.
        """
        return [*self.opening, {"role": "user", "content": fill(self.user_template, values)}]

    @cached_property
    def shows(self) -> frozenset[str]:
        """The placeholders of its template."""
        return placeholders(self.user_template)

    def values(
        self,
        question: Question,
        report_text: str,
        plan: Sequence[PlanItem | PlanItemReply] = (),
        evidence: Sequence[Evidence | EvidenceItemReply] = (),
        prior: str | None = None,
        style: Style | None = None,
    ) -> dict[str, str]:
        """Return the values of exactly its placeholders.

        Without a style a prompt that has a place for one takes what the seed 0 draws for the question.
        """
        style = style or drawn(question.question_id, 0, tuple(load_styles().values()))
        every = stage_values(self.name, question, report_text, plan, evidence, prior, style.words)
        return {name: value for name, value in every.items() if name in self.shows}

    @property
    def named(self) -> dict[str, str]:
        """Name, version and hash, as they are kept with what the prompt led to."""
        return {"name": self.name, "version": str(self.version), "hash": self.hash}

    @cached_property
    def opening(self) -> tuple[dict[str, str], ...]:
        """System message and examples, before every question; a beginning that stays the same is billed as cached."""
        messages = [{"role": "system", "content": self.system}]
        for case in self.examples:
            shown = self.values(
                case.question,
                case.report,
                case.plan.items,
                case.evidence.items,
                case.prior_report,
                load_styles()[case.style] if case.style else None,
            )
            messages.append({"role": "user", "content": fill(self.user_template, shown)})
            messages.append({"role": "assistant", "content": _reply_of(case, self.name).model_dump_json()})
        return tuple(messages)


def available(of: Path | None = None) -> dict[str, tuple[int, ...]]:
    """Return every prompt's name with its versions, oldest first."""
    every: dict[str, tuple[int, ...]] = {}
    for folder in reversed(_folders(of)):
        found: dict[str, list[int]] = {}
        for entry in folder.iterdir():
            if match := _FILE_NAME.match(entry.name):
                found.setdefault(match["name"], []).append(int(match["version"]))
        every |= {name: tuple(sorted(versions)) for name, versions in found.items()}
    return dict(sorted(every.items()))


def source(name: str, version: int | None = None, of: Path | None = None) -> str:
    """Return a prompt's file as it stands; raises LookupError for a prompt or version that does not exist."""
    prompt = load(name, version, of)
    return _read(f"{prompt.name}.v{prompt.version}.md", of).decode("utf-8")


@cache
def load(name: str, version: int | None = None, of: Path | None = None) -> Prompt:
    """Read one prompt, the newest version unless another is asked for.

    Raises LookupError for a prompt or version that does not exist, ValueError for a file that is not laid out as the
    module describes or whose examples do not fit the reply models.
    """
    versions = available(of).get(name)
    if versions is None:
        raise LookupError(f"there is no prompt {name!r}; there are {', '.join(available(of))}")
    chosen = versions[-1] if version is None else version
    if chosen not in versions:
        raise LookupError(f"prompt {name!r} has no version {chosen}; it has {', '.join(map(str, versions))}")
    prompt_bytes = _read(f"{name}.v{chosen}.md", of)
    match = _LAYOUT.match(prompt_bytes.decode("utf-8").replace("\r\n", "\n"))
    if match is None:
        raise ValueError(f"{name}.v{chosen}.md needs a line 'examples: FILE', then '## system', then '## user'")
    examples_bytes = _read(match["examples"], of)
    return Prompt(
        name=name,
        version=chosen,
        hash=hashlib.sha256(prompt_bytes + b"\0" + examples_bytes).hexdigest(),
        note=match["note"].strip(),
        system=match["system"].strip(),
        user_template=match["user"].strip(),
        examples=_CASES.validate_json(examples_bytes),
    )


def _folders(of: Path | None) -> list[Traversable]:
    """Return where prompts lie, those that count first."""
    return [*([of] if of is not None else []), resources.files(__name__)]


def _read(file_name: str, of: Path | None) -> bytes:
    files = [folder.joinpath(file_name) for folder in _folders(of)]
    return next((file for file in files if file.is_file()), files[-1]).read_bytes()


def _reply_of(case: WorkedCase, name: str) -> Reply:
    step = name.removesuffix(TEMPORAL)
    if step == "whole":
        form = TemporalWholeReply if isinstance(case.evidence, TemporalEvidenceReply) else WholeReply
        return form(plan=case.plan, evidence=case.evidence, chain=case.chain)
    replies: dict[str, Reply] = {"plan": case.plan, "evidence": case.evidence, "chain": case.chain}
    return replies[step]
