-- A chain worth reading: two findings seen, most of the others quoted as absent, and short enough for a screen.
select chain_id from factual_chains where task = 'multiple'
order by abs(len(list_filter(evidence, lambda e: e.presence = 'present')) - 2),
         len(list_filter(evidence, lambda e: e.kind = 'inferred_normal')), len(evidence), study_id, chain_id
limit 1
