"""Mutants of valid files against the readers: `make fuzz` for many, `tests/test_fuzz.py` for a few."""
