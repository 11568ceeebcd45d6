"""Costs of a network that are known before it is trained."""

from hpsearch.config import Config, ConfigError
from hpsearch.config.search import Objective
from hpsearch.nn.flops import prediction_flops
from hpsearch.nn.models import parameter_count


def network_cost(objective: Objective, config: Config, input_shape: tuple[int, ...], outputs: int) -> float:
    """The number of trainable parameters of a network, or of operations of a prediction.

    Args:
        objective: Which of them.
        config: The configuration of the network.
        input_shape: Shape of one row: (D,), or (channels, height, width).
        outputs: Number of network outputs.

    Raises:
        ConfigError: If the model does not fit the inputs, or the operations of a user's own module are asked for.
    """
    count = parameter_count if objective is Objective.PARAMETERS else prediction_flops
    value = count(config, input_shape, outputs)
    if value is None:
        raise ConfigError(f"search: {objective} is not known of a module of your own: parameters are")
    return float(value)
