-- Make `decided`: what becomes of each line.
create or replace temporary table decided as
select resolved.*, case
    when turn > 1 then if(resolved.text is null or resolved.text = first_text, 'merged', 'duplicate')
    when stored.prediction_id is null or $replace then 'write'
    when resolved.text is null or resolved.text is not distinct from stored.text then 'already'
    when stored.text is null then 'write'
    else 'duplicate' end as fate,
    stored.text is not null as is_stored
from resolved left join (select prediction_id, text from predictions where benchmark = $benchmark) as stored
     using (prediction_id)
