"""What a token is worth to GRPO: rewards of groups in, advantages out, for the whole completion or step by step.

    credit = "sequence"  every token of a completion has the completion's advantage (the paper's)
    credit = "step"      tokens of wrong sentences have their own

With step credit a completion has two totals. `wrong`, for the tokens of its wrong sentences, has a process reward of 0;
`others`, for all other tokens, has the process reward that the reasoning would earn without these sentences. Both are
taken less one mean and over one spread of the group:

    mean    = 1/n * sum over completions of (1 - share) * others + share * wrong
    spread  = root of 1/(n-1) * sum over completions of ((others - mean)^2 + (wrong - mean)^2) / 2

where the share is that of the completion's tokens in wrong sentences, so that a group's mean advantage stays 0. The
spread does not count by tokens: a single short wrong sentence would have an advantage without bound. So none is beyond
the root of 2 (n-1), where sequence credit's is within that of n-1. A group without a wrong sentence (share 0, both
totals the completion's own) gets what sequence credit gives it.
"""

from typing import NamedTuple

import torch

from cxr.trainer.train.settings import Scale

_TINY = 1e-4
"""Added to a spread, as TRL does."""
_EQUAL = 1e-6
"""Sums of rewards that differ by no more are equal."""


class Rewards(NamedTuple):
    """The rewards of all completions of a batch, whole groups one after another; NaN where a reward does not apply."""

    others: torch.Tensor
    """(completions, rewards): of the tokens outside of wrong sentences."""
    wrong: torch.Tensor
    """(completions, rewards): of the tokens of wrong sentences."""
    share: torch.Tensor
    """(completions,): the share of tokens in wrong sentences."""

    @classmethod
    def of_sequences(cls, rewards: torch.Tensor) -> "Rewards":
        """Return rewards, (completions, rewards), that are those of all tokens."""
        return cls(rewards, rewards, rewards.new_zeros(len(rewards)))

    @classmethod
    def of_steps(cls, rewards: torch.Tensor, process: int, share: torch.Tensor, without: torch.Tensor) -> "Rewards":
        """Return rewards whose process reward, in that column, is `without` for other tokens and 0 for wrong ones.

        `share` and `without`, (completions,), count where the share is above 0.
        """
        others, wrong, is_wrong = rewards.clone(), rewards.clone(), share > 0
        others[is_wrong, process] = without[is_wrong].to(rewards.dtype)
        wrong[is_wrong, process] = 0.0
        return cls(others, wrong, torch.where(is_wrong, share, 0.0))


def advantages(rewards: Rewards, weights: torch.Tensor, group: int, scale: Scale) -> torch.Tensor:
    """Return the advantages of other tokens and of those in wrong sentences, (completions, 2); 0 without any reward.

    `weights` are those of the rewards. Scales: `group` takes each total less its group's mean, over the group's spread;
    `batch` over the whole batch's; `none` over nothing; `normalize_then_sum` takes each reward so in its group before
    they are summed, and the sum so in the batch.
    """
    values, parts = _pairs(rewards), _parts(rewards)
    grouped, parts_grouped = values.view(-1, 2 * group, values.shape[-1]), parts.view(-1, 2 * group, 1)
    unscored = values.isnan().all(dim=-1)
    if scale == "normalize_then_sum":
        mean, spread = _mean_and_spread(grouped, parts_grouped, dim=1)
        each = ((grouped - mean) / (spread + _TINY)).view_as(values)
        total = (each * weights.to(values)).nansum(dim=-1).masked_fill(unscored, torch.nan)
        mean, spread = _mean_and_spread(total.view(-1), parts.view(-1), dim=0)
        return ((total - mean) / (spread + _TINY)).nan_to_num(nan=0.0).to(rewards.others.dtype)
    total = (values * weights.to(values)).nansum(dim=-1).masked_fill(unscored, torch.nan)
    mean, spread = _mean_and_spread(total.view(-1, 2 * group), parts.view(-1, 2 * group), dim=1)
    if scale == "batch":
        _, spread = _mean_and_spread(total.view(-1), parts.view(-1), dim=0)
    less = total.view(-1, 2 * group) - mean
    found = less if scale == "none" else less / (spread + _TINY)
    return found.view_as(total).nan_to_num(nan=0.0).to(rewards.others.dtype)


def equal_groups(rewards: Rewards, weights: torch.Tensor, group: int, scale: Scale) -> list[bool]:
    """Return for each group whether nothing in it is better than anything else, so that it has nothing to teach.

    Sums of rewards are compared; with `normalize_then_sum` each reward that has a weight.
    """
    values, is_there = _pairs(rewards), _parts(rewards) > 0
    weighted = values * weights.to(values)
    if scale != "normalize_then_sum":
        unscored = values.isnan().all(dim=-1, keepdim=True)
        weighted = weighted.nansum(dim=-1, keepdim=True).masked_fill(unscored, torch.nan)
    known = ~weighted.isnan() & is_there[..., None]
    grouped = (-1, 2 * group, weighted.shape[-1])
    most = weighted.masked_fill(~known, -torch.inf).view(grouped).amax(dim=1)
    least = weighted.masked_fill(~known, torch.inf).view(grouped).amin(dim=1)
    return [bool(equal) for equal in ((most - least) <= _EQUAL).all(dim=-1)]


def with_group_means(rewards: torch.Tensor, group: int) -> tuple[torch.Tensor, list[int]]:
    """Return rewards of (completions, rewards) whose NaN are the mean of their group, and how many each reward had.

    A reward that applies to nothing in a group stays NaN there.
    """
    grouped = rewards.view(-1, group, rewards.shape[-1])
    full = torch.where(grouped.isnan(), grouped.nanmean(dim=1, keepdim=True), grouped).view_as(rewards)
    return full, (rewards.isnan() & ~full.isnan()).sum(dim=0).tolist()


def _pairs(rewards: Rewards) -> torch.Tensor:
    """Return what both kinds of tokens earned: (completions, 2, rewards)."""
    return torch.stack([rewards.others, rewards.wrong], dim=1).double()


def _parts(rewards: Rewards) -> torch.Tensor:
    """Return the shares of both kinds of tokens: (completions, 2)."""
    return torch.stack([1 - rewards.share, rewards.share], dim=1).double()


def _mean_and_spread(values: torch.Tensor, parts: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean of pairs of values that count by their part, and their spread around it, halves of a pair alike.

    NaN count for nothing.
    """
    known = ~values.isnan()
    mean = (parts * values.nan_to_num()).sum(dim=dim, keepdim=True) / (parts * known).sum(dim=dim, keepdim=True)
    squares = (values - mean).nan_to_num().square().sum(dim=dim, keepdim=True) / 2
    count = known.sum(dim=dim, keepdim=True) / 2
    return mean, (squares / (count - 1).clamp(min=1)).sqrt()
