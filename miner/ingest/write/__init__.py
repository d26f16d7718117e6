"""A corpus that was read enters the store: what is new or changed, in one transaction."""
