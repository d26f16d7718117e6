"""Training and evaluation: SFT, then GRPO with a process reward, prediction and evaluation.

torch, transformers and TRL are the extra `cxr[train]`, and are imported by the modules here that need them only.
"""
