"""What GRPO does with groups beyond TRL: those that teach nothing are answered again, and tokens are paid by steps.

TRL generates, rewards and normalizes in one long method. It calls `_generate` and `_calculate_rewards`, which are
overridden here, and what it gives back holds the advantages: of (completions,), or, as its loss takes as well, of
(completions, tokens). Both shapes go through its buffers and shuffling alike.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from cxr.trainer.reward.rewards import text_of
from cxr.trainer.reward.steps import Steps
from cxr.trainer.train.advantages import Rewards, advantages, equal_groups, with_group_means
from cxr.trainer.train.settings import Scale
from cxr.trainer.train.tokens import tokens_within


@dataclass
class GroupPlan:
    """What a run wants of its groups."""

    resample: int = 0
    """How often a group whose rewards are all equal is answered again."""
    process: str | None = None
    """The name of the reward that is paid by steps, with step credit."""
    steps: Callable[[], Sequence[Steps | None]] = tuple
    """Gives the wrong sentences of each completion that this process rewarded last."""
    told: Callable[[Sequence[float], Sequence[float | None]], None] = lambda _others, _wrong: None
    """Is told the advantages that are used of this process's completions: of other tokens, and of wrong sentences."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many groups there were so far (`groups`), were answered again, and had equal rewards in the end."""


