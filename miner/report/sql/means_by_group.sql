-- Per group, its patients: sum and number of scores, to four decimals, and how many patients have these.
with patients as (
    select columns(lambda c: c = $key) as "group", patient,
           sum(columns(lambda c: c = $measure)) as total, count(columns(lambda c: c = $measure)) as size
    from query_table($source) where columns(lambda c: c = $measure) is not null group by all)
select coalesce("group", '(unknown)') as "group", round(total, 4) as total, size, count(*) as patients,
       sum(total) as exact
from patients group by all order by all
