-- Make `bench_pairs`: the two images of a temporal question that were compared, where MS-CXR-T names them.
-- Both have to be usable.
create or replace temporary table bench_pairs as
select question_id, [first.path, second.path] as paths
from questions join progressions using (study_id, prior_study_id)
join images as first on first.image_id = progressions.prior_image_id
join images as second on second.image_id = progressions.image_id
join bench_images as now on now.study_id = second.study_id and list_contains(now.paths, second.path)
join bench_images as before on before.study_id = first.study_id and list_contains(before.paths, first.path)
where task = 'temporal' and progressions.finding = findings[1]
qualify row_number() over (partition by question_id order by progressions.prior_image_id, progressions.image_id) = 1
