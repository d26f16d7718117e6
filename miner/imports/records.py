"""What readers of published benchmarks share: samples, options in a question's text, image paths, studies' ids."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from cxr.miner.imports.rejects import what_is_wrong
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import BadRecord, InputError
from cxr.miner.kit.jsonl import why_not_json
from cxr.miner.pack.corpora import corpora
from cxr.schemas.base import Frozen
from cxr.schemas.rejection import Reject
from cxr.schemas.vocabulary import Licence, RejectReason

Record = Mapping[str, Any]

_OPTION = re.compile(r"(?:^|\n|\s)\(?([A-Z])\)\s*(.*?)(?=\n\(?[A-Z]\)|\s\(?[A-Z]\)\s|\s*$)", re.DOTALL)


class Sample(Frozen):
    """One question of a published benchmark, with its reasoning where it has one."""

    item_id: str
    task: str = Field(min_length=1)
    corpus: str = Field(min_length=1)
    licence: Licence
    study_id: str
    patient_id: str | None = None
    images: tuple[str, ...] = ()
    question: str = Field(min_length=1)
    options: tuple[tuple[str, str], ...] = ()
    answer: str = Field(min_length=1)
    answer_text: str = Field(min_length=1)
    steps: tuple[str, ...] = ()
    plan: tuple[tuple[str, str], ...] = ()
    report: str | None = None
    prior_report: str | None = None

    @model_validator(mode="after")
    def _answer_is_an_option(self) -> "Sample":
        if self.options and self.answer not in {letter for letter, _ in self.options}:
            raise ValueError(f"the answer {self.answer!r} is none of the {len(self.options)} options")
        return self

    @property
    def question_id(self) -> str:
        """A hash of what was asked about which study."""
        return digest("imported", self.item_id, self.task, self.question, self.answer)


@dataclass
class Read:
    """What a file held: samples, and records that could not be used."""

    samples: list[Sample] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    without_images: int = 0
    _questions: set[str] = field(default_factory=set)

    def add(self, key: str, record: object, sample_of: Callable[[Record], Sample]) -> None:
        """Take a record as a sample, or as a reject where it cannot be one or asks the same again."""
        try:
            if not isinstance(record, Mapping):
                raise BadRecord(RejectReason.WRONG_FIELDS, "no JSON object")
            sample = sample_of(record)
            if sample.question_id in self._questions:
                raise BadRecord(RejectReason.DUPLICATE_KEY, f"{sample.item_id} asks the same question twice")
        except BadRecord as bad:
            self.rejects.append(Reject(key, bad.reason, bad.message))
        except ValidationError as error:
            self.rejects.append(Reject(key, RejectReason.BAD_VALUE, what_is_wrong(error)))
        else:
            self._questions.add(sample.question_id)
            self.samples.append(sample)
            self.without_images += not sample.images


def read_json(path: Path) -> object:
    """Read a JSON file, or JSON Lines; raises InputError for anything else, with the line at which it breaks."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}); expected JSON") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected a JSON file") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if not isinstance(error, json.JSONDecodeError):
            raise InputError(f"{path} is {why_not_json(error)}; get the file again") from None
        if error.msg == "Extra data":
            return [_line(path, number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        raise InputError(f"{path} is not JSON: {error.msg} in line {error.lineno}; get the file again") from None


def read_list(path: Path, wanted: str) -> list[object]:
    """Return the list in a JSON or JSON Lines file; raises InputError, which says what was `wanted`, for another."""
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path} holds {type(content).__name__}; expected {wanted}")
    return content


def _line(path: Path, number: int, line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number} of {path} is {why_not_json(error)}; get the file again") from None


def corpus_of(name: str) -> str:
    """Return our name of a corpus: lower case with dashes for names that we do not know."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    known = (ours for ours, corpus in corpora().items() if slug in (ours, *corpus.other_names))
    return next(known, slug or "unknown")


def licence_of(corpus: str) -> Licence:
    """Return a corpus's licence; what we do not know is credentialed."""
    known = corpora().get(corpus)
    return Licence.CREDENTIALED if known is None else known.licence


def study_of(corpus: str, owner_id: str) -> tuple[str, str | None]:
    """Return our ids of study and patient for an owner's id; the patient is None where the id does not tell."""
    if corpus in corpora() and owner_id.isdigit():
        owner_id = f"{corpora()[corpus].study_prefix}{owner_id}"
    patient = re.match(r"(patient\d+)[_/](study\d+)", owner_id)
    if patient:
        return f"{corpus}/{patient[1]}/{patient[2]}", f"{corpus}/{patient[1]}"
    return f"{corpus}/{owner_id}", None


def options_in(question: str) -> tuple[tuple[str, str], ...]:
    """Find `A) ... B) ...` behind the word Options, as letters and texts; empty where there are none."""
    _, found, tail = question.partition("Options:")
    if not found:
        return ()
    options = tuple((letter, text.strip(" \n,;")) for letter, text in _OPTION.findall(tail))
    letters = [letter for letter, _ in options]
    return options if letters == [chr(ord("A") + place) for place in range(len(letters))] else ()


def map_image(path: str, roots: Mapping[str, str]) -> str:
    """Move a path of someone else's cluster to where images lie here.

    A root with a prefix replaces that prefix; a root alone (key `*`) takes the part that the corpus's owner named.
    """
    for prefix, root in roots.items():
        if prefix != "*" and path.startswith(prefix):
            return root.rstrip("/") + "/" + path[len(prefix) :].lstrip("/")
    if "*" not in roots:
        return path
    patterns = (known.image_path for known in corpora().values() if known.image_path)
    own = min((found.start() for one in patterns if (found := re.search(f"{one}$", path))), default=None)
    return roots["*"].rstrip("/") + "/" + (path.rsplit("/", 1)[-1] if own is None else path[own:])


def images_of(value: object, roots: Mapping[str, str]) -> tuple[str, ...]:
    """Return image paths from a list, a single path, a list written as text, or nothing."""
    if isinstance(value, str):
        value = re.findall(r"['\"]([^'\"]+)['\"]", value) if value.startswith("[") else [value]
    if not isinstance(value, Iterable):
        return ()
    return tuple(map_image(path, roots) for path in value if isinstance(path, str) and path)


def steps_of(value: object) -> tuple[str, ...]:
    """Return steps from text, a list or an object: published records differ by task (formats.md, section 9)."""
    if isinstance(value, str):
        return (value.strip(),) if value.strip() else ()
    if isinstance(value, Mapping):
        numbered = all(re.search(r"\d", str(key)) for key in value)
        return tuple(step if numbered else f"{key}: {step}" for key, held in value.items() for step in steps_of(held))
    if isinstance(value, Iterable):
        return tuple(step for held in value for step in steps_of(held))
    return ()


def plan_of(value: object) -> tuple[tuple[str, str], ...]:
    """Return a plan, by finding or option; text alone stands under an empty finding."""
    if isinstance(value, Mapping):
        return tuple((str(key), " ".join(steps_of(held))) for key, held in value.items())
    return tuple(("", step) for step in steps_of(value))
