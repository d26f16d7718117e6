-- Chains that were drawn or repaired, by what became of them.
select judge, if(repairs is null, 'drawn', 'repaired') as made, why, count(*) as chains,
       avg(factuality) as "mean factuality", count(alike) as "nearly an earlier one"
from candidates group by all order by judge, made, chains desc, why
