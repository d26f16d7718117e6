-- The latest runs that did not end well.
select strftime(started_at, '%Y-%m-%d %H:%M') as started, command,
       if(status = 'running', 'running, or killed', status) as status, rows_written as rows
from runs where status <> 'done' order by started_at desc, run_id limit 20
