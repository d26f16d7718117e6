-- The predictions that the galleries show, the clearest of every kind, model and task first.
with placed as (
    select *, row_number() over (partition by kind, model, task
                                 order by if(correct < 1, -factuality, factuality), n_correct - n_pred,
                                          md5(prediction_id)) as place
    from report_cases where kind is not null and (is_public or $with_text)),
numbered as (
    select *, row_number() over (partition by kind order by place, task, model) as number from placed)
select numbered.kind, numbered.model, numbered.task, numbered.corpus, numbered.study_id, numbered.prediction_id,
       numbered.question, numbered.expected, numbered.answer, numbered.judge, numbered.judge_version,
       numbered.factuality, numbered.completeness, numbered.effectiveness, numbered.radrscore, numbered.asked,
       numbered.is_public, predictions.text as said, reports.text as report
from numbered join (select prediction_id, any_value(text) as text from predictions group by 1) as predictions
     using (prediction_id)
left join reports on reports.study_id = numbered.study_id
where number <= $most order by numbered.kind desc, number
