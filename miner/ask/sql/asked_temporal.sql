-- Make `asked_temporal`: a question per progression, at most as many per finding as its ceiling allows.
create or replace temporary table asked_temporal as
select study_id, prior_study_id, corpus, split, 'temporal' as task, [finding] as findings,
       replace($text, '{finding}', lower(finding)) || ' Options:' || chr(10) || 'A) worsening' || chr(10)
       || 'B) stable' || chr(10) || 'C) improving' as text,
       [{'letter': 'A', 'findings': ['worsening']}, {'letter': 'B', 'findings': ['stable']},
        {'letter': 'C', 'findings': ['improving']}] as options,
       case progression when 'worsening' then 'A' when 'stable' then 'B' else 'C' end as answer,
       []::varchar[] as answer_findings, labeler
from usable_progressions join ceilings using (finding)
qualify row_number() over (partition by finding order by draw) <= ceiling
