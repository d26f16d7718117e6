-- Why questions have no chain ('' where they have one), and how many.
-- A question that several engines rejected is counted once, by the reason of the latest.
with rejected as (
    select reject_key as question_id, arg_max(reason, coalesce(started_at, timestamp '1970-01-01')) as reason
    from rejects left join runs using (run_id) where stage = 'mine' group by reject_key)
select case when mined.question_id is not null then ''
            when reports.study_id is null then 'answer only: the study has no report'
            when rejected.reason is not null then 'rejected: ' || replace(rejected.reason, '_', ' ')
            else 'not mined yet' end as reason, count(*) as questions
from questions left join (select distinct question_id from newest_chains) as mined using (question_id)
left join reports using (study_id) left join rejected using (question_id) group by all
