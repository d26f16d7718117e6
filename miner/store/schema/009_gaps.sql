-- What was kept without one of its cells was never rejected: it has a table of its own.

create table gaps (
    stage varchar, corpus varchar, gap_key varchar, settings_hash varchar, message varchar, run_id varchar
);
insert into gaps
select stage, corpus, reject_key, settings_hash, message, run_id
from rejects
where stage = 'ingest' and reason = 'bad_value'
  and (message like '% is kept without it' or message like '% is kept without time of day');
delete from rejects
where stage = 'ingest' and reason = 'bad_value'
  and (message like '% is kept without it' or message like '% is kept without time of day');
