-- Take from the store what `cxr images check` found in the files, which the owner's tables do not tell.
update incoming_images set
    width = coalesce(incoming_images.width, images.width),
    height = coalesce(incoming_images.height, images.height),
    view_position = coalesce(incoming_images.view_position, images.view_position),
    file_status = if(
        incoming_images.file_status = 'present' and images.file_status in ('truncated', 'unreadable'),
        images.file_status, incoming_images.file_status)
from images where images.image_id = incoming_images.image_id
