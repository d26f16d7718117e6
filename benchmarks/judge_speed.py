"""What the language layer and the judge cost on one core, and how fast medspaCy's ConText is on the same sentences.

    python benchmarks/judge_speed.py                                     # ours alone
    python benchmarks/judge_speed.py --medspacy-python /tmp/medspacy/bin/python

medspaCy does not install beside cxr, so it gets an environment to itself (CPython 3.11):

    python3.11 -m venv /tmp/medspacy
    /tmp/medspacy/bin/pip install "medspacy==1.3.1" "numpy<2"

Both read the sentences of OpenI's reports on one core, round by round in turns, and what counts is processor time, so
that other programs on the machine do not. medspaCy is a blank pipeline with its target matcher and ConText with its own
rules; the targets are the phrases of our lexicon's findings and devices, and each sentence is a document, since ConText
needs sentence bounds and medspaCy's own splitter would cost more than all the rest. Ours does more with a sentence
(side, place, degree, change, structures). Our caches of texts and sentences are emptied before every round; `distinct`
leaves repeated sentences out, as those would be read only once.
"""

import contextlib
import json
import operator
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

from benchmarks.kit import SHARED, Json, parser, reports

ROUNDS = 5
TARGET_RATIO, TARGET_REPORTS, TARGET_MB, TARGET_START_S = 2.0, 2000, 300, 0.5

# Runs in medspaCy's environment: reads targets and sentences, then times a round whenever it is told to.
THEIRS = """
import importlib.metadata, json, sys, time, warnings
warnings.filterwarnings("ignore")
import medspacy.context, medspacy.target_matcher, spacy
from medspacy.target_matcher import TargetRule
from spacy.language import Language

@Language.component("one_sentence")
def one_sentence(doc):
    for token in doc:
        token.is_sent_start = token.i == 0
    return doc

given = json.loads(sys.stdin.readline())
nlp = spacy.blank("en")
nlp.add_pipe("one_sentence")
matcher = nlp.add_pipe("medspacy_target_matcher")
nlp.add_pipe("medspacy_context")
matcher.add([TargetRule(phrase, "FINDING") for phrase in given["targets"]])
found = sum(len(doc.ents) for doc in nlp.pipe(given["sets"]["distinct"]))
version = importlib.metadata.version("medspacy")
print(json.dumps({"version": version, "spacy": spacy.__version__, "found": found}), flush=True)
for line in sys.stdin:
    sentences = given["sets"][line.strip()]
    started = time.process_time()
    for _ in nlp.pipe(sentences):
        pass
    print(time.process_time() - started, flush=True)
"""


def sentences(texts: list[str]) -> list[str]:
    """Cut reports into sentences, as our layer does."""
    from cxr.miner.language import analyse  # noqa: PLC0415 - what is imported when is part of what is measured

    cut = [text[begin:stop].strip() for text in texts for begin, stop in analyse(text).cuts]
    return [sentence for sentence in cut if sentence]


def targets() -> list[str]:
    """Return every phrase by which our lexicon knows a finding or device."""
    from cxr.miner.language import load_lexicon  # noqa: PLC0415

    return sorted(" ".join(words) for words, entry in load_lexicon().entries.items() if entry.concepts)


def forget() -> None:
    """Empty the caches of texts and sentences."""
    from cxr.miner.language import analyse, reader, section_headers  # noqa: PLC0415

    for cached in (analyse, reader.read_sentence, section_headers.line_header):
        cached.cache_clear()


def rate(work: Callable[[str], object], texts: list[str]) -> float:
    """Return how many texts a second of processor time are read."""
    started = time.process_time()
    for text in texts:
        work(text)
    return len(texts) / (time.process_time() - started)


class Theirs:
    """medspaCy in a process of its own."""

    def __init__(self, python: Path, sets: dict[str, list[str]]) -> None:
        self._process = subprocess.Popen([python, "-c", THEIRS], stdin=PIPE, stdout=PIPE, text=True, bufsize=1)
        self.about: Json = self.ask(json.dumps({"targets": targets(), "sets": sets}))

    def ask(self, line: str) -> Any:
        """Send a line (what there is, then the name of a set to read) and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._process.stdin)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("medspaCy's process ended early; see its error above, and how to install it in --help")
        return json.loads(answer)


def compare(texts: list[str], python: Path | None) -> None:
    from cxr.miner.language import analyse  # noqa: PLC0415

    every = sentences(texts)
    sets = {"distinct": list(dict.fromkeys(every)), "all": every}
    theirs = Theirs(python, sets) if python is not None else None
    for name, given in sets.items():
        mine, other = [], []
        for _ in range(ROUNDS):
            forget()
            mine.append(rate(analyse, given))
            if theirs is not None:
                other.append(len(given) / theirs.ask(name))
        line = f"{name + ' sentences':20} {len(given):7,}  ours {statistics.median(mine):8,.0f}/s"
        if other:
            ratios = sorted(map(operator.truediv, mine, other))
            line += f"  medspaCy {statistics.median(other):8,.0f}/s  ratio {statistics.median(ratios):.1f} "
            line += f"[{ratios[0]:.1f}, {ratios[-1]:.1f}]  (target {TARGET_RATIO:g})"
        print(line)
    if theirs is not None:
        print(
            f"medspaCy {theirs.about['version']} on spaCy {theirs.about['spacy']}, its own ConText rules, "
            f"{len(targets()):,} targets, which it found {theirs.about['found']:,} times in the distinct sentences; "
            f"{ROUNDS} rounds in turns, the range of ratios in brackets"
        )


def labels(texts: list[str]) -> None:
    """Label all reports once, with nothing cached, and give the rate and the memory after it."""
    from cxr.miner.language.labeler import label  # noqa: PLC0415

    found = rate(label, texts)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"labelled {len(texts):,} reports at {found:,.0f}/s (target {TARGET_REPORTS:,})")
    print(f"memory after that, the most so far: {memory:.0f} MB (target {TARGET_MB})")


def start_up() -> None:
    """Time new processes from nothing to a first verdict, the interpreter included."""
    code = (
        "from cxr.miner.judge import RulesJudge; from cxr.schemas import Finding; "
        "RulesJudge().verdicts('Lungs are clear.', [Finding(observation='opacity', status='absent')])"
    )
    times = []
    for _ in range(ROUNDS):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall))
    cpu, wall = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"from a new process to its first verdict: {cpu:.2f} s of processor time, {wall:.2f} s on the clock "
        f"(target {TARGET_START_S:g})"
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("shared", type=Path, nargs="?", default=SHARED, help="the folder that holds data/openi")
    options.add_argument("--medspacy-python", type=Path, help="the interpreter of an environment with medspaCy")
    given = options.parse_args()
    if not (given.shared / "data" / "openi").is_dir():
        raise SystemExit(f"{given.shared} holds no data/openi; give the folder with the public data")
    if hasattr(os, "sched_setaffinity"):  # Linux: this process and its children stay on one core
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    start_up()
    texts = list(reports(given.shared).values())
    labels(texts)
    compare(texts, given.medspacy_python)


if __name__ == "__main__":
    main()
