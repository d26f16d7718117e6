-- How many studies, questions and chains each corpus has at each step of the funnel.
with of_studies as (
    select corpus, any_value(licence) as licence, count(*) as studies, count(reports.study_id) as reports
    from studies left join reports using (study_id) group by corpus),
of_questions as (select corpus, count(*) as questions from questions group by corpus),
of_chains as (
    select corpus, count(*) as chains, count(factuality) as scored, count(*) filter (where factuality >= 1)
           as factual, count(*) filter (where factuality >= 1 and is_well_reviewed is distinct from false) as kept
    from report_chains group by corpus)
select corpus, licence, studies, reports, coalesce(questions, 0) as questions, coalesce(chains, 0) as chains,
       coalesce(scored, 0) as scored, coalesce(factual, 0) as factual, coalesce(kept, 0) as "after review"
from of_studies left join of_questions using (corpus) left join of_chains using (corpus) order by corpus
