"""Evaluation: how right the answers and how good the reasoning of a model is, with what certainty."""
