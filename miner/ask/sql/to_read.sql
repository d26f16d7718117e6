-- The reports of studies asked about of which it is not known how this reader reads them.
select study_id, text from reports semi join picked using (study_id)
anti join (select study_id from coverage where reader_version = $version) using (study_id)
order by study_id
