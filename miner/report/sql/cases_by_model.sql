-- How often each model answers rightly or wrongly, with reasoning that is good or wrong.
select model, count(*) as "answers with reasoning",
       count(*) filter (where correct >= 1 and factuality >= $wrong) as "right, reasoned rightly",
       count(*) filter (where correct >= 1 and factuality < $wrong) as "right, reasoned wrongly",
       count(*) filter (where correct < 1 and factuality >= $good) as "wrong, reasoned well",
       count(*) filter (where correct < 1 and factuality < $good) as "wrong, reasoned less well"
from report_cases group by model order by model
