-- Choose example chains that cover corpora, tasks and verdicts, into `report_examples`.
-- Within every corpus, task and worst verdict the order is that of an MD5; the first of each group come first.
create or replace temporary table report_examples as
with classed as (
    select *, case when factuality is null then 'not scored' when is_contradicted then 'contradicted'
                   when is_unmentioned then 'unmentioned_abnormal' when factuality < 1 then 'other'
                   else 'factual' end as class
    from report_chains where is_public or $with_text),
placed as (
    select *, row_number() over (partition by corpus, task, class order by md5(chain_id)) as place from classed)
select chain_id, row_number() over (order by place, class, corpus, task) as example_no
from placed order by example_no limit $most
