-- Make `contradicted`: chains with a piece of evidence that one of the named labelers contradicts.
-- That is a finding that is present by the chain and labeled 0, or absent and labeled 1.
create or replace temporary table contradicted as
select distinct chain_id
from (select chain_id, study_id, piece.finding, piece.presence from chains, unnest(evidence) as e(piece)) as pieces
join labels using (study_id, finding)
where list_contains($agree, labeler)
  and ((presence = 'present' and value = 0) or (presence = 'absent' and value = 1))
