"""Running a model over a benchmark: a local checkpoint, or any server that speaks the OpenAI protocol."""
