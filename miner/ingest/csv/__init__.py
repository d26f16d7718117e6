"""Anybody's own corpus, from a CSV."""
