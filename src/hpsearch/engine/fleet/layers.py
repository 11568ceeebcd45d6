"""Our own networks, M of them at once: every layer is one batched operation on stacked weights.

M members, B rows of a minibatch, C outputs, H units; rows come last, (M, H, B), so that a softmax over the classes has
its rows contiguous in memory. Between the blocks of a convolutional network a tensor is (B, M * channels, height,
width).

Each operation computes a member with the same instructions whatever stands beside it, so that on a CPU a member's bits
depend on the member alone. `vmap` over the module would do the same work; on one CPU thread, 64-50-10 with 320 members
takes 1.2 times as long, and twice as long with the softmax along the short side.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional

from hpsearch.config import Config
from hpsearch.config.model import Elu, LeakyRelu
from hpsearch.engine.fleet.elementwise import elu, leaky_relu, sigmoid
from hpsearch.engine.precision import batched
from hpsearch.nn.dropout import Dropout, set_step
from hpsearch.nn.models import Network, Step

Tensors = dict[str, torch.Tensor]

Mask = Callable[[Dropout, torch.Tensor], torch.Tensor]
"""Applies the dropout of one layer to its inputs (M, H, B)."""

ActivationObserver = Callable[[str, torch.Tensor], None]
"""Called with the name and the output of a layer."""

PARAMETER = "activation parameter"
"""Key of `state` for the slope or alpha (M,) of the members' activation."""


