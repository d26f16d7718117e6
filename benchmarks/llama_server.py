"""Serve a GGUF file with llama.cpp on a free port of this machine; runs where xllamacpp is installed.

    python benchmarks/llama_server.py MODEL.gguf NAME

The first line of its output is the address. One slot: what all prompts share is then read once and not once a slot.
"""

import sys
import threading
from importlib import import_module
from typing import Any

CONTEXT = 8192


def main() -> None:
    model, name = sys.argv[1:]
    llama: Any = import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = model
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.n_parallel = 1
    params.n_ctx = CONTEXT
    # One thread: several wait for one another in loops, which costs a shared machine more than it brings.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.endpoint_metrics = True
    server = llama.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
