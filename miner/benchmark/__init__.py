"""The benchmark: questions chosen to target sizes, written as Parquet with a manifest that a rebuild reproduces.

Imports ask, score and store; called by export, imports, predict, evaluate and the command line.
"""
