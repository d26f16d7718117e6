"""The dataset card: what is in it, under which licence, made how, and what it cannot be trusted with."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from cxr.miner.benchmark.manifest import Manifest
from cxr.miner.benchmark.settings import SPLITS, Mode
from cxr.miner.pack import pack
from cxr.miner.pack.corpora import corpora

_FIELDS = {
    "sample_id": "question_id and mode; unique",
    "mode": "answer_only, or reasoning: with the chain mined from the report",
    "split": "train, validate or test, by patient",
    "task": "binary, single, multiple, anomaly or temporal",
    "corpus": "where the study comes from",
    "licence": "public or credentialed: who may see the sample",
    "question_id": "hash of study, question, answer and labeler",
    "patient_id": "the corpus's own patient, never in two splits",
    "study_id": "corpus/the owner's study id",
    "prior_study_id": "temporal: the earlier study",
    "question": "with its options, ready for a prompt",
    "options": "letter and text",
    "answer": "Yes or No, a letter, or findings",
    "answer_text": "the answer in words",
    "findings": "all findings that the question is about",
    "answer_findings": "the findings that are present",
    "labeler": "whose labels the answer rests on",
    "chain_id": "the chain of the reasoning",
    "reasoning": "the steps as one paragraph",
    "steps": "plan first, then observations, then the conclusion",
    "plan": "what to look for, by finding",
    "evidence": "finding, presence, statement, and the report's words it rests on; inferred_normal where it is silent",
    "report": "the report the reasoning was mined from",
    "prior_report": "temporal: the earlier report",
    "engine": "who mined the reasoning",
    "model": "the language model, if one mined it",
    "judge": "who scored it",
    "factuality": "share of the chain's findings that the report supports",
    "radrscore": "mean of factuality, completeness and effectiveness",
}

LIMITS = (
    "Labels come from reports, by rules or models; a report is not the image, and labelers err.",
    "A finding that a report does not mention counts as absent, as in the source of the method; some are only omitted.",
    "Reasoning is the radiologist's report turned into steps, not a recording of what anybody thought.",
    "Near-duplicate reports are found by shared word trigrams; other paraphrases of one report are not.",
    "For research. Not for diagnosis, and not a medical device.",
)


def about() -> str:
    """Return what every export of this pack is, in one clause."""
    return f"Diagnostic questions about {pack().about.title}, with reasoning mined from radiology reports"


def meaning(field: str) -> str:
    """Return what a column holds; raises KeyError for a column that nobody described."""
    if field != "images":
        return _FIELDS[field]
    best, *others = [view.name for view in pack().views.view[:-1]] or ["image"]
    order = "".join(f", then {name}" for name in others)
    return f"best {best} first{order}; temporal: the prior's image, then the new one"


def terms_of(corpus: str) -> str:
    """Return the owner's terms of a corpus."""
    known = corpora().get(corpus)
    return f"the terms of {corpus}" if known is None else known.terms


def tags(manifest: Manifest, columns: Mapping[str, pa.Schema], files: Sequence[str]) -> str:
    """Return the card's YAML head: licence, and a configuration per mode with its files."""
    open_licence = manifest.licence == "public"
    lines = ["---", f"pretty_name: {json.dumps(manifest.name)}", "license: other"]
    lines.append(f"license_name: {'terms-of-the-sources' if open_licence else 'credentialed-health-data'}")
    lines += ["language:", "- en", "task_categories:", "- visual-question-answering", "tags:", "- medical"]
    lines += [f"- {tag}" for tag in pack().about.tags]
    lines += ["- radiology", "- reasoning", f"- licence:{manifest.licence}", "configs:"]
    for mode in columns:
        lines += [f"- config_name: {mode}", "  data_files:"]
        for split in SPLITS:
            if any(name.startswith(f"{mode}/{split}-") for name in files):
                lines += [f"  - split: {split}", f"    path: {json.dumps(f'{mode}/{split}-*.parquet')}"]
    return "\n".join([*lines, "---"])


def card(manifest: Manifest, columns: Mapping[str, pa.Schema], files: Sequence[str]) -> str:
    """Return the README of an export in Hugging Face's form."""
    parts = [
        tags(manifest, columns, files),
        f"# {manifest.name}",
        f"{about()}, compiled by cxr in the way of RadRBench-CXR (arXiv 2504.20930).",
        _licence(manifest),
        "## Samples",
        _table(["split", "mode", "task", "samples"], [
            (goal["split"], goal["mode"], goal["task"], f"{goal['reached']:,}") for goal in manifest.tasks
            if goal["reached"]
        ]),
        _terms(manifest),
        "## Fields",
        _table(["column", "modes", "meaning"], _fields(columns)),
        "## How it was made",
        _table(["what", "who", "samples"], [
            (row["what"], row["who"], f"{row['samples']:,}") for row in manifest.made_by
        ]),
        "```json\n" + json.dumps({"settings": manifest.settings, "versions": manifest.versions}, indent=2) + "\n```",
        f"Fingerprint `{manifest.fingerprint}`: building again from the same store gives the same bytes.",
        "## What was left out",
        _table(["reason", "split", "questions", "studies"], [
            (row["reason"], row["split"], f"{row['questions']:,}", f"{row['studies']:,}") for row in manifest.excluded
        ]),
        "## Known limits",
        _limits(),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def short_card(manifest: Manifest, how: str) -> str:
    """Return the README of an export whose rows are described elsewhere: `how` they are read, licence, and limits."""
    parts = [
        f"# {manifest.name}",
        f"{about()}, compiled by cxr in the way of RadRBench-CXR (arXiv 2504.20930).",
        _licence(manifest),
        how,
        _terms(manifest),
        f"Fingerprint `{manifest.fingerprint}`. `export.json` has the settings, and each file's rows and hash.",
        "## Known limits",
        _limits(),
    ]
    return "\n\n".join(parts) + "\n"


def _terms(manifest: Manifest) -> str:
    return _table(["corpus", "samples", "studies", "patients", "licence", "terms"], [
        (row["corpus"], f"{row['samples']:,}", f"{row['studies']:,}", f"{row['patients']:,}", row["licence"],
         terms_of(row["corpus"])) for row in manifest.corpora
    ])  # fmt: skip


def _limits() -> str:
    return "\n".join(f"- {limit}" for limit in LIMITS)


def _licence(manifest: Manifest) -> str:
    if manifest.licence == "public":
        return "**Licence tag: public.** Each corpus keeps its owner's terms, below."
    return (
        "**Licence tag: credentialed.** Samples derive from credentialed corpora. They may be shared only with people "
        "who have signed the same agreement, for MIMIC-CXR through PhysioNet; not on a public hub, and not with online "
        "services (PhysioNet, 2025-09-24)."
    )


def _fields(columns: Mapping[str, pa.Schema]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys(name for mode in Mode if mode in columns for name in columns[mode].names)
    return [
        (name, ", ".join(mode for mode in Mode if mode in columns and name in columns[mode].names), meaning(name))
        for name in names
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
