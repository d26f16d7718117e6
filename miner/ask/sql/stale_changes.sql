-- Make `stale_questions`: temporal questions of ours whose reports state another change now, or none.
create or replace temporary table stale_questions as
select question_id from questions
left join (select study_id, prior_study_id, finding, progression from progressions where labeler = $ours) as now
on now.study_id = questions.study_id and now.prior_study_id = questions.prior_study_id
   and now.finding = questions.findings[1]
where task = 'temporal' and questions.labeler = $ours
  and now.progression is distinct from list_filter(options, lambda o: o.letter = answer)[1].findings[1]
