-- Let calls know their job, request and batch; make room for batches at a server; add the view `spending`.

alter table calls add column request_hash varchar;
alter table calls add column cached_tokens bigint;
alter table calls add column batch boolean;
alter table calls add column settings_hash varchar;
create table batches (
    batch_id varchar, remote_id varchar, input_file_id varchar, settings_hash varchar, base_url varchar,
    model varchar, requests bigint, status varchar, message varchar, submitted_at timestamp,
    ended_at timestamp, collected_at timestamp, answered bigint, failed bigint, run_id varchar
);
create table batch_requests (
    batch_id varchar, request_hash varchar, question_id varchar, stage varchar, prompt_name varchar,
    prompt_version varchar, prompt_hash varchar, attempt integer
);

create view spending as
select settings_hash, engine, model, stage, count(*) as attempts,
       count(*) filter (where cache_hit) as from_cache, count(error) as failed,
       sum(prompt_tokens)::bigint as prompt_tokens, sum(completion_tokens)::bigint as completion_tokens,
       sum(cost_usd) as cost_usd,
       count(*) filter (where cost_usd is null) as of_unknown_cost
from calls group by all;
