"""Networks by option: a single affine layer, MLP, CNN, or the user's own module."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from hpsearch.config import Config, ConfigError
from hpsearch.config.model import Activation, BatchNorm, CnnModel, CustomModel, Elu, LeakyRelu, MlpModel, Norm, Pooling
from hpsearch.nn.custom_model import build_custom
from hpsearch.nn.dropout import Dropout
from hpsearch.nn.initializers import initialize


class Step(nn.Module):
    """The step function: 1 for x > 0, otherwise 0. Its gradient is zero everywhere, so no layer below it learns."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the step of each element of `x` (any shape)."""
        # `sign` has derivative 0, so gradients exist and are zero; a comparison would cut the graph.
        return torch.sign(x).clamp(min=0.0)


def build_activation(activation: Activation) -> nn.Module:
    """Build the module of an activation; softmax is not among them, it belongs to the loss."""
    if isinstance(activation, LeakyRelu):
        return nn.LeakyReLU(activation.slope)
    if isinstance(activation, Elu):
        return nn.ELU(activation.alpha)
    plain: dict[str, type[nn.Module]] = {
        "step": Step,
        "identity": nn.Identity,
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
    }
    return plain[activation.kind]()


def build_norm(norm: BatchNorm, features: int, *, image: bool) -> nn.Module:
    """Build batch normalization (Ioffe & Szegedy, 2015) with gamma 1 and beta 0.

    Args:
        norm: Its options.
        features: Number of units or, for images, channels.
        image: Whether inputs are images (B, channels, height, width) rather than (B, features).
    """
    kind = nn.BatchNorm2d if image else nn.BatchNorm1d
    return kind(features, eps=norm.eps, momentum=norm.momentum, affine=norm.affine)


def needs_bias(norm: Norm) -> bool:
    """Return whether the layer next to `norm` keeps its own bias.

    The mean of batch normalization cancels a bias before it, and beta replaces it. The bias is left out for both
    placements, so that `before` and `after` differ only in placement and have equally many parameters.
    """
    return not (isinstance(norm, BatchNorm) and norm.affine)


