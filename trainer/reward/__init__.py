"""The rewards of a completion: format, accuracy, and the process reward by a judge.

Imports judge; called by trainer.train, trainer.evaluate and other trainers.
"""
