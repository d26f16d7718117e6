"""The commands of mining: each parses, calls one function and prints what came back.

Imports every room of the miner when a command runs; called by cli.py alone.
"""
