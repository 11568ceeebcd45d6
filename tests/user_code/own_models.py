"""Modules and losses as a user would write them."""

import random

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


class Normed(nn.Module):
    """Batch normalization and dropout."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.stack = nn.Sequential(
            nn.Linear(*input_shape, 12, bias=False),
            nn.BatchNorm1d(12, momentum=0.3),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(12, outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stack(x)


class Convolved(nn.Module):
    """Images, batch-normalized, with a skip connection."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.output = nn.Linear(3, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.first(x))
        return self.output((h + torch.tanh(self.norm(self.second(h)))).mean(dim=(2, 3)))


class Twice(nn.Module):
    """One dropout layer in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(5, 10), nn.Linear(10, 10), nn.Linear(10, 3)
        self.dropout = nn.Dropout(0.4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.dropout(torch.tanh(self.first(x)))
        return self.output(self.dropout(torch.tanh(self.second(h))))


class Reused(nn.Module):
    """One activation, in place, in two places; a layer whose output is no row a row, and one that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(5, 10), nn.Linear(10, 8), nn.Linear(8, 3)
        self.relu, self.tanh, self.scale = nn.ReLU(inplace=True), nn.Tanh(), nn.Linear(1, 1)
        self.second.requires_grad_(requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.relu(self.second(self.relu(self.first(x))))
        return self.output(self.tanh(h)) * self.scale(torch.ones(1))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.tanh(self.second(torch.tanh(self.first(x)))))


class Unused(nn.Module):
    """A layer that no output depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.output, self.spare = nn.Linear(5, 3), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(x)


class Frozen(nn.Module):
    """A first layer that is not to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.output = nn.Linear(5, 10), nn.Linear(10, 3)
        self.first.requires_grad_(requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.tanh(self.first(x)))


class RandomFeatures(nn.Module):
    """A random projection, drawn anew for every fit, in a buffer that is no part of the state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("projection", torch.randn(5, 10), persistent=False)
        self.output = nn.Linear(10, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.tanh(x @ self.projection))


class RunningMean(nn.Module):
    """A running statistic of the module's own, updated in place or by a new tensor."""

    def __init__(self, *, in_place: bool = True) -> None:
        super().__init__()
        self.in_place = in_place
        self.register_buffer("mean", torch.zeros(5))
        self.output = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and self.in_place:
            self.mean.mul_(0.9).add_(x.mean(dim=0), alpha=0.1)
        elif self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(dim=0)
        return self.output(x - self.mean)


class Forgetful(nn.Module):
    """A running statistic that the state dict does not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(5), persistent=False)
        self.output = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean.mul_(0.9).add_(x.mean(dim=0), alpha=0.1)
        return self.output(x - self.mean)


class Scalars(nn.Module):
    """A buffer and a parameter of a single number each."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(0.5))
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.output = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.factor * (x - self.shift))


class Branching(nn.Module):
    """Control flow that depends on numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.output(x)
        return 2 * h if h.sum() > 0 else h


class SpatialDropout(nn.Module):
    """A random layer that is not `nn.Dropout`, on images."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.dropout = nn.Conv2d(1, 4, 3), nn.Dropout2d(0.3)
        self.output = nn.Linear(144, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.dropout(self.convolution(x)).flatten(1))


class Bare(nn.Module):
    """An affine map whose weights belong to no layer."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.flatten, self.weight = nn.Flatten(), nn.Parameter(torch.randn(5, outputs) / 5**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.flatten(x) @ self.weight


class Listed(nn.Module):
    """Weights in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([torch.randn(5, 8) / 5**0.5, torch.randn(8, 3) / 8**0.5])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ self.weights[0]) @ self.weights[1]


class WeightNormed(nn.Module):
    """Every layer under weight normalization."""

    def __init__(self) -> None:
        super().__init__()
        weight_norm = nn.utils.parametrizations.weight_norm
        self.stack = nn.Sequential(weight_norm(nn.Linear(5, 8)), nn.ReLU(), weight_norm(nn.Linear(8, 3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stack(x)


class Token(nn.Module):
    """A weight beside the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.output = nn.Parameter(torch.ones(1, 5)), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(x + self.token)


class Unmeasurable(nn.Module):
    """Does not let its gradients be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and not self.training:
            raise RuntimeError("no gradients here")
        return self.output(x)


class Counting(nn.Module):
    """Learns something else from its fiftieth step on."""

    def __init__(self) -> None:
        super().__init__()
        self.output, self.schedule = nn.Linear(5, 3), {"steps": 0}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.schedule["steps"] += self.training
        return self.output(x) * (1.0 if self.schedule["steps"] < 50 else 0.5)


class Looking(nn.Module):
    """Keeps its last activations, and a generator that it does not use, for whoever wants to look at them."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.dropout, self.output = nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 3)
        self.seen, self.draw = None, random.Random(0)  # noqa: S311 - nothing secret

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.dropout(self.hidden(x)).detach()
        return self.output(torch.relu(self.dropout(self.hidden(x))))


class Misspelt(nn.Module):
    """Fails in training mode alone."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(x.bogus() if self.training else x)


class Focal(nn.Module):
    """Focal loss (Lin et al., 2017) with a weight for each class."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weight", torch.tensor([1.0, 2.0, 0.5]))

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        rows = nn.functional.cross_entropy(outputs, targets, reduction="none")
        return self.weight[targets] * (1 - torch.exp(-rows)) ** self.gamma * rows


class Learned(nn.Module):
    """A loss that wants to be trained itself."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.scale * nn.functional.cross_entropy(outputs, targets, reduction="none")


CLASS_WEIGHT = torch.tensor([1.0, 2.0, 0.5])


def weighted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross entropy with a weight for each class, in float32."""
    return nn.functional.cross_entropy(outputs, targets, weight=CLASS_WEIGHT, reduction="none")


def of_labels(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Takes labels for probabilities."""
    return nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")


def all_pairs(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Compares (B,) with (B, 1)."""
    return (outputs[:, 0] - targets[:, :1]).square().mean(dim=1)


def whole_mean(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One number."""
    return nn.functional.cross_entropy(outputs, targets)


def of_outputs(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One value an output."""
    return (outputs - targets).abs()


def branching_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The Brier score, doubled where it is large on average."""
    rows = brier(outputs, targets)
    return 2 * rows if rows.mean() > 0.5 else rows


def pinball(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The quantile loss at 0.7, mean over the targets."""
    error = targets - outputs
    return torch.maximum(0.7 * error, -0.3 * error).mean(dim=1)
