"""The training room is empty for now: `cxr` mines, scores and filters chains, and does not train a model yet."""
