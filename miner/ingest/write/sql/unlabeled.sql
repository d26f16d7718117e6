-- The reports of a corpus that have no labels by this version of our labeler.
select study_id, text from reports semi join (select study_id from studies where corpus = $corpus) using (study_id)
anti join (select study_id from labels where labeler = $labeler and labeler_version = $version) using (study_id)
order by study_id
