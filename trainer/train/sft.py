"""Stage 1: supervised fine-tuning on answers and reasoning (paper, section 5.2), by TRL's SFTTrainer."""

from pathlib import Path
from typing import Any

from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling, SFTTrainer

from cxr.trainer.train.exact import Exact
from cxr.trainer.train.pictures import decoded
from cxr.trainer.train.samples import LastBatch
from cxr.trainer.train.settings import SFTSettings
from cxr.trainer.train.trl_settings import common, lora

_COLUMNS = ["images", "prompt", "completion", "sample_id"]


class Collator(DataCollatorForVisionLanguageModeling):
    """TRL's collator, which also carries the sample ids, so that a loss that is NaN can name its samples."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the tensors of a batch, and its sample ids under `sample_ids`."""
        identities = [example["sample_id"] for example in examples]
        batch: dict[str, Any] = super().torch_call(examples)
        batch["sample_ids"] = identities
        return batch


class ExactSFTTrainer(Exact, SFTTrainer):
    """TRL's trainer, which tells `last_batch` what it works on."""

    _name = "SFT"
    last_batch: LastBatch | None = None

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns: Any = _COLUMNS

    def _prepare_inputs(self, inputs: Any) -> Any:
        identities = inputs.pop("sample_ids", ())
        if self.last_batch is not None:
            self.last_batch.saw(identities)
        return super()._prepare_inputs(inputs)


def sft_config(settings: SFTSettings, output: Path, accumulation: int, steps: int) -> SFTConfig:
    """Return TRL's configuration; the loss is taken on completions only, and nothing is cut off."""
    return SFTConfig(
        **{
            **common(settings, output, accumulation, steps),
            # TRL's default of 1,024 would cut image tokens; the checks before step 1 look at the lengths.
            "max_length": None,
            "completion_only_loss": True,
            **settings.trl,
        }
    )


def sft_trainer(model: Any, processor: Any, rows: Dataset, settings: SFTSettings, config: SFTConfig) -> ExactSFTTrainer:
    """Return a trainer that is ready for `train()`."""
    return ExactSFTTrainer(
        model=model,
        args=config,
        train_dataset=decoded(rows.select_columns(_COLUMNS), processor, settings.image_side, settings.image_cache),
        processing_class=processor,
        data_collator=Collator(processor=processor, completion_only_loss=True),
        peft_config=lora(settings),
    )
