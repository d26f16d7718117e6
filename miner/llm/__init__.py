"""One model server: settings, policy, pace, budget, cache, ledger, typed replies, batches, what was spent.

Imports kit and store; called by mine, judge, score and trainer.predict.
"""