class StackedNetwork:
    """The forward pass of M networks that have the structure of `template`."""

    def __init__(self, template: Network) -> None:
        """Read the layers of the template.

        Args:
            template: A network of the same shapes; its own weights are not used.
        """
        self._convolutions = list(_layers("convolutions", template.convolutions))
        self._hidden = list(_layers("hidden", template.hidden))
        self._output = template.output
        self.dropouts = [layer for _, layer in self._hidden if isinstance(layer, Dropout)]

    def __call__(
        self, state: Tensors, inputs: torch.Tensor, mask: Mask | None, watch: ActivationObserver | None = None
    ) -> torch.Tensor:
        """Return the outputs of all members.

        Args:
            state: Weights and running statistics by name, each (M, *shape); in training mode the statistics are updated
                in place.
            inputs: Shape (M, B, *shape), or (1, B, *shape) shared by all members.
            mask: Applies dropout; None in evaluation mode.
            watch: Called with the output of each activation, and with the outputs.

        Returns:
            Shape (M, C, B).
        """
        members, training = len(state["output.weight"]), mask is not None
        if self._convolutions:
            features = self._convolve(state, inputs, members, watch, training=training)
        else:
            features = inputs.flatten(2).expand(members, -1, -1).transpose(1, 2)  # (M, D, B), a view
        for name, layer in self._hidden:
            if isinstance(layer, nn.Linear):
                features = _affine(state, name, features)
            elif isinstance(layer, nn.BatchNorm1d):
                features = _normalize(state, name, layer, features, training=training)
            elif isinstance(layer, Dropout):
                features = mask(layer, features) if mask is not None else features
            else:
                features = _activate(layer, features, state.get(PARAMETER), 1)
                if watch is not None:
                    watch(name, features)
        outputs = _affine(state, "output", features)
        if watch is not None:
            watch("output", outputs)
        return outputs

    def _convolve(
        self, state: Tensors, inputs: torch.Tensor, members: int, watch: ActivationObserver | None, *, training: bool
    ) -> torch.Tensor:
        """Return the flattened features (M, D, B) of the convolution blocks."""
        rows = inputs.shape[1]
        images = inputs.expand(members, *inputs.shape[1:]).transpose(0, 1).flatten(1, 2)  # (B, M * channels, …)
        for name, layer in self._convolutions:
            if isinstance(layer, nn.Conv2d):
                images = _convolution(layer, images, state[f"{name}.weight"], state.get(f"{name}.bias"))
            elif isinstance(layer, nn.BatchNorm2d):
                images = _normalize_images(state, name, layer, images, training=training)
            elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
                images = layer(images)
            else:
                images = _activate(layer, images, state.get(PARAMETER), images.shape[1] // members)
                if watch is not None:
                    watch(name, images)
        return images.reshape(rows, members, -1).permute(1, 2, 0)


def activation_parameters(configs: Sequence[Config], like: torch.Tensor) -> Tensors:
    """Return the slope or alpha (M,) of the members' activation as part of `state`; empty if it has none.

    Args:
        configs: Configurations of the M members, with one kind of activation.
        like: A tensor of the desired type and device.
    """
    activations = [config.activation for config in configs]
    numbers = [a.slope if isinstance(a, LeakyRelu) else a.alpha for a in activations if isinstance(a, LeakyRelu | Elu)]
    return {PARAMETER: torch.tensor(numbers, dtype=like.dtype, device=like.device)} if numbers else {}


def _layers(name: str, blocks: nn.Sequential) -> Iterator[tuple[str, nn.Module]]:
    for number, block in enumerate(blocks):
        for part, layer in block.named_children():
            yield f"{name}.{number}.{part}", layer


def _affine(state: Tensors, name: str, features: torch.Tensor) -> torch.Tensor:
    """Map (M, D, B) to (M, H, B)."""
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    if bias is None:
        return torch.bmm(weight, features)
    return torch.baddbmm(bias.unsqueeze(2), weight, features)


def _convolution(
    layer: nn.Conv2d, images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Map (B, M * channels, …) to (B, M * filters, …), with one convolution group per member.

    A convolution with a single group uses other kernels, with other bits, than one with several, so a single member is
    computed with a duplicate whose gradient is cut off.
    """
    members, filters = weight.shape[:2]
    if members == 1:
        images, weight = torch.cat([images, images.detach()], 1), torch.cat([weight, weight.detach()])
        bias = None if bias is None else torch.cat([bias, bias.detach()])
    maps = functional.conv2d(
        images,
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        layer.stride,
        layer.padding,
        groups=max(members, 2),
    )
    return maps[:, : members * filters].contiguous()  # the memory layout of wider fleets


def _normalize(
    state: Tensors, name: str, layer: nn.BatchNorm1d, features: torch.Tensor, *, training: bool
) -> torch.Tensor:
    """Apply batch normalization to (M, H, B) over the rows, as M * H channels of one image of B pixels."""
    members, units, rows = features.shape
    flat = features.reshape(1, members * units, rows)
    return _batch_norm(state, name, layer, flat, training=training).view(members, units, rows)


def _normalize_images(
    state: Tensors, name: str, layer: nn.BatchNorm2d, images: torch.Tensor, *, training: bool
) -> torch.Tensor:
    return _batch_norm(state, name, layer, images, training=training)


def _batch_norm(
    state: Tensors, name: str, layer: nn.BatchNorm1d | nn.BatchNorm2d, x: torch.Tensor, *, training: bool
) -> torch.Tensor:
    gamma, beta = state.get(f"{name}.weight"), state.get(f"{name}.bias")
    assert layer.momentum is not None
    if training:
        state[f"{name}.num_batches_tracked"].add_(1)
    return functional.batch_norm(
        x,
        state[f"{name}.running_mean"].view(-1),
        state[f"{name}.running_var"].view(-1),
        None if gamma is None else gamma.flatten(),
        None if beta is None else beta.flatten(),
        training,
        layer.momentum,
        layer.eps,
    )


def _activate(layer: nn.Module, x: torch.Tensor, parameter: torch.Tensor | None, channels: int) -> torch.Tensor:
    """Apply the activation, with the functions of `elementwise` where torch's bits depend on the position.

    Args:
        layer: The module of the template.
        x: Shape (M, H, B), or (B, M * channels, height, width).
        parameter: Shape (M,) slope or alpha, if the activation has one.
        channels: Channels of one member's image.
    """
    if isinstance(layer, nn.Sigmoid):
        return sigmoid(x)
    if isinstance(layer, nn.ELU | nn.LeakyReLU):
        assert parameter is not None, layer
        shape = (-1, 1, 1) if x.ndim == 3 else (1, -1, 1, 1)
        parameter = parameter.repeat_interleave(channels).view(shape)
        return elu(x, parameter) if isinstance(layer, nn.ELU) else leaky_relu(x, parameter)
    assert isinstance(layer, Step | nn.Identity | nn.Tanh | nn.ReLU), layer
    activated: torch.Tensor = layer(x)
    return activated


class VmapNetwork:
    """The forward pass of M modules that have the structure of `template`; dropout reads its bits from the state."""

    def __init__(self, template: nn.Module) -> None:
        self._template = template
        self.dropouts = {name: layer for name, layer in template.named_modules() if isinstance(layer, Dropout)}

    def __call__(self, state: Tensors, inputs: torch.Tensor, mask: Mask | None) -> torch.Tensor:
        """Return the outputs (M, C, B); see `StackedNetwork`.

        Raises:
            RuntimeError: From `vmap`, if the module cannot be batched: control flow that depends on values, or random
                layers other than dropout.
        """
        self._template.train(mask is not None)
        set_step(list(self.dropouts.values()), 0)  # restarts the count of passes; the step itself is in the state
        shared = len(inputs) == 1

        def forward(own: Tensors, rows: torch.Tensor) -> torch.Tensor:
            with batched(rows.device):
                outputs: torch.Tensor = functional_call(self._template, own, (rows,))
            return outputs

        outputs: torch.Tensor = vmap(forward, in_dims=(0, None if shared else 0), randomness="error")(
            state, inputs[0] if shared else inputs
        )
        return outputs.transpose(1, 2)
