"""Studies become questions: by labels or by what reports name, balanced, the same for the same seed.

Imports mine and what lies under it; called by the command line, demo, benchmark and trainer.phantom.
"""
