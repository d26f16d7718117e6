-- How often each command ran, how it ended, what it wrote and how long it took.
select command, count(*) as runs, count(*) filter (where status = 'done') as done,
       count(*) filter (where status <> 'done') as "ended otherwise", sum(rows_written)::bigint as "rows written",
       sum(rejects)::bigint as rejects,
       sum(date_diff('millisecond', started_at, ended_at)) / 1000.0 as seconds
from runs group by command order by min(started_at), command
