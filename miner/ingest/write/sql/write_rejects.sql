-- Rows that did not become rows of the store.
insert into rejects by name
select *, $corpus as corpus, $run as run_id from incoming_rejects where reason <> 'gap'
