"""What flows through a network while it trains, forward and back, as numbers: what a diagnosis is made from."""

import math
from dataclasses import dataclass

Rows = list[list[float | None]]
"""P points by L layers; None where a layer has no such number."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Statistics of the layers of one training at P points, on up to 100 of its training rows.

    Measured with the weights of the moment, without dropout, and with batch normalization by the statistics of these
    rows. The loss is that of the fit, mean over the rows, without penalties. A layer is a block of our own networks,
    `convolutions.0`, `hidden.1`, and `output`; of a user's module a call of a module that has parameters and no part
    that has some, or of an activation, by its name (`stack.0`; `relu#2` is the second call). Its units are the elements
    of one row of its output: for a convolution channels by positions, before pooling. Its weights are its parameters of
    two or more dimensions. Numbers may be infinite or NaN.

    Attributes:
        steps: Steps done before each point: 0, 1, 10, then those of 1, 2, 4, 8 … epochs and of the last one.
        epochs: Epochs completed at each point.
        layers: Names, in the order of the forward pass.
        activation_mean: Mean over units and rows of the layer's output after its activation; of `output`, the logits.
        activation_sd: Their standard deviation, by n.
        activation_second_moment: The mean of their squares.
        dead: Share of units that are exactly 0 on every row; of ReLU, leaky ReLU and ELU alone.
        saturated: Share of outputs below 0.01 or above 0.99 (sigmoid), or beyond 0.98 either way (tanh).
        gradient_norm: Euclidean norm of the gradient of the loss with respect to the weights.
        gradient_second_moment: Mean square of its gradient with respect to the layer's output.
        weight_norm: Euclidean norm of the weights.
        update_ratio: Norm of the change of the weights by the step that led to the point, over their norm before it;
            None at step 0.
    """

    steps: list[int]
    epochs: list[int]
    layers: list[str]
    activation_mean: Rows
    activation_sd: Rows
    activation_second_moment: Rows
    dead: Rows
    saturated: Rows
    gradient_norm: Rows
    gradient_second_moment: Rows
    weight_norm: Rows
    update_ratio: Rows

    def summary(self) -> dict[str, float]:
        """What is said of a trial: the largest shares at the last point, and how gradients begin.

        `signals/gradient_ratio` is the norm for the first layer with weights over that for the last one at
        initialization: far below 1 gradients vanish on their way back, far above they explode. What is not defined is
        left out.
        """
        summary = {}
        for name, rows in (("dead_units", self.dead), ("saturated", self.saturated)):
            if shares := [share for share in rows[-1] if share is not None]:
                summary[f"signals/{name}"] = max(shares)
        norms = [norm for norm in self.gradient_norm[0] if norm is not None]
        if len(norms) > 1 and norms[-1] != 0 and math.isfinite(norms[0] / norms[-1]):
            summary["signals/gradient_ratio"] = norms[0] / norms[-1]
        return summary
