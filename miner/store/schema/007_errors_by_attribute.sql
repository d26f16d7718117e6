-- Say in what a wrong finding is wrong, and make room for scores that weigh findings by what they mean to a patient.

alter table findings add column error varchar;
-- One entry per wrong finding; null where nothing was judged, or the judge does not say.
alter table prediction_scores add column errors varchar[];

-- Weighted scores are null until they are asked for; `weights` names the table of the pack that they were made by.
alter table scores add column weighted double;
alter table scores add column weights varchar;
alter table prediction_scores add column weighted double;
alter table prediction_scores add column weights varchar;

drop view latest_scores;
create view latest_scores as
select scores.* from scores left join runs using (run_id)
qualify row_number() over (partition by chain_id order by runs.started_at desc, judge, judge_version desc) = 1;

-- What chains get wrong by their latest score: findings by task, judge and the attribute that is wrong.
create view errors_by_attribute as
select task, judge, judge_version, coalesce(error, 'not said') as error, count(*) as findings,
       count(distinct chain_id) as chains
from findings
join latest_scores using (chain_id, judge, judge_version)
join current_chains using (chain_id)
where origin = 'chain' and factual = false
group by all;
