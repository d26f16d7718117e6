-- The last runs: how each ended, what it wrote and how long it took.
select strftime(started_at, '%Y-%m-%d %H:%M:%S') as started, command,
       if(status = 'running', 'running, or killed', status) as status, rows_written as rows, rejects,
       printf('%.1f', date_diff('millisecond', started_at, ended_at) / 1000) as seconds
from runs order by started_at desc limit 8
