-- How many studies are rejected otherwise now than before, of the corpora that were asked about.
with known as (
    select reject_key as study_id from rejects
    where stage = 'ask' and reason = $reason and corpus in (select distinct corpus from asked_corpora)),
now as (select study_id from silent_studies)
select count(*) from ((from now except from known) union all (from known except from now))
