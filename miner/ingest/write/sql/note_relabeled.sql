-- Note the studies whose labels of ours differ from what they were.
insert into relabeled
select distinct study_id, $ours from former_labels
join (select study_id, finding, value from labels where labeler = $ours) as now using (study_id, finding)
where former_labels.value is distinct from now.value
