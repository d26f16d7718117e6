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
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.NORMAL] * len(plain) + [gguf.TokenType.CONTROL] * len(special)
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges(["e r"])  # never used: there is no token "er", but a list has to be there
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE)
    for name, shape in _shapes(len(tokens)).items():
        writer.add_tensor(name, _values(name, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary, WIDTH),
        "output.weight": (vocabulary, WIDTH),
        "output_norm.weight": (WIDTH,),
    }
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v"):
            shapes[f"blk.{layer}.{name}.weight"] = (WIDTH, WIDTH)
            shapes[f"blk.{layer}.{name}.bias"] = (WIDTH,)
        shapes[f"blk.{layer}.attn_output.weight"] = (WIDTH, WIDTH)
        shapes[f"blk.{layer}.ffn_up.weight"] = shapes[f"blk.{layer}.ffn_gate.weight"] = (INNER, WIDTH)
        shapes[f"blk.{layer}.ffn_down.weight"] = (WIDTH, INNER)
        shapes[f"blk.{layer}.attn_norm.weight"] = shapes[f"blk.{layer}.ffn_norm.weight"] = (WIDTH,)
    return shapes


def _values(name: str, shape: tuple[int, ...]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    if "norm" in name:
        return np.ones(shape, dtype=np.float32)
    if name.endswith("bias"):
        return np.zeros(shape, dtype=np.float32)
    random = np.random.default_rng(abs(sum(map(ord, name))))
    return (random.standard_normal(shape) * 0.02).astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
