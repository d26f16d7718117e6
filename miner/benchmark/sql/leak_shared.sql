-- Make `leak_shared`: studies whose words, or nearly, stand in a stronger split as well.
create or replace temporary table leak_shared as
with matches as (
    select other_key as text_key, max(strongest) as strongest, 'near' as kind from leak_near group by other_key
    union all
    select text_key, strongest, 'exact' from leak_distinct where weakest < strongest)
select study_id, corpus, split, min(kind) as kind
from leak_texts join matches using (text_key)
where list_contains($weakest_first, split) and list_position($weakest_first, split) < strongest
group by study_id, corpus, split
