-- Make `negatives`: what may be offered as absent.
-- That is a label of 0 or not mentioned, unless something present implies it (firmly), or may mean it and the label
-- does not deny it. A report that was not understood may name what nobody labeled: there a label of 0 alone counts.
create or replace temporary table negatives as
with implied as (
    select study_id, other as finding, bool_or(firmly) as firmly
    from picked join pairs on finding = shown where value = 1 group by all)
select corpus, study_id, finding, draw from picked left join implied using (study_id, finding)
where (value = 0 or (value is null and study_id not in (select study_id from not_understood))) and not coalesce(firmly, false) and (value = 0 or firmly is null)
