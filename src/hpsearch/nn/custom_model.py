"""The user's own module: imported, checked and initialized reproducibly."""

import torch
from torch import nn

from hpsearch.config import ConfigError
from hpsearch.config.model import CustomModel
from hpsearch.import_path import build_named, described
from hpsearch.nn.dropout import replace_dropout


def build_custom(model: CustomModel, input_shape: tuple[int, ...], outputs: int, seed: int) -> nn.Module:
    """Build the user's module with its own initialization, seeded per fit, and with our dropout.

    The class is called with `model.kwargs`, plus `input_shape` and `outputs` if its signature has them.

    Args:
        model: Import path and keyword arguments of the class.
        input_shape: Shape of one row.
        outputs: Number of outputs C that the loss and the data require.
        seed: `FitSeeds.init`.

    Raises:
        ConfigError: If the class cannot be imported or called, is not a module, or does not map (B, *shape) to (B, C).
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # CPU only: `torch.manual_seed` would reseed every device
        offered = {"input_shape": input_shape, "outputs": outputs}
        network = build_named("model", model.import_path, model.kwargs, offered)
        if not isinstance(network, nn.Module):
            kind = type(network).__name__
            raise ConfigError(f"model.import_path must name a torch.nn.Module, got {model.import_path!r}, a {kind}")
        replace_dropout(network)
        _check_shape(model, network, input_shape, outputs)
    return network


def _check_shape(model: CustomModel, network: nn.Module, input_shape: tuple[int, ...], outputs: int) -> None:
    network.eval()  # the probe must not change running statistics
    probe = torch.zeros(2, *input_shape)
    try:
        with torch.no_grad():
            produced = network(probe)
    except Exception as error:
        raise ConfigError(
            f"model.import_path {model.import_path} must take inputs of shape {('B', *input_shape)}, got: "
            f"{described(error)}"
        ) from error
    shape = tuple(produced.shape) if isinstance(produced, torch.Tensor) else type(produced).__name__
    if shape != (2, outputs):
        raise ConfigError(
            f"model.import_path {model.import_path} must return (B, {outputs}) outputs for inputs (B, "
            f"{', '.join(map(str, input_shape))}), got {shape} for B = 2"
        )
    network.train()
