"""SFT and GRPO on TRL: data, checks before step 1, launch, logs, curves, record, ablation.

Imports everything below; called by the command line alone.
"""
