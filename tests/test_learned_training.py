"""Training of the encoder, on a random one that is made here: nothing is fetched and nothing installed."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from cxr.miner.kit.errors import InputError
from cxr.miner.language.lexicon import load_lexicon
from cxr.trainer.learned import training
from cxr.trainer.learned.encoder import Rows
from cxr.trainer.learned.examples import Example
from cxr.trainer.learned.judge import RulesAndEncoder
from cxr.trainer.learned.namer import FILE, load_namer

SENTENCES = (
    Example("A dark gap lies beside the ribs.", "pneumothorax"),
    Example("The gap beside the ribs is black.", "pneumothorax"),
    Example("Water gathers at the foot of the lung.", "pleural_effusion"),
    Example("The foot of the lung stands in water.", "pleural_effusion"),
    Example("The film was taken on the ward.", None),
    Example("A nurse was told of it.", None),
)
NAMES = (Example("pneumothorax", "pneumothorax"), Example("effusion", "pleural_effusion"))

LABELED = [concept.id for concept in load_lexicon().concepts.values() if concept.label is not None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder with a vocabulary of the sentences here."""
    folder = tmp_path_factory.mktemp("base")
    words = sorted({word for each in (*SENTENCES, *NAMES) for word in each.words.lower().replace(".", " .").split()})
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]) + "\n")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words) + 5, hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizer(vocab=str(vocabulary)).save_pretrained(folder)
    return folder


@pytest.fixture
def small(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "base_folder", lambda: base)
    monkeypatch.setattr(training, "descriptions", lambda: list(SENTENCES))
    monkeypatch.setattr(training, "phrases", lambda _seed: list(NAMES))
    monkeypatch.setattr(training, "BATCH", 4)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_an_encoder_is_trained_the_same_for_a_seed_written_without_pickle_and_loaded_again(tmp_path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    first = training.train_encoder(tmp_path / "one", seed=3, advance=lambda at, of: steps.append((at, of)))
    again = training.train_encoder(tmp_path / "two", seed=3)
    other = training.train_encoder(tmp_path / "three", seed=4)
    untrained = training.train_encoder(tmp_path / "four", seed=3, epochs=0)
    assert first == again
    assert len({first.version, other.version, untrained.version}) == 3
    assert steps[-1][0] == steps[-1][1] == len(steps) > 0
    kinds = {file.suffix for file in (tmp_path / "one").iterdir()}
    assert kinds <= {".json", ".safetensors", ".txt"}
    said = json.loads((tmp_path / "one" / FILE).read_text())
    assert [SENTENCES[0].words, "pneumothorax"] in said["examples"]
    namer = load_namer(tmp_path / "one").anew(0.99)
    named = namer.name(SENTENCES[2].words)
    assert named is not None
    assert (named.concept, round(named.similarity, 3)) == ("pleural_effusion", 1.0)
    assert namer.name(SENTENCES[4].words) is None
    assert RulesAndEncoder(load_namer(tmp_path / "one")).version.startswith(first.version)


@pytest.mark.usefixtures("small")
def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not empty; give a new folder for the encoder"):
        training.train_encoder(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


class Line:
    """A text is a number; texts are as similar as their numbers are to those of the examples."""

    def embed(self, texts: Sequence[str]) -> Rows:
        return np.array([[float(text)] for text in texts], np.float32)


def test_the_least_similarity_is_the_lowest_at_which_little_is_granted_falsely(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [Example("1", "pneumothorax")]
    right = [Example(words, "pneumothorax") for words in ("0.9", "0.8", "0.6")]
    wrong = [Example("0.7", "nodule"), Example("0.5", None)]
    monkeypatch.setattr(training, "MOST_FALSE", 1.2 / (5 * len(LABELED)))
    assert training._least_similarity(Line(), known, [*right, *wrong]) == (0.6, 4, 3)
    monkeypatch.setattr(training, "MOST_FALSE", 0)
    assert training._least_similarity(Line(), known, [*right, *wrong]) == (0.8, 2, 2)
    assert training._least_similarity(Line(), known, wrong) == (1.0, 0, 0)
