-- The images of studies, frontal ones first, by where they lie: below the folder in which ingest saw those of the corpus.
-- One whose file is not there is among them, so that the page can say so.
select images.study_id,
       if(image_root is null or starts_with(path, '/'), path, rtrim(image_root, '/') || '/' || path) as path,
       coalesce("view", view_position) as "view", width, height
from images left join studies using (study_id) left join corpora using (corpus)
where path is not null and list_contains($studies, images.study_id)
order by images.study_id, coalesce(nullif(list_position($order, upper(coalesce(view_position, ''))), 0), 99),
         coalesce("view", '~'), image_id
