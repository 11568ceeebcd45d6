"""What theory says of the signals at initialization, beside which a report shows what was measured."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from hpsearch.analysis.propagation import Layer, forward_moments
from hpsearch.cli.stored_config import stored_config
from hpsearch.config import Config
from hpsearch.config.network import LsuvInit, MlpModel
from hpsearch.nn.deviations import weight_deviation
from hpsearch.search.gathered import Gathered


def signal_theory(found: Gathered, asked: Config) -> Mapping[str, list[float]]:
    """For each level, the second moment of every layer's output at initialization (S-23), hidden layers then logits.

    Levels are left out of which mean-field theory says nothing here: other networks than MLPs, batch normalization,
    weights that were scaled to the data.
    """
    specification = found.specification["specification"]
    theory = {}
    for level in specification.get("levels", ()):
        config = stored_config(level["config"], asked)
        moments = _moments(config, found.specification["data"])
        varied = {draw.partition(".")[0] for draw in level["draws"]} & {"init", "activation", "norm", "model"}
        if moments is not None and not varied:
            theory[str(level["name"])] = moments
    return theory


def _moments(config: Config, data: Mapping[str, Any]) -> list[float] | None:
    model = config.model
    if "input_second_moment" not in data or not isinstance(model, MlpModel) or config.norm.kind != "none":
        return None
    if config.init.bias or isinstance(config.init, LsuvInit):
        return None
    second, shape, outputs = (data[key] for key in ("input_second_moment", "input_shape", "outputs"))
    widths = [math.prod(shape), *model.hidden, outputs]
    layers = [
        Layer(n_in, n_out, weight_deviation(config.init, (n_out, n_in))) for n_in, n_out in itertools.pairwise(widths)
    ]
    shapes = {name: getattr(config.activation, name) for name in ("slope", "alpha") if hasattr(config.activation, name)}
    hidden = forward_moments(config.activation.kind, layers[:-1], second, **shapes)
    logits = forward_moments("identity", layers[-1:], hidden[-1] if len(hidden) else second)
    return [*hidden.tolist(), *logits.tolist()]
