-- Keep what a second judge was asked and changed, every chain that was drawn for a question, and chains that are alike.

alter table findings add column sureness double;
alter table findings add column first_verdict varchar;

-- What a judge of two tiers asked its second judge, over the chains that it scored.
create view second_judgements as
select judge, judge_version, task, count(*) as findings, count(first_verdict) as asked,
       count(first_verdict) / count(*) as share_asked,
       count(*) filter (where first_verdict <> verdict) as changed,
       count(*) filter (where first_verdict is not null
           and (first_verdict in ('supported', 'unmentioned_normal'))
               <> (verdict in ('supported', 'unmentioned_normal'))) as turned
from findings join chains using (chain_id)
where origin = 'chain' and sureness is not null
group by all;

-- One row for every chain that was drawn or repaired for a question, the one that was kept and those that were not.
create table candidates (
    candidate_id varchar, question_id varchar, study_id varchar, settings_hash varchar, candidate_no integer,
    repairs integer, sampling json, plan STRUCT(finding VARCHAR, look_for VARCHAR)[],
    evidence STRUCT(
        evidence_no INTEGER, finding VARCHAR, kind VARCHAR, presence VARCHAR, statement VARCHAR,
        quotes STRUCT(start INTEGER, "end" INTEGER, text VARCHAR)[])[],
    steps STRUCT(step_no INTEGER, text VARCHAR, evidence INTEGER[])[], text varchar, answer varchar,
    judge varchar, judge_version varchar, factuality double, completeness double, effectiveness double,
    radrscore double, n_findings integer, n_factual integer,
    objections STRUCT(observation VARCHAR, status VARCHAR, verdict VARCHAR, reason VARCHAR)[],
    alike integer, kept boolean, why varchar, reason varchar, message varchar, run_id varchar
);

-- Chains of one job whose words are nearly those of another chain of it; `group_id` is the first of them.
create table near_duplicates (
    chain_id varchar, group_id varchar, similarity double, settings_hash varchar, run_id varchar
);
