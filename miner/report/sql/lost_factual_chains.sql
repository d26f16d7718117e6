-- Whether radiologists object to factual chains ('' where none does), and how many.
select if(is_well_reviewed = false, 'a radiologist gave less than 5 on an axis', '') as reason, count(*) as chains
from report_chains where factuality >= 1 group by all
