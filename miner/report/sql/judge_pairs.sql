-- Every two judges with chains in common: how many, the mean factuality by each, and their correlation.
with named as (select chain_id, concat_ws(' ', judge, judge_version) as judge, factuality from scores)
select a.judge, b.judge, count(*) as chains, avg(a.factuality), avg(b.factuality),
       corr(a.factuality, b.factuality)
from named as a join named as b on a.chain_id = b.chain_id and a.judge < b.judge
group by all order by chains desc, a.judge, b.judge
