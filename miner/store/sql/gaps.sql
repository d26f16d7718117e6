-- Cells that do not read and whose rows were kept without them, by corpus and what was wrong.
select corpus, message as "kept without", count(*) as gaps from gaps group by all order by corpus, gaps desc, message limit 20
