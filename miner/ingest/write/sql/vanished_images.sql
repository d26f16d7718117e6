-- Add to `delta_images` the images of the corpus's studies that its files no longer list.
insert into delta_images
select image_id, images.study_id, false as is_new from images semi join incoming_studies using (study_id)
anti join incoming_images using (image_id)
