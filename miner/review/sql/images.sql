-- The images of studies, frontal ones first; one whose file is not there is among them, so that the page can say so.
select study_id, path, coalesce("view", view_position) as "view", width, height
from images where path is not null and list_contains($studies, study_id)
order by study_id, coalesce(nullif(list_position($order, upper(coalesce(view_position, ''))), 0), 99),
         coalesce("view", '~'), image_id
