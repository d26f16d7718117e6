-- Let the store know how much of each report was read, and which phrases could be a finding that was not.

create table coverage (
    study_id varchar, share double, understood boolean,
    unread STRUCT("start" INTEGER, "end" INTEGER, phrase VARCHAR, asserted BOOLEAN, region VARCHAR)[],
    reader_version varchar, run_id varchar
);