class Groups:
    """Mixed into TRL's GRPOTrainer, before it."""

    plan: GroupPlan
    _inputs: Sequence[dict[str, Any]]
    _given: torch.Tensor
    _judged: torch.Tensor | None
    """The rewards of what is kept, where it was judged before TRL asks for them."""
    _rewards: Rewards
    _marked: Sequence[Sequence[bool] | None]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        trainer: Any = self
        self._inputs, self._judged = inputs, None
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        equal = self._equal()
        metrics = trainer._metrics["train" if trainer.model.training else "eval"]
        metrics["frac_reward_zero_std"][-1] = sum(equal) / len(equal)  # TRL's is the batch's, with some scales
        others: torch.Tensor = output["advantages"]
        wrong: list[float | None] = [None] * len(inputs)
        if self.plan.process is not None:
            first = self._first(len(inputs))
            both = advantages(self._rewards, trainer.reward_weights, self._group(), self._scale())
            both = both[first : first + len(inputs)]
            others = both[:, 0]
            wrong = [
                value if marked is not None and any(marked) else None
                for value, marked in zip(both[:, 1].tolist(), self._marked, strict=True)
            ]
            output["advantages"] = by_token(both, self._marked, output["completion_ids"].size(1))
            metrics["credit/wrong_tokens"].append(float(self._rewards.share.mean()))
            metrics["credit/wrong_completions"].append(float((self._rewards.share > 0).float().mean()))
        if trainer.model.training:
            self.plan.counts.update({"groups": len(equal), "equal": sum(equal)})
            self.plan.told(others.tolist(), wrong)
        return output

    def _generate(self, prompts: list[Any]) -> Any:
        made = super()._generate(prompts)  # type: ignore[misc]
        trainer: Any = self
        if self.plan.resample and trainer.model.training:
            self._answer_again(prompts, made)
        return made

    def _answer_again(self, prompts: list[Any], made: Sequence[Any]) -> None:
        """Replace the completions of equal groups within what was generated, as often as the plan says.

        What is judged is the whole batch each time, so that all that rewards log is of what is kept.
        """
        trainer: Any = self
        again: set[int] = set()
        equal = self._judge(prompts, made)
        for _ in range(self.plan.resample):
            if not any(equal):
                break
            again |= {group for group, is_equal in enumerate(equal) if is_equal}
            self._regenerate(prompts, made, equal)
            equal = self._judge(prompts, made)
        self._judged = self._given
        self.plan.counts["resampled"] += len(again)
        trainer._metrics["train"]["groups/resampled"].append(len(again) / len(equal))

    def _judge(self, prompts: list[Any], made: Sequence[Any]) -> list[bool]:
        """Reward what was generated; return which groups are equal, the same in every process."""
        trainer: Any = self
        trainer._pending_metrics.clear()
        trainer._pending_extra_logs.clear()
        _, ids, _, completions, *_ = made
        self._given = self._calculate_rewards(self._inputs, prompts, completions, ids)
        return self._equal()

    def _regenerate(self, prompts: list[Any], made: Sequence[Any], equal: Sequence[bool]) -> None:
        """Generate equal groups anew, in their places within what was generated."""
        trainer: Any = self
        group, first, metrics = self._group(), self._first(len(prompts)), trainer._metrics["train"]
        rows = rows_again(equal, group, len(prompts), trainer.accelerator.process_index)
        logged = {name: len(values) for name, values in metrics.items()}
        anew = super()._generate([prompts[row] for row in rows])  # type: ignore[misc]
        for name, count in logged.items():  # lengths are told of whole batches alone
            del metrics[name][count:]
        for part in (1, 3, 4):  # ids, completions, and what vLLM says of each token
            if made[part] is not None:
                for row, value in zip(rows, anew[part], strict=True):
                    if equal[(first + row) // group]:
                        made[part][row] = value

    def _calculate_rewards(
        self, inputs: Sequence[dict[str, Any]], prompts: Sequence[Any], completions: Sequence[Any], ids: Any
    ) -> torch.Tensor:
        """Return the rewards of all processes' completions; one that could not be judged gets its group's mean.

        TRL would count it as 0, the worst of its group.
        """
        if self._judged is not None:
            return self._judged
        trainer: Any = self
        given = super()._calculate_rewards(inputs, prompts, completions, ids)  # type: ignore[misc]
        rewards, filled = with_group_means(given, self._group())
        for name, count in zip(trainer.reward_func_names, filled, strict=True):
            if count:
                trainer._log_metric(f"rewards/{name}/filled", count)
        self._rewards = self._by_steps(rewards, completions, ids)
        return rewards

    def _by_steps(self, rewards: torch.Tensor, completions: Sequence[Any], ids: Sequence[Sequence[int]]) -> Rewards:
        """Return what all processes' tokens earned; keep which of this process's stand in wrong sentences."""
        if self.plan.process is None:
            return Rewards.of_sequences(rewards)
        trainer: Any = self
        steps = self.plan.steps()
        self._marked = [
            None if told is None else tokens_within(told.spans, text_of(text), written, self._decode)
            for told, text, written in zip(steps, completions, ids, strict=True)
        ]
        shares = [0.0 if marked is None else sum(marked) / len(marked) for marked in self._marked]
        without = [0.0 if told is None else told.without for told in steps]
        both = trainer.accelerator.gather(torch.tensor([shares, without], device=rewards.device).T.contiguous())
        return Rewards.of_steps(rewards, trainer.reward_func_names.index(self.plan.process), both[:, 0], both[:, 1])

    def _decode(self, ids: Sequence[int]) -> str:
        trainer: Any = self
        text: str = trainer.processing_class.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def _equal(self) -> list[bool]:
        trainer: Any = self
        return equal_groups(self._rewards, trainer.reward_weights, self._group(), self._scale())

    def _group(self) -> int:
        trainer: Any = self
        return int(trainer.num_generations if trainer.model.training else trainer.num_generations_eval)

    def _scale(self) -> Scale:
        trainer: Any = self
        summed = trainer.multi_objective_aggregation == "sum_then_normalize"
        scale: Scale = trainer.scale_rewards if summed else "normalize_then_sum"
        return scale

    def _first(self, rows: int) -> int:
        """Return where this process's completions begin among those of all."""
        trainer: Any = self
        return int(trainer.accelerator.process_index) * rows


def by_token(values: torch.Tensor, marked: Sequence[Sequence[bool] | None], length: int) -> torch.Tensor:
    """Return advantages of (completions, tokens): the first value of a completion, its second where it is marked."""
    is_wrong = torch.tensor([[*(of or ()), *[False] * (length - len(of or ()))] for of in marked], device=values.device)
    return torch.where(is_wrong, values[:, 1:], values[:, :1])


def rows_again(equal: Sequence[bool], group: int, rows: int, process: int) -> list[int]:
    """Return which of a process's rows are generated again, where groups are equal: as many in every process.

    Those are whole groups, as vLLM's server wants them, and beside the equal ones as many others as another process
    has more. Where groups lie across processes they are all rows.
    """
    if not any(equal) or rows % group:
        return list(range(rows)) if any(equal) else []
    here = rows // group
    of_processes = [equal[start : start + here] for start in range(0, len(equal), here)]
    own = of_processes[process]
    wanted = sorted(range(here), key=lambda at: not own[at])[: max(map(sum, of_processes))]
    return [at * group + row for at in sorted(wanted) for row in range(group)]
