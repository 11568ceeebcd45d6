"""The user's own module, M of it at once, by `torch.func.vmap`."""

import torch
from torch import nn
from torch.func import functional_call, vmap

from hpsearch.engine.precision import batched
from hpsearch.engine.stacked import Mask, Tensors
from hpsearch.nn.dropout import Dropout, set_step


class ForeignNetwork:
    """The forward pass of M modules that are built like `template`; dropout reads its bits from the state."""

    def __init__(self, template: nn.Module) -> None:
        self._template = template
        self.dropouts = {name: layer for name, layer in template.named_modules() if isinstance(layer, Dropout)}

    def __call__(self, state: Tensors, inputs: torch.Tensor, mask: Mask | None) -> torch.Tensor:
        """Outputs (M, C, B); see `StackedNetwork`.

        Raises:
            RuntimeError: From `vmap`, if the module does what cannot be batched: control flow that depends on numbers,
                or random layers other than dropout.
        """
        self._template.train(mask is not None)
        set_step(list(self.dropouts.values()), 0)  # the number of the pass starts anew; the step is in the state
        shared = len(inputs) == 1

        def one(own: Tensors, rows: torch.Tensor) -> torch.Tensor:
            with batched(rows.device):
                outputs: torch.Tensor = functional_call(self._template, own, (rows,))
            return outputs

        outputs: torch.Tensor = vmap(one, in_dims=(0, None if shared else 0), randomness="error")(
            state, inputs[0] if shared else inputs
        )
        return outputs.transpose(1, 2)