class Network(nn.Module):
    """Convolution blocks, then hidden dense blocks, then one affine output layer; both lists may be empty.

    Names in the state dict: `convolutions.0.conv.weight`, `hidden.0.linear.weight`, `hidden.0.norm.bias`,
    `output.weight`, …
    """

    def __init__(self, convolutions: Sequence[nn.Module], hidden: Sequence[nn.Module], output: nn.Module) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*convolutions)
        self.hidden = nn.Sequential(*hidden)
        self.output = output

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (B, *shape) inputs to (B, C) outputs: logits, never probabilities."""
        features = self.convolutions(inputs).flatten(1)  # (B, D)
        outputs: torch.Tensor = self.output(self.hidden(features))
        return outputs


def build_network(config: Config, input_shape: tuple[int, ...], outputs: int, *, seed: int = 0) -> nn.Module:
    """Build the initialized network of a configuration, in float32 on the CPU.

    Args:
        config: The model and its options. A custom module sets its own activations, normalization, dropout and initial
            weights: `activation`, `init`, `norm` and `regularization.dropout` do not apply to it.
        input_shape: Shape of one row: (D,), or (channels, height, width).
        outputs: Number of outputs C.
        seed: `FitSeeds.init`.

    Raises:
        ConfigError: If the model does not fit the inputs, or the user's module cannot be used.
    """
    if isinstance(config.model, CustomModel):
        return build_custom(config.model, input_shape, outputs, seed)
    network = _layers(config, input_shape, outputs)
    initialize(network, config.init, seed)
    return network


def _layers(config: Config, input_shape: tuple[int, ...], outputs: int) -> Network:
    match config.model:
        case CnnModel():
            return _cnn(config, config.model, input_shape, outputs)
        case MlpModel():
            return _dense_network(config, [], torch.Size(input_shape).numel(), config.model.hidden, outputs)
        case _:
            return _dense_network(config, [], torch.Size(input_shape).numel(), [], outputs)


def parameter_count(config: Config, input_shape: tuple[int, ...], outputs: int) -> int:
    """The number of trainable parameters of the network of a configuration; arguments as of `build_network`."""
    own = isinstance(config.model, CustomModel)
    network = (build_network if own else _layers)(config, input_shape, outputs)
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _cnn(config: Config, model: CnnModel, input_shape: tuple[int, ...], outputs: int) -> Network:
    if len(input_shape) != 3:
        raise ConfigError(
            f"model.kind cnn must be given images (channels, height, width), got rows of shape {input_shape}: "
            "use model=mlp"
        )
    channels, *size = input_shape
    blocks = []
    for number, filters in enumerate(model.filters):
        blocks.append(_conv_block(config, model, channels, filters))
        channels, size = filters, [_remaining(model, length) for length in size]
        if min(size) < 1:
            raise ConfigError(
                f"model.filters, model.kernel, model.stride, model.padding and model.pool_size must leave at least one "
                f"pixel, got none of {input_shape[1]} x {input_shape[2]} after block {number + 1} of "
                f"{len(model.filters)}: use fewer filters, or a smaller kernel, stride or pool_size"
            )
    return _dense_network(config, blocks, channels * size[0] * size[1], model.dense, outputs)


def _dense_network(
    config: Config, convolutions: list[nn.Module], inputs: int, widths: list[int], outputs: int
) -> Network:
    hidden = [
        _dense_block(config, before, width) for before, width in zip([inputs, *widths[:-1]], widths, strict=False)
    ]
    output = nn.Linear(widths[-1] if widths else inputs, outputs, device="meta")
    return Network(convolutions, hidden, output.to_empty(device="cpu"))


def _dense_block(config: Config, inputs: int, width: int) -> nn.Module:
    """Build linear, [norm], activation, [norm], [dropout]."""
    # Through "meta", like torch's `skip_init`: weights that are overwritten must not advance the global generator.
    linear = nn.Linear(inputs, width, bias=needs_bias(config.norm), device="meta").to_empty(device="cpu")
    block = _activated(config, OrderedDict(linear=linear), width, image=False)
    if config.regularization.dropout > 0:
        block["dropout"] = Dropout(config.regularization.dropout)
    return nn.Sequential(block)


def _conv_block(config: Config, model: CnnModel, channels: int, filters: int) -> nn.Module:
    """Build convolution, [norm], activation, [norm], [pooling]; dropout applies to dense units only."""
    conv = nn.Conv2d(
        channels,
        filters,
        model.kernel,
        model.stride,
        _padding(model),
        bias=needs_bias(config.norm),
        device="meta",
    ).to_empty(device="cpu")
    block = _activated(config, OrderedDict(conv=conv), filters, image=True)
    if model.pool is Pooling.MAX:
        block["pool"] = nn.MaxPool2d(model.pool_size)
    elif model.pool is Pooling.AVERAGE:
        block["pool"] = nn.AvgPool2d(model.pool_size)
    return nn.Sequential(block)


def _activated(
    config: Config, block: "OrderedDict[str, nn.Module]", features: int, *, image: bool
) -> "OrderedDict[str, nn.Module]":
    if isinstance(config.norm, BatchNorm) and config.norm.kind == "before":
        block["norm"] = build_norm(config.norm, features, image=image)
    block["activation"] = build_activation(config.activation)
    if isinstance(config.norm, BatchNorm) and config.norm.kind == "after":
        block["norm"] = build_norm(config.norm, features, image=image)
    return block


def _padding(model: CnnModel) -> int:
    return model.kernel // 2 if model.padding is None else model.padding


def _remaining(model: CnnModel, length: int) -> int:
    """Return the pixels along one side after a block; 0 or less if the kernel or the pool does not fit."""
    length = (length + 2 * _padding(model) - model.kernel) // model.stride + 1
    if model.pool is not Pooling.NONE and length >= 1:
        length //= model.pool_size
    return length
