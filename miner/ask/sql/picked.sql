-- Make `picked`: one labeler's value per study and finding, with a draw that orders at random.
-- One labeler per study, the first that is preferred. The draw is half of an MD5, so that it is the same everywhere.
create or replace temporary table picked as
with chosen as (
    select study_id, arg_min(labeler, list_position($order, labeler)) as labeler
    from labels where list_contains($order, labeler) group by study_id)
select corpus, split, study_id, labeler, finding, value,
       md5_number_lower(concat_ws('|', $seed::varchar, study_id, finding)) as draw
from labels join chosen using (study_id, labeler) join studies using (study_id)
where list_contains($findings, finding)
