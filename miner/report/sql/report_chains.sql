-- Make `report_chains`: every chain once, with what it is about and how it was judged.
-- Who may see a chain: a temporal question shows two studies, and the stricter licence counts. What is not known to be
-- public is credentialed.
create or replace temporary table report_chains as
with worst as (
    select chain_id, judge, judge_version, bool_or(verdict = 'contradicted') as is_contradicted,
           bool_or(verdict = 'unmentioned_abnormal') as is_unmentioned
    from findings where origin = 'chain' group by all),
reviewed as (
    select chain_id, bool_and(least(factuality, validity, completeness) >= $least_review) as is_well_reviewed
    from counted_reviews group by chain_id)
select chains.chain_id, chains.question_id, chains.study_id, questions.corpus, chains.task, questions.split,
       coalesce(studies.corpus || '/' || studies.patient_id, chains.study_id) as patient,
       coalesce(studies.licence = 'public' and coalesce(prior.licence, 'public') = 'public', false) as is_public,
       concat_ws(' ', engine, engine_version, model) as engine, questions.findings as asked,
       concat_ws(' ', latest.judge, latest.judge_version) as judge, latest.factuality, latest.completeness,
       latest.effectiveness, latest.radrscore, latest.n_findings, len(chains.steps) as steps,
       coalesce(is_contradicted, false) as is_contradicted, coalesce(is_unmentioned, false) as is_unmentioned,
       is_well_reviewed
from newest_chains as chains
join questions using (question_id)
left join studies on studies.study_id = chains.study_id
left join studies as prior on prior.study_id = questions.prior_study_id
left join latest_scores as latest using (chain_id)
left join worst on worst.chain_id = chains.chain_id and worst.judge = latest.judge
     and worst.judge_version = latest.judge_version
left join reviewed on reviewed.chain_id = chains.chain_id
