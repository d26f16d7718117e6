"""The commands of `cxr`, one module for each group; `cli.py` puts them together."""
