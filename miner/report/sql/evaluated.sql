-- The results of one evaluation.
select model, mode, task, corpus, measure, "value", low, high, n, n_expected, n_missing, n_unparsed, settings
from evaluations where benchmark = ? and split is not distinct from ? and concat_ws(' ', judge, judge_version) = ?
order by model, mode, task, corpus, measure, n desc
