-- The model that a server says it answered with, where that is another one than was asked for.
alter table calls add column answered_by varchar;
