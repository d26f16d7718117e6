-- What each model's wrong findings are wrong in.
select model, mode, error, count(*) as findings
from (select model, mode, unnest(errors) as error from prediction_scores
      where benchmark = $benchmark and judge = $judge and judge_version = $version
        and ($models is null or list_contains($models, model)))
group by all order by model, mode, findings desc, error
