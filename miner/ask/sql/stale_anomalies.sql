-- Make `stale_questions`: anomaly questions of ours whose report is read otherwise now.
-- It gives another answer, or none that is sure.
create or replace temporary table stale_questions as
select question_id from questions left join read_now using (study_id)
where labeler = $source and task = 'anomaly'
  and (is_sure is distinct from true or anomalies is distinct from answer_findings)
