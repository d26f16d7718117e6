"""A report, or a list of findings, as facts that can be looked up by what they bear on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from miner.judge.relations import Relations
from schemas import Finding, NormalForm, Presence, Quote


class Fact(NamedTuple):
    """One normal form with the words that state it."""

    form: NormalForm
    quote: Quote | None
    words: str
    """The stating words in lower case."""
    normal: str | None = None
    """The normal from which a denial follows ("lungs are clear"), or None where the words deny the thing itself."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts by concept: what is present, under everything that it is a kind or a sign of; what is denied; normals."""

    relations: Relations
    present: dict[str, list[Fact]] = field(default_factory=dict)
    absent: dict[str, list[Fact]] = field(default_factory=dict)
    normal: dict[str, list[Fact]] = field(default_factory=dict)

    def add(self, fact: Fact) -> None:
        """File a fact under every concept that it can decide."""
        concept = fact.form.concept
        normal = self.relations.normals.get(concept)
        if normal is not None:
            if fact.form.presence is Presence.PRESENT:
                for entailed in normal.entails:
                    self.normal.setdefault(entailed, []).append(fact)
                for excluded in normal.excludes:
                    denial = fact._replace(form=reworded(fact.form, excluded, Presence.ABSENT), normal=concept)
                    self.absent.setdefault(excluded, []).append(denial)
            elif normal.excludes:
                self.add(fact._replace(form=reworded(fact.form, normal.excludes[0], Presence.PRESENT)))
        elif fact.form.presence is Presence.PRESENT:
            for implied in self.relations.implied_by(concept):
                self.present.setdefault(implied, []).append(fact)
        else:
            self.absent.setdefault(concept, []).append(fact)

    def instances(self, concept: str) -> list[Fact]:
        """Give the present facts that are the concept, a kind of it, or a disease of which it is a sign."""
        return self.present.get(concept, [])

    def denials(self, concept: str) -> list[Fact]:
        """Give the denials of the concept and of everything that it is a kind of; those in so many words first."""
        found: list[Fact] = list(self.absent.get(concept, ()))
        for general in self.relations.denied_with(concept):
            if general != concept:
                found.extend(self.absent.get(general, ()))
        return found

    def weak_denials(self, concept: str) -> list[Fact]:
        """Give the denials that speak for the concept's absence without excluding it."""
        found: list[Fact] = []
        for hint in self.relations.hinted_absent_by(concept):
            found.extend(self.absent.get(hint, ()))
        return found


def reworded(form: NormalForm, concept: str, presence: Presence) -> NormalForm:
    """Give a form with another concept and presence, without validating again what was valid."""
    return form.model_copy(update={"concept": concept, "presence": presence})


def facts_of(findings: Iterable[Finding], relations: Relations) -> Facts:
    """Collect the facts of findings in normal form; they carry no quotes, being a list and not a text."""
    facts = Facts(relations)
    for finding in findings:
        words = f"{finding.observation} {finding.status}".lower()
        for form in finding.normal_forms:
            facts.add(Fact(form, None, words))
    return facts
