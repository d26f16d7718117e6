-- Make `changed_images`: the images of which `checked` says something else than the store.
create or replace temporary table changed_images as
select checked.* from images join checked using (image_id)
where file_status is distinct from status
   or (checked.width is not null and (
       images.width is distinct from checked.width or images.height is distinct from checked.height))
   or (view_position is null and position is not null)
