-- All chains that were made for a question, and why one was kept.
select candidate_no as no, coalesce('repairs ' || repairs, 'drawn') as made, sampling->>'style' as style, why, factuality, completeness,
       effectiveness, n_factual || ' of ' || n_findings as "factual findings",
       array_to_string(list_transform(objections, lambda o: o.observation || ': ' || o.status), ' | ') as objections,
       alike, reason, text
from candidates where question_id = $id order by settings_hash, candidate_no
