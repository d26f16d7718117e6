-- How many studies are rejected otherwise now than before, of the corpora that were asked about.
with known as (
    select reject_key as study_id, reason from rejects
    where stage = 'ask' and reason in ($unread, $doubted) and corpus in (select distinct corpus from asked_corpora)),
now as (select study_id, reason from silent_studies)
select count(*) from ((from now except from known) union all (from known except from now))
