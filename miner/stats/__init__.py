"""Statistics of arrays: agreement, bootstrap by row and by cluster, paired tests; nothing here knows a store.

Imports kit; called by score, report and trainer.evaluate.
"""
