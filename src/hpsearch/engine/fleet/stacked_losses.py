"""Losses of M members at once.

M members, C outputs, B rows of a minibatch; outputs are (M, C, B).
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch.func import vmap
from torch.nn import functional

from hpsearch.config.training import CustomLoss, Loss, SmoothedLoss
from hpsearch.engine.fleet.elementwise import binary_cross_entropy
from hpsearch.nn.losses import FORMULAS, loss_function, numbers_of, row_weights

StackedLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def stacked_loss(
    losses: Sequence[Loss], like: torch.Tensor, *, smooth: bool, weights: Sequence[np.ndarray | None]
) -> StackedLoss:
    """Return the function from outputs (M, C, B) and targets to the losses (M, B) of the rows.

    Targets are labels (M, B) or numbers (M, C, B); M may be 1 for targets shared by all members.

    Args:
        losses: Losses of the members: one kind, all with label smoothing or all without.
        like: A tensor of the type and device of the outputs.
        smooth: Whether to apply label smoothing.
        weights: Weights of the classes of each member, all (C,) or all None, see `losses.class_weights`.
    """
    given = [each for each in weights if each is not None]
    plain = _unweighted(losses, like, smooth=smooth)
    if not given:
        return plain
    weights_mc = torch.tensor(np.stack(given), dtype=like.dtype, device=like.device)

    def weighted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        of_members = targets.expand(len(outputs), *targets.shape[1:])
        return plain(outputs, targets) * row_weights(weights_mc, of_members)

    return weighted


def _unweighted(losses: Sequence[Loss], like: torch.Tensor, *, smooth: bool) -> StackedLoss:
    loss = losses[0]
    if isinstance(loss, CustomLoss):
        return _custom(loss)
    if not isinstance(loss, SmoothedLoss):
        return _with_numbers(losses, like)
    shares = [each.label_smoothing for each in losses if isinstance(each, SmoothedLoss)] if smooth else [0.0]
    smoothing = torch.tensor(shares, dtype=like.dtype, device=like.device).unsqueeze(1) if any(shares) else None
    if loss.kind == "cross_entropy":
        return lambda outputs, targets: _cross_entropy(outputs, targets, smoothing)
    return lambda outputs, targets: _binary_cross_entropy(outputs, targets, smoothing)


def hits(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return whether each row is classified correctly, (M, B) bool.

    Ties go to the first class, as in `predicted_classes`; an argmax along C would take a third of the time of a step of
    64-50-10 (one CPU thread).

    Args:
        outputs: Shape (M, C, B).
        labels: Shape (M, B) or (1, B).
    """
    if outputs.shape[1] == 1:
        return (outputs.squeeze(1) > 0) == (labels > 0)
    chosen = outputs.gather(1, labels.expand(len(outputs), -1).unsqueeze(1))  # (M, 1, B)
    earlier = torch.arange(outputs.shape[1], device=outputs.device).view(1, -1, 1) < labels.unsqueeze(1)
    return ~((outputs > chosen) | ((outputs == chosen) & earlier)).any(1)


def _cross_entropy(outputs: torch.Tensor, labels: torch.Tensor, smoothing: torch.Tensor | None) -> torch.Tensor:
    labels = labels.expand(len(outputs), -1)
    if smoothing is None:
        return functional.cross_entropy(outputs, labels, reduction="none")
    log_p = functional.log_softmax(outputs, 1)
    chosen = log_p.gather(1, labels.unsqueeze(1)).squeeze(1)
    return (smoothing - 1) * chosen - smoothing * log_p.mean(1)


def _binary_cross_entropy(outputs: torch.Tensor, targets: torch.Tensor, smoothing: torch.Tensor | None) -> torch.Tensor:
    if smoothing is not None:
        share = smoothing.unsqueeze(2)
        targets = targets * (1 - share) + share / 2
    return binary_cross_entropy(outputs, targets.expand_as(outputs)).mean(dim=1)


def _with_numbers(losses: Sequence[Loss], like: torch.Tensor) -> StackedLoss:
    """A formula of `losses.FORMULAS`, which reduce dimension 1, with the numbers (M, 1, 1) of the members."""
    kind = losses[0].kind
    numbers = {
        name: torch.tensor([getattr(each, name) for each in losses], dtype=like.dtype, device=like.device)
        for name in numbers_of(losses[0])
    }
    formula = partial(FORMULAS[kind], **{name: values.view(-1, 1, 1) for name, values in numbers.items()})
    if kind == "focal":
        formula = partial(formula, binary=binary_cross_entropy)

    def stacked(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = formula(outputs, targets.expand(len(outputs), *targets.shape[1:]))
        return rows

    return stacked


def _custom(loss: CustomLoss) -> StackedLoss:
    """Apply the user's function to the (B, C) outputs of each member by `vmap`."""
    function = loss_function(loss)

    def stacked(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        targets = targets.expand(len(outputs), *targets.shape[1:])
        rows = outputs.transpose(1, 2)
        rows_t = targets.transpose(1, 2) if targets.ndim == 3 else targets
        values: torch.Tensor = vmap(function)(rows, rows_t)
        return values

    return stacked
