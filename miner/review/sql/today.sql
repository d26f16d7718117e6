-- The fingerprints of chains as they are.
select chain_id, fingerprint from chain_fingerprints where list_contains($chains, chain_id)
