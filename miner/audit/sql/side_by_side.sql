-- Make `side_by_side`: what we and another labeler say of a finding of a study that both labeled.
create or replace temporary table side_by_side as
with ours as (select study_id, finding, value from labels where labeler = $ours)
select theirs.labeler, study_id, corpus, coalesce(patient_id, study_id) as patient, licence, finding,
       coalesce(ours.value::varchar, 'none') as ours, coalesce(theirs.value::varchar, 'none') as theirs
from labels as theirs join ours using (study_id, finding) join studies using (study_id)
where list_contains($others, theirs.labeler)
