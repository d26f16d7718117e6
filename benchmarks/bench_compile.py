"""Time compile, exports, leakage and filter at the size of RadRBench-CXR, through the real command line.

    python benchmarks/bench_compile.py [STUDIES]     # 227,835 by default

The store is made in SQL: studies with invented reports that differ in words, labels and images, nine questions a study,
chains for one question in sixteen. Prints seconds, processor seconds and peak memory of each command, and whether a
second build has the same hashes.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cxr.miner.store import Store

CXR = Path(sys.executable).with_name("cxr")

FINDINGS = ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
            "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Fracture", "Support Devices")  # fmt: skip

# 97.8 % train, 0.8 % validate, 1.4 % test, as MIMIC-CXR; every study its own words, one in fifty a template.
_STUDIES = """
    insert into studies (study_id, corpus, source_id, patient_id, split, study_order, licence)
    select 'bench/s' || i, 'bench', 's' || i, 'bench/p' || (i // 3),
           case when (i // 3) % 1000 < 978 then 'train' when (i // 3) % 1000 < 986 then 'validate' else 'test' end,
           i, 'credentialed'
    from range($studies) t(i);
    insert into images (image_id, study_id, path, "view", file_status)
    select study_id || '-' || k, study_id, 'files/' || source_id || '/' || k || '.jpg',
           if(k = 0, 'frontal', 'lateral'), 'absent'
    from studies, range(2) t(k);
    insert into reports (study_id, text, findings, impression)
    select study_id, 'FINDINGS: ' || words || ' IMPRESSION: ' || ending, words, ending
    from (select study_id, study_order,
                 if(study_order % 50 = 0, 'The lungs are clear. No pleural effusion or pneumothorax.',
                    array_to_string(list_transform(range(40), lambda k:
                        'word' || (hash(study_order, k) % if(k % 2 = 0, 40, 4000))), ' ')) as words,
                 'No acute cardiopulmonary abnormality.' as ending from studies);
    insert into labels (study_id, labeler, labeler_version, finding, value)
    select study_id, 'chexpert', '1', finding,
           case when h % 100 < 22 then 1 when h % 100 < 45 then 0 when h % 100 < 49 then -1 end
    from (select study_id, finding, hash(study_id, finding) as h
          from studies, unnest($findings) t(finding));
"""

_CHAINS = """
    insert into chains (chain_id, question_id, study_id, task, engine, engine_version, settings_hash, plan, evidence,
                        steps, text, answer)
    select md5(question_id), question_id, study_id, task, 'rules', '1', 'bench',
           list_transform(findings, lambda f: {'finding': f, 'look_for': 'signs of ' || lower(f)}),
           list_transform(findings, lambda f: {'evidence_no': 1, 'finding': f, 'kind': 'inferred_normal',
               'presence': 'absent', 'statement': 'There is no ' || lower(f) || '.', 'quotes': []}),
           list_transform(findings, lambda f: {'step_no': 1, 'evidence': [1],
               'text': 'I look for ' || lower(f) || ' in every region. The image shows nothing of that kind.'}),
           array_to_string(list_transform(findings, lambda f: 'I look for ' || lower(f) || ' in every region. '
               || 'The image shows nothing of that kind.'), ' '), answer
    from questions where hash(question_id) % 16 = 0;
    insert into scores (chain_id, judge, judge_version, factuality, completeness, effectiveness, radrscore)
    select chain_id, 'rules', '1', if(hash(chain_id) % 20 = 0, 0.5, 1), 1, 1, 1 from chains;
"""


def timed(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run `cxr`, print what it took, and give seconds and peak MB of the process."""
    started = time.perf_counter()
    process = subprocess.Popen([CXR, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 4}:
        raise SystemExit(f"cxr {' '.join(arguments)} ended with {process.returncode}")
    peak = _megabytes(usage)
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{' '.join(arguments):<52}{seconds:>8.1f} s{cpu:>8.1f} s CPU{peak:>8,.0f} MB", flush=True)
    return seconds, peak


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 if sys.platform.startswith("linux") else 1024 * 1024)


def files_of(folder: Path) -> object:
    return json.loads((folder / "manifest.json").read_text())["files"]


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 227_835
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.write(folder / "cxr.duckdb", create=True) as store:
            for statement in _STUDIES.split(";\n"):
                if statement.strip():
                    used = {key: value for key, value in (("studies", studies), ("findings", list(FINDINGS)))
                            if f"${key}" in statement}  # fmt: skip
                    store.connection.execute(statement, used)
        timed(folder, "ask", "--balance", "none")
        with Store.write(folder / "cxr.duckdb") as store:
            store.connection.execute(_CHAINS)
            questions, chains = store.rows("select (select count(*) from questions), (select count(*) from chains)")[0]
        print(f"{studies:,} studies, {questions:,} questions, {chains:,} chains")
        timed(folder, "bench", "leakage")
        compiled = timed(folder, "bench", "compile", "radrbench", "--recipe", "recipe.parquet")
        exported = timed(folder, "export", "sft", "radrbench", "-o", "sft")
        for row in json.loads((folder / "radrbench" / "manifest.json").read_text())["totals"]:
            print(f"    {row['split']} {row['mode']}: {row['reached']:,} of {row['target']:,}")
        print(f"compile and SFT export: {compiled[0] + exported[0]:.1f} s, {max(compiled[1], exported[1]):,.0f} MB")
        for form in ("grpo", "hf", "verl", "jsonl"):
            timed(folder, "export", form, "radrbench", "-o", form)
        timed(folder, "bench", "verify", "radrbench")
        (folder / "again").mkdir()
        timed(folder, "bench", "compile", "again/radrbench")
        same = files_of(folder / "radrbench") == files_of(folder / "again" / "radrbench")
        print(f"two builds have {'the same' if same else 'DIFFERENT'} hashes")
        timed(folder, "filter", "-o", "factual.jsonl")


if __name__ == "__main__":
    main()
