-- How many reports of each corpus have which section.
with present as (
    select corpus, unnest(list_distinct(list_transform(sections, lambda s: s.name))) as section
    from reports join studies using (study_id)),
total as (select corpus, count(*) as reports from reports join studies using (study_id) group by corpus)
select corpus, section, count(*) as reports, count(*) / any_value(total.reports) as share
from present join total using (corpus) group by corpus, section order by corpus, reports desc, section
