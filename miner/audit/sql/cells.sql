-- One cell of a patient's table of a finding: what both say, and of how many of the patient's studies.
select finding, patient, list_position($values, ours) - 1 as first, list_position($values, theirs) - 1 as second,
       count(*) as cells
from side_by_side where labeler = $labeler group by all order by finding, patient, first, second
