-- Make `bench_images`: the usable images of each study, best first.
-- Files that are absent may lie on another machine: where images are optional, their paths are kept.
create or replace temporary table bench_images as
with usable as (
    select study_id, image_id, path, coalesce("view", $last) as "view",
           list_position($order, upper(coalesce(view_position, ''))) as rank
    from images
    where path is not null and coalesce(file_status, 'present') not in ('truncated', 'unreadable')
      and not ($needs_image and coalesce(file_status, 'present') = 'absent')),
ordered as (
    select *, row_number() over (
        partition by study_id, "view" order by coalesce(nullif(rank, 0), 99), image_id) as of_view
    from usable)
-- The best image of each view, in the order of the views, then the rest.
select study_id, list(path order by of_view, list_position($views, "view"), coalesce(nullif(rank, 0), 99), image_id)
    as paths
from ordered group by study_id
