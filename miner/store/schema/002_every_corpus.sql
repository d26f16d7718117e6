-- Room for dated studies, image headers, pairs of studies and what is known about a corpus; the view `priors`.

alter table studies add column study_date date;
alter table studies add column demographics json;
alter table images add column "procedure" varchar;
alter table images add column view_code varchar;
alter table images add column orientation varchar;
alter table progressions add column corpus varchar;
alter table progressions add column image_id varchar;
alter table progressions add column prior_image_id varchar;
alter table progressions add column source_row bigint;
alter table questions add column prior_study_id varchar;
create table corpora (
    corpus varchar, title varchar, licence varchar, layout varchar, image_root varchar,
    counts STRUCT(what VARCHAR, found BIGINT, published BIGINT)[], notes varchar[], run_id varchar
);

-- The nearest study that is certainly earlier. Where the time of day is unknown, a study is taken to begin
-- with its day and, as a prior, to end with it. Corpora without dates are ordered by study_order.
create view priors as
select later.study_id, earlier.study_id as prior_study_id, later.patient_id, later.corpus,
       date_diff('day', earlier.study_date, later.study_date) as days_between
from (select *, coalesce(study_datetime, study_date) as moment from studies where study_date is not null)
     as later
asof join (select *, coalesce(study_datetime, study_date + interval 1 day - interval 1 microsecond) as moment
           from studies where study_date is not null) as earlier
on later.corpus = earlier.corpus and later.patient_id = earlier.patient_id and later.moment > earlier.moment
union all
select later.study_id, earlier.study_id, later.patient_id, later.corpus, null
from (select * from studies where study_date is null) as later
asof join (select * from studies where study_date is null) as earlier
on later.corpus = earlier.corpus and later.patient_id = earlier.patient_id
   and later.study_order > earlier.study_order;
