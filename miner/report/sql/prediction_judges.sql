-- Every two judges of the same predictions: their means, correlations and mean difference.
with named as (
    select prediction_id, concat_ws(' ', judge, judge_version) as judge, factuality, completeness, effectiveness,
           radrscore
    from prediction_scores where radrscore is not null)
select a.judge, b.judge, count(*), avg(a.radrscore), avg(b.radrscore), corr(a.factuality, b.factuality),
       corr(a.completeness, b.completeness), corr(a.effectiveness, b.effectiveness), corr(a.radrscore, b.radrscore),
       avg(abs(a.radrscore - b.radrscore))
from named as a join named as b on a.prediction_id = b.prediction_id and a.judge < b.judge
group by all order by 3 desc, 1, 2 limit 10
