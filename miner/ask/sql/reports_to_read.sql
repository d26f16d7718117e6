-- All reports in random order, with the earlier study of the same patient.
select study_id, corpus, split, text, prior_study_id from reports join studies using (study_id)
left join (select study_id, prior_study_id from priors) as priors using (study_id)
order by md5_number_lower(concat_ws('|', 'report', $seed::varchar, study_id))
