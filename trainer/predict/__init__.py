"""Running a model over a benchmark: a local checkpoint, or any server that speaks the OpenAI protocol.

Imports llm, images, export, imports and models; called by the command line.
"""
