"""Right and wrong modules and losses of a user."""

import torch
from torch import nn


class Flat(nn.Module):
    """As it should be."""

    def __init__(self, hidden: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.stack = nn.Sequential(nn.Flatten(), nn.Linear(6, hidden), nn.BatchNorm1d(hidden), nn.Dropout(0.5),
                                   nn.Linear(hidden, classes))  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stack(x)


def no_module() -> str:
    return "not a module"


def rows(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs - targets).abs().amax(dim=1)


def scalar(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs - targets).square().mean()


number = 3


class Asking(nn.Module):
    """Wants to know what it is for."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.stack = nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(input_shape).numel(), outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stack(x)
