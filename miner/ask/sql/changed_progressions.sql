-- How many progressions our rules read otherwise now than before.
with known as (select study_id, prior_study_id, finding, progression from progressions where labeler = $ours),
read as (select study_id, prior_study_id, finding, progression from stated)
select count(*) from ((from read except from known) union all (from known except from read))
