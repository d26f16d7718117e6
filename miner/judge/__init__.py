"""Judges: does the report support this finding, and does one list of findings hold another."""

from miner.judge.protocol import Judge

__all__ = ["Judge"]
