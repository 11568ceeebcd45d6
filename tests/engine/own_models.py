"""Modules and losses as a user would write them."""

import torch
from torch import nn


class Noisy(nn.Module):
    """Random layers that are not `nn.Dropout`."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 12)
        self.output = nn.Linear(12, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = nn.functional.rrelu(self.linear(x), training=self.training)
        return self.output(h + 0.1 * torch.randn_like(h) if self.training else h)


class Plain(nn.Module):
    """Our own MLP, written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stack(x)


def brier(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Squared error of the class probabilities."""
    one_hot = nn.functional.one_hot(targets, outputs.shape[1])
    return (outputs.softmax(dim=1) - one_hot).square().sum(dim=1)
