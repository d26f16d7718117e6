"""The reference project's own JSON layout (formats.md, section 9): lists of objects, a file per corpus and task.

Training records carry `process` where there is reasoning; test records with reasoning carry the report, the plan by
finding, and `reason_steps` as their files do: text for binary, a list for sets, an object for pairs.
"""

from collections.abc import Mapping
from pathlib import Path

from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.jsonl import write_rows_as_json
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, modes_of, whole
from cxr.miner.export.settings import ExportSettings
from cxr.miner.pack.corpora import corpora

# Their names of our tasks: an anomaly question is the multiple one without options.
TASK_FILES = {
    "binary": "binary",
    "single": "single",
    "multiple": "multi_option",
    "anomaly": "multi_no_option",
    "temporal": "temporal_cls",
}


def _of_corpus(facts: Mapping[str, str], otherwise: str) -> str:
    """Return SQL for what is said of a sample's corpus."""
    cases = " ".join(f"when '{slug}' then '{fact}'" for slug, fact in facts.items() if fact)
    return f"case corpus {cases} else {otherwise} end" if cases else otherwise


# The study's id as its owner's number, and behind it the data source, by which their scripts tell corpora apart.
_PREFIX = _of_corpus(
    {slug: f"^{known.study_prefix}" for slug, known in corpora().items() if known.study_prefix}, "'^$'"
)
_SOURCE = _of_corpus({slug: known.benchmark_name for slug, known in corpora().items()}, "corpus")

_BASE = f"""
    '[' || corpus || '] [' || regexp_replace(substr(study_id, length(corpus) + 2), '^' || {_PREFIX}, '') || ']'
        || {_SOURCE} as item_id,
    case when task = 'temporal' then 'Temporal Image Classification' else 'reason Image Classification' end
        as dataset_name,
    images as image_path, question, answer, answer_text as answer_content, corpus as data_source, licence
"""

_TRAINED = "reasoning as process"

_STEPS = {
    "binary": "reasoning",
    "temporal": "to_json(map_from_entries(list_transform(steps, lambda s, i: {'key': 'step ' || i, 'value': s})))",
}

_PLAN = "to_json(map_from_entries(list_transform(plan, lambda p: {'key': p.finding, 'value': p.look_for}))) as plan"


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<reason|answer>_<split>/<corpus>_<task>.json` for every corpus and task that the split has."""
    written = []
    for mode in modes_of(benchmark, split, settings):
        place = folder / f"{'reason' if mode is Mode.REASONING else 'answer'}_{split}"
        place.mkdir(parents=True, exist_ok=True)
        for corpus in (row["corpus"] for row in benchmark.manifest.corpora):
            for task, name in TASK_FILES.items():
                select = f"select {_columns(mode, split, task)} from samples where task = '{task}'"
                table = whole(benchmark, split, mode, settings, f"{select} and corpus = '{corpus}'")
                if table.num_rows:
                    path = place / f"{corpus.replace('-', '_')}_{name}.json"
                    write_rows_as_json(table, path, array=True, objects=_objects(split, task))
                    written.append((path, table.num_rows))
    return written


def _objects(split: str, task: str) -> tuple[str, ...]:
    return () if split != "test" else ("plan", "reason_steps") if task == "temporal" else ("plan",)


def _columns(mode: str, split: str, task: str) -> str:
    if mode != Mode.REASONING:
        return _BASE
    if split != "test":
        return f"{_BASE}, {_TRAINED}"
    report = (
        "prior_report as original_report1, report as original_report2"
        if task == "temporal"
        else "report as original_report"
    )
    return f"{_BASE}, {report}, {_PLAN}, {_STEPS.get(task, 'steps')} as reason_steps, true as correct"


FORMAT = ExportFormat(write)
