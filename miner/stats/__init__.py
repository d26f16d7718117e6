"""Agreement, intervals and paired tests, as functions of arrays; nothing here knows a store.

Imports kit; called by score, report and trainer.evaluate.
"""
