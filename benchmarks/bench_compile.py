"""Time compile, exports, leakage and filter at the size of RadRBench-CXR, through the real command line.

    python benchmarks/bench_compile.py [STUDIES]     # 227,835 by default

The store is made in SQL: studies with invented reports that differ in words, labels and images, nine questions a study,
chains for one question in sixteen. Prints seconds, processor seconds and peak memory of each command, and whether a
second build has the same hashes.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.kit import timed
from cxr.miner.store import Store

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
           if(k = 0, 'frontal', 'lateral'), 'present'
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


def fill(store: Store, studies: int) -> None:
    given = {"studies": studies, "findings": list(FINDINGS)}
    for statement in filter(str.strip, _STUDIES.split(";\n")):
        store.connection.execute(statement, {name: value for name, value in given.items() if f"${name}" in statement})


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 227_835
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.write(folder / "cxr.duckdb", create=True) as store:
            fill(store, studies)
        timed(folder, "ask", "--balance", "none")
        with Store.write(folder / "cxr.duckdb") as store:
            store.connection.execute(_CHAINS)
            questions, chains = store.rows("select (select count(*) from questions), (select count(*) from chains)")[0]
        print(f"{studies:,} studies, {questions:,} questions, {chains:,} chains")
        timed(folder, "bench", "leakage")
        compiled = timed(folder, "bench", "compile", "radrbench", "--recipe", "recipe.parquet")
        exported = timed(folder, "export", "sft", "radrbench", "-o", "sft")
        manifest = json.loads((folder / "radrbench" / "manifest.json").read_text())
        for row in manifest["totals"]:
            print(f"    {row['split']} {row['mode']}: {row['reached']:,} of {row['target']:,}")
        wall, peak = compiled.wall_s + exported.wall_s, max(compiled.peak_mb, exported.peak_mb)
        print(f"compile and SFT export: {wall:.1f} s, {peak:,.0f} MB")
        for form in ("grpo", "hf", "verl", "swift", "llamafactory", "jsonl"):
            timed(folder, "export", form, "radrbench", "-o", form)
        timed(folder, "bench", "verify", "radrbench")
        (folder / "again").mkdir()
        timed(folder, "bench", "compile", "again/radrbench")
        same = manifest["files"] == json.loads((folder / "again" / "radrbench" / "manifest.json").read_text())["files"]
        print(f"two builds have {'the same' if same else 'DIFFERENT'} hashes")
        timed(folder, "filter", "-o", "factual.jsonl")


if __name__ == "__main__":
    main()
