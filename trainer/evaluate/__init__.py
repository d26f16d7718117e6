"""Evaluation: how right the answers and how good the reasoning of a model is, with what certainty.

Imports judge, imports, stats and reward; called by the command line.
"""
