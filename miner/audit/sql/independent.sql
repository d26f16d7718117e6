-- Of the evidence in the newest chains by our engine, how much another labeler labeled, and how much of that no such
-- labeler contradicts: who neither reads as we do nor gave the question its answer.
with pieces as (
    select chains.study_id, questions.labeler as asked_by, piece.finding, piece.presence
    from newest_chains as chains join questions using (question_id), unnest(evidence) as e(piece)
    where engine = $engine),
judged as (
    select pieces.*, others.labeler,
           (presence = 'present' and value = 0) or (presence = 'absent' and value = 1) as is_contradicted
    from (select row_number() over () as number, * from pieces) as pieces
    join labels as others using (study_id, finding)
    where others.labeler <> $ours and others.labeler <> asked_by and value in (0, 1)),
by_piece as (
    select number, bool_or(is_contradicted) as is_contradicted, list(distinct labeler) as labelers
    from judged group by number)
select count(*), count(*) filter (where not is_contradicted), list_sort(list_distinct(flatten(list(labelers))))
from by_piece
