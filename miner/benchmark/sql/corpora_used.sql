-- The corpora of the chosen samples, with their licences and how much of each is in the benchmark.
select corpus, any_value(title) as title, any_value(studies.licence) as licence, count(*) as samples,
       count(distinct study_id) as studies, count(distinct patient_id) as patients
from bench_order join questions using (question_id) join studies using (study_id, corpus)
left join corpora using (corpus) group by corpus order by corpus
