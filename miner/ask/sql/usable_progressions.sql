-- Make `usable_progressions`: those with a sure answer and both studies in the store, each with a draw.
-- A pair's draw depends on nothing but the seed and itself.
create or replace temporary table usable_progressions as
select progressions.*, studies.split,
       md5(concat_ws('|', 'temporal', $seed::varchar, study_id, prior_study_id, finding)) as draw
from progressions join studies using (study_id)
semi join (select study_id as prior_study_id from studies) using (prior_study_id)
where quality is distinct from 'disagreement' and (labeler = $ours) = $from_reports
