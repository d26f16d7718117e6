"""Write a random Qwen2 of half a megabyte as GGUF, one token per printable ASCII sign; for integration tests.

    PYTHONPATH=.../llama.cpp/gguf-py python benchmarks/tiny_gguf.py OUT.gguf

Its sentences are noise. Under a JSON schema its replies are valid JSON, since every token is plain ASCII (a byte-level
model with random weights emits invalid UTF-8).
"""

import string
import sys
from pathlib import Path

import gguf  # type: ignore[import-not-found, unused-ignore]  # comes with llama.cpp's source
import numpy as np

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 2, 128, 32_768
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def main(out: Path) -> None:
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
    if "norm" in name:
        return np.ones(shape, dtype=np.float32)
    if name.endswith("bias"):
        return np.zeros(shape, dtype=np.float32)
    random = np.random.default_rng(abs(sum(map(ord, name))))
    return (random.standard_normal(shape) * 0.02).astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
