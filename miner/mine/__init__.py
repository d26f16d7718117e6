"""Questions become plan, evidence and chain, by an engine; batches, estimates, and how a chain is shown.

Imports judge, language, llm and store; called by ask, score, demo and the command line.
"""
