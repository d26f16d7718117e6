-- Write the predictions that are to be written, in the order of their lines.
insert into predictions (prediction_id, question_id, model, mode, text, run_id, sample_id, benchmark, error)
select prediction_id, question_id, model, mode, text, $run, sample_id, $benchmark, error
from decided where fate = 'write' order by line
