"""Mine 20 OpenI questions through llama.cpp's server with a tiny random model: a real server, real JSON, no sense.

    python benchmarks/integration.py [FOLDER]

Builds the server from the source inside the llama-cpp-python source distribution (cmake, a C++ compiler; about 8
minutes, once) in FOLDER (default: .integration), makes the model, serves it on a free port, and runs the command line.
LLAMA_SERVER and GGUF_PY name a server and its gguf-py folder that are there already. Exits with 1 unless every question
ends as a chain or a reject and the calls that the server answered are on record.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.kit import ROOT, SHARED, cxr, sql

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
    maker = [sys.executable, str(ROOT / "benchmarks" / "tiny_gguf.py"), str(model)]
    subprocess.run(maker, env={**os.environ, "PYTHONPATH": str(gguf_py)}, check=True)
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
