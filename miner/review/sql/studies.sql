-- The reports of studies, and whose they are.
select study_id, patient_id, corpus, coalesce(licence, 'credentialed') as licence, reports.text, reports.sections
from reports join studies using (study_id) where list_contains($studies, study_id)
