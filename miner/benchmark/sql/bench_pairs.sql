-- Make `bench_pairs`: the two images of a temporal question that were compared, where MS-CXR-T names them.
create or replace temporary table bench_pairs as
select question_id, [first.path, second.path] as paths
from questions join progressions using (study_id, prior_study_id)
join images as first on first.image_id = progressions.prior_image_id
join images as second on second.image_id = progressions.image_id
where task = 'temporal' and progressions.finding = findings[1]
qualify row_number() over (partition by question_id order by progressions.prior_image_id, progressions.image_id) = 1
