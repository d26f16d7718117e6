-- Disagreements to read, those that matter most first: present against absent, then one that only one of two names,
-- then doubt; from every finding and labeler in turn, within one by an order that the seed gives.
with apart as (
    select *, case when ours in ('0', '1') and theirs in ('0', '1') then 0
                   when '1' in (ours, theirs) then 1 else 2 end as kind,
           md5(concat_ws('|', 'audit', $seed::varchar, labeler, study_id, finding)) as draw
    from side_by_side where ours <> theirs),
placed as (
    select *, row_number() over (partition by labeler, finding, kind order by draw) as place from apart)
select 'disagreement' as kind, study_id, corpus, licence, finding, labeler, ours, theirs
from placed order by placed.kind, place, draw limit $most
