-- Labels, chains and scores that count, by who made them: what, where, who, version, rows, and what renews them.
-- Chains that a newer one of the same engine has replaced, and scores that a newer one of any judge has, are not in
-- use and not counted.
select 'labels' as what, corpus as "where", labeler as who, coalesce(labeler_version, '') as version,
       count(distinct study_id) as rows, 'cxr ingest ' || corpus as renew
from labels join studies using (study_id) group by all
union all
select 'chains', corpus, engine, engine_version, count(*), 'cxr mine --engine ' || engine
from newest_chains join questions using (question_id) group by all
union all
select 'scores', corpus, judge, judge_version, count(*), 'cxr score --judge ' || judge
from latest_scores join newest_chains using (chain_id) join questions using (question_id) group by all
order by all
