"""The rewards of a completion, behind a door: format, accuracy, the process reward by any judge, and anybody's own.

Imports judge; called by trainer.train, trainer.evaluate and other trainers (TRL, verl).
"""
