"""Everything between raw reports and factual chains: ingest, ask, mine, score, filter, and the store."""
