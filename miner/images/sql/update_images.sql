-- Write what was found in the files of `changed_images`.
update images set
    file_status = status, width = coalesce(changed_images.width, images.width),
    height = coalesce(changed_images.height, images.height), view_position = coalesce(view_position, position)
from changed_images where images.image_id = changed_images.image_id
