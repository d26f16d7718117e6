"""Print what reading reports before asking, `cxr audit` and `cxr filter --agree` take on a corpus of MIMIC's size.

    python benchmarks/audit.py                       # 227,835 made studies, in a temporary folder
    python benchmarks/audit.py --size 20000 --keep FOLDER

The corpus comes from ../shared/tools/make_mimic_like.py, with the labels of two labelers; `cxr ask` reads its reports
and asks. Mining a quarter of a million studies would take hours, so a few thousand chains are mined and scored, and
each question takes the chain of one of them as its own: its evidence is of another study, and contradicted as often as
chance has it. Our labels are those of CheXpert with every twentieth changed.
"""

import shutil
import tempfile
from pathlib import Path

import duckdb

from benchmarks.ingest import corpus
from benchmarks.kit import parser, timed

MINED = 2_000
LABELS = """
insert into labels by name
select * replace (case when value in (0, 1) and hash(study_id, finding) % 20 = 0 then 1 - value else value end as value,
                  'rules' as labeler, $version as labeler_version)
from labels where labeler = 'chexpert'
"""
CHAINS = """
create table made as
with numbered as (select *, row_number() over (partition by task order by chain_id) - 1 as place,
                         count(*) over (partition by task) as of_task from chains)
select numbered.* exclude (place, of_task), chain_id as copied, questions.question_id as question,
       questions.study_id as study
from questions join numbered on numbered.task = questions.task and place = hash(questions.question_id) % of_task
where questions.question_id not in (select question_id from chains);
insert into chains by name
select * exclude (copied, question, study)
         replace ('made/' || question as chain_id, question as question_id, study as study_id)
from made;
insert into scores by name
select scores.* replace ('made/' || question as chain_id) from scores join made on made.copied = scores.chain_id;
drop table made;
"""


def store_of(folder: Path, work: Path, size: int) -> Path:
    """Make a store with labels by three labelers and a scored chain for each question."""
    made = corpus(folder, size).resolve()
    timed(work, "ingest", "mimic-cxr", made)
    timed(work, "ask", "--tasks", "binary", "--balance", "none", family="Rss")
    timed(work, "mine", "--limit", MINED)
    timed(work, "score")
    with duckdb.connect(str(work / "cxr.duckdb")) as store:
        store.execute(LABELS, {"version": "made"})
        store.execute(CHAINS)
        for table in ("studies", "labels", "coverage", "questions", "chains"):
            print(f"  {store.execute(f'select count(*) from {table}').fetchall()[0][0]:>12,} {table}")
    return work / "cxr.duckdb"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", type=int, default=227_835)
    options.add_argument("--keep", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        store = store_of(given.keep or work, work, given.size)
        timed(work, "audit", "-o", "read.jsonl")
        timed(work, "filter", "-o", "kept.jsonl")
        timed(work, "filter", "--agree", "negbio", "-o", "agreed.jsonl")
        timed(work, "status")
        if given.keep is not None:
            shutil.copy(store, given.keep / "audit.duckdb")


if __name__ == "__main__":
    main()
