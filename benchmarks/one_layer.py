"""Write a GGUF file with the first layer of another's alone: the same tokens and template, a fraction of the work.

    python benchmarks/one_layer.py MODEL.gguf OUT.gguf

Runs where gguf is installed. What such a model says is noise; how a server caches prompts does not depend on it.
"""

import re
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    model, out = sys.argv[1:]
    gguf: Any = import_module("gguf")
    read = gguf.GGUFReader(model)
    kind = read.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(out, kind)
    for name, told in read.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = 1 if name == f"{kind}.block_count" else told.contents()
        element = told.types[-1] if told.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, told.types[0], element)
    for tensor in read.tensors:
        if not re.match(r"blk\.[1-9]", tensor.name):
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
