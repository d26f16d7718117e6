-- What was found of each corpus, against what its makers published.
select corpus, count.what, count.found, count.published, count.found - count.published as difference
from (select corpus, unnest(counts) as count from corpora) order by corpus
