"""Chains get RadRScore; the factual ones are kept; two judges are set against each other.

Imports mine and judge; called by the command line, demo, benchmark and trainer.evaluate.
"""
