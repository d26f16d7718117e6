-- What the chosen questions are about, and how many.
-- Binary and temporal by finding and answer, others by the findings in the answer.
select split, mode, task, finding, answer, count(*) as samples
from (select mode, split, task,
             unnest(if(task in ('binary', 'temporal'), findings[:1], answer_findings)) as finding,
             if(task in ('binary', 'temporal'), coalesce(list_filter(
                options, lambda o: o.letter = questions.answer)[1].findings[1], questions.answer), '') as answer
      from bench_chosen join questions using (question_id, split, task))
group by all order by all
