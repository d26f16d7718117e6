"""Mine 20 OpenI questions through llama.cpp's server with a tiny random model: a real server, real JSON, no sense.

    python benchmarks/integration.py [FOLDER]

Builds the server from the source inside the llama-cpp-python source distribution (cmake, a C++ compiler; about 8
minutes, once) in FOLDER (default: .integration), makes the model, serves it on a free port, and runs the command line.
LLAMA_SERVER and GGUF_PY name a server and its gguf-py folder that are there already. Exits with 1 unless every question
ends as a chain or a reject and the calls that the server answered are on record.
"""

import contextlib
import importlib
import os
import shutil
import socket
import string
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kit import SHARED, cxr, sql

SOURCE = "llama-cpp-python==0.3.36"
OFF = (
    "LLAMA_CURL",
    "LLAMA_OPENSSL",
    "LLAMA_BUILD_TESTS",
    "LLAMA_BUILD_EXAMPLES",
    "LLAMA_BUILD_UI",
    "LLAMA_BUILD_WEBUI",
)
QUESTIONS = 20
WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 2, 128, 32_768
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def server_and_gguf(folder: Path) -> tuple[Path, Path]:
    """Return the server's binary and the gguf package, built if they are not there."""
    if "LLAMA_SERVER" in os.environ:
        return Path(os.environ["LLAMA_SERVER"]), Path(os.environ["GGUF_PY"])
    folder.mkdir(parents=True, exist_ok=True)
    found = next(folder.glob("llama_cpp_python-*/vendor/llama.cpp"), None)
    if found is None:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
        subprocess.run([*pip, SOURCE, "-d", folder], check=True)
        with tarfile.open(next(folder.glob("llama_cpp_python-*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        found = next(folder.glob("llama_cpp_python-*/vendor/llama.cpp"))
    binary = found / "build" / "bin" / "llama-server"
    if not binary.exists():
        print("building llama-server, about 8 minutes", flush=True)
        flags = [f"-D{name}=OFF" for name in OFF]
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF", *flags]
        subprocess.run(["cmake", "-B", "build", *generator, *options], cwd=found, check=True)
        subprocess.run(["cmake", "--build", "build", "--target", "llama-server", "-j2"], cwd=found, check=True)
    return binary, found / "gguf-py"


@contextlib.contextmanager
def serving(binary: Path, model: Path) -> Iterator[str]:
    """Serve the model on a free port until the block ends; give the base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # One sign is one token here, so prompts with examples are long: 4 slots of 16,384.
    options = ["-c", "65536", "-np", "4", "-t", "2", "--alias", "tiny", "--jinja", "--no-webui"]
    with (model.parent / "server.log").open("wb") as log:
        process = subprocess.Popen([binary, "-m", model, "--port", str(port), *options], stdout=log, stderr=log)
        try:
            for _ in range(120):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                if process.poll() is not None:
                    raise SystemExit(f"llama-server ended at once; see {log.name}")
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait()


def write_model(out: Path, gguf: Any) -> None:
    """Write a random Qwen2 of half a megabyte as GGUF, one token per printable ASCII sign.

    Its sentences are noise. Under a JSON schema its replies are valid JSON, since every token is plain ASCII (a
    byte-level model with random weights emits invalid UTF-8).
    """
    # GPT-2's byte alphabet writes a blank as Ġ and a line end as Ċ.
    plain = [sign for sign in string.printable if sign.isprintable() and sign != " "] + ["\u0120", "\u010a"]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = plain + special
    writer = gguf.GGUFWriter(str(out), "qwen2")
    kinds = [gguf.TokenType.NORMAL] * len(plain) + [gguf.TokenType.CONTROL] * len(special)
    about = {
        "name": "tiny", "block_count": LAYERS, "context_length": CONTEXT, "embedding_length": WIDTH,
        "feed_forward_length": INNER, "head_count": HEADS, "head_count_kv": HEADS, "rope_freq_base": 10_000.0,
        "layer_norm_rms_eps": 1e-6, "file_type": gguf.LlamaFileType.ALL_F32, "tokenizer_model": "gpt2",
        "tokenizer_pre": "qwen2", "token_list": tokens, "token_types": [int(kind) for kind in kinds],
        "token_merges": ["e r"],  # never used: there is no token "er", but a list has to be there
        "eos_token_id": tokens.index("<|im_end|>"), "pad_token_id": tokens.index("<|endoftext|>"),
        "bos_token_id": tokens.index("<|endoftext|>"), "add_bos_token": False, "chat_template": TEMPLATE,
    }  # fmt: skip
    for name, value in about.items():
        getattr(writer, f"add_{name}")(value)
    for name, shape in _shapes(len(tokens)).items():
        writer.add_tensor(name, _values(name, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    square, wide, flat = (WIDTH, WIDTH), (vocabulary, WIDTH), (WIDTH,)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": wide, "output.weight": wide, "output_norm.weight": flat}
    block: dict[str, tuple[int, ...]] = {
        "attn_q.weight": square, "attn_q.bias": flat, "attn_k.weight": square, "attn_k.bias": flat,
        "attn_v.weight": square, "attn_v.bias": flat, "attn_output.weight": square, "ffn_up.weight": (INNER, WIDTH),
        "ffn_gate.weight": (INNER, WIDTH), "ffn_down.weight": (WIDTH, INNER), "attn_norm.weight": flat,
        "ffn_norm.weight": flat,
    }  # fmt: skip
    return shapes | {f"blk.{layer}.{name}": shape for layer in range(LAYERS) for name, shape in block.items()}


def _values(name: str, shape: tuple[int, ...]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    if "norm" in name or name.endswith("bias"):
        return np.full(shape, "norm" in name, dtype=np.float32)
    random = np.random.default_rng(abs(sum(map(ord, name))))
    return (random.standard_normal(shape) * 0.02).astype(np.float32)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".integration").resolve()
    openi = SHARED / "data" / "openi"
    if not openi.is_dir():
        raise SystemExit(f"needs the public OpenI reports in {openi}")
    binary, gguf_py = server_and_gguf(folder)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model = work / "tiny.gguf"
    sys.path.insert(0, str(gguf_py))  # comes with llama.cpp's source
    write_model(model, importlib.import_module("gguf"))
    cxr(work, "ingest", "openi", openi)
    cxr(work, "ask", "--balance", "none")
    with serving(binary, model) as url:
        options = ("--engine", "llm", "--model", "tiny", "--base-url", url, "--concurrency", 4, "--limit", QUESTIONS)
        # A random model says the same for ever at temperature 0; at 1 its strings end.
        done = cxr(work, "mine", *options, CXR_MINE_TEMPERATURE="1", CXR_MINE_MAX_COMPLETION_TOKENS="1000")
    print(done.err)
    calls = Counter(row["what"] for row in sql(work, "select coalesce(error, 'answered') as what from calls"))
    query = "select reason, count(*) as n from rejects where stage = 'mine' group by 1"
    rejects = {row["reason"]: row["n"] for row in sql(work, query)}
    chains = sql(work, "select count(*) as n from chains")[0]["n"]
    print(f"{QUESTIONS} questions in {done.wall_s:.0f} s: {chains} chains, rejects {rejects}, calls {dict(calls)}")
    if chains + sum(rejects.values()) != QUESTIONS or not calls["answered"]:
        raise SystemExit("not every question ended as a chain or a reject, or no call was answered")


if __name__ == "__main__":
    main()
