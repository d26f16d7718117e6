-- Note the studies that were understood and are not any more, with everybody who labeled them.
insert into relabeled
select distinct study_id, labeler from labels
semi join (
    select study_id from coverage join covered using (study_id) semi join relabel using (study_id)
    where coverage.understood and not covered.understood) as lost using (study_id)
