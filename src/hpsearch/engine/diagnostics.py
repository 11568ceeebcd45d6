"""Training diagnostics: statistics of activations, gradients and weights, measured on a few training rows.

S networks of one shape, B probe rows, H units of a layer, C outputs. A measurement is one forward and one backward
pass. The statistics of a network depend on its own weights alone, on a CPU bit for bit. Squared gradients are summed in
float64: small ones would underflow in float32.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from hpsearch.config.training import CustomLoss
from hpsearch.data.dataset import Rows
from hpsearch.engine.device_data import DeviceData, FitData, fit_data, outputs_of
from hpsearch.engine.fleet.layers import StackedNetwork, activation_parameters
from hpsearch.engine.fleet.stacked_losses import stacked_loss
from hpsearch.engine.initial_network import initial_network, own_generator
from hpsearch.engine.minibatches import batch_sizes, probe_rows
from hpsearch.engine.precision import in_precision
from hpsearch.import_path import described
from hpsearch.nn.losses import class_weights, loss_function
from hpsearch.nn.models import Network, Step, build_network
from hpsearch.records import Fit, Signals

ROWS = 100
"""Maximum number of probe rows."""

PORTION = 32
"""Maximum number of networks measured at once; bounds the memory."""

RECTIFIERS = (nn.ReLU, nn.LeakyReLU, nn.ELU)

HOLDERS = (nn.ParameterList, nn.ParameterDict)
"""Modules that only hold parameters of their parent, and are never called."""

NAMED = 3
"""Maximum number of unmeasured weights named in a message."""

Tensors = dict[str, torch.Tensor]

Statistics = dict[str, dict[str, float]]
"""Values by layer and by field of `Signals`; fields that a layer does not have are missing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The recorded output of a layer.

    Attributes:
        layer: Name of the layer.
        weights: Names of its weights.
        activation: The module that produced the output; None for an affine layer of our networks.
        outputs: Shape (S, H, B), or (B, S * channels, …) if `rows_first`.
        rows_first: Whether the rows come first.
    """

    layer: str
    weights: list[str]
    activation: nn.Module | None
    outputs: torch.Tensor
    rows_first: bool

    def units(self, values: torch.Tensor, members: int) -> torch.Tensor:
        """Reshape values that have the shape of `outputs` to (S, H, B), with bfloat16 widened to float32."""
        values = values.detach().to(torch.promote_types(values.dtype, torch.float32))
        return values.reshape(len(values), members, -1).permute(1, 2, 0) if self.rows_first else values


class _OurNetworks:
    """Measures our networks as one batch: 32 of 64-50-10 take as long as five one by one (float32, one CPU thread)."""

    portion = PORTION

    def __init__(self, template: Network, fit: Fit, device: torch.device) -> None:
        self._blocks: dict[str, tuple[str, nn.Module | None]] = {"output": ("output.weight", None)}
        for kind, part in (("convolutions", "conv"), ("hidden", "linear")):
            for number, block in enumerate(getattr(template, kind)):
                self._blocks[f"{kind}.{number}"] = (f"{kind}.{number}.{part}.weight", block.activation)
        self.trained = {weight for weight, _ in self._blocks.values()}
        self._forward = in_precision(StackedNetwork(template), fit.config.training.precision, device)

    def __call__(self, fits: Sequence[Fit], state: Tensors, inputs: torch.Tensor) -> tuple[torch.Tensor, list[_Seen]]:
        """Return outputs (S, C, B) for inputs (B, *shape), and the output of each layer; updates running statistics."""
        seen: list[_Seen] = []

        def watch(name: str, outputs: torch.Tensor) -> None:
            layer = name.removesuffix(".activation")
            weight, activation = self._blocks[layer]
            seen.append(_Seen(layer, [weight], activation, outputs, outputs.ndim == 4))

        state = state | activation_parameters([fit.config for fit in fits], inputs)
        return self._forward(state, inputs.unsqueeze(0), _without_dropout, watch), seen


class _UsersModule:
    """Measures the user's modules one by one, with hooks on their layers, since not every module can be batched."""

    portion = 1

    def __init__(self, template: nn.Module, fit: Fit, device: torch.device) -> None:
        self._device = device
        self._seen: list[_Seen] = []
        template.eval()  # turns off dropout; batch normalization is put back in training mode below
        for module in template.modules():
            module.train(isinstance(module, _BatchNorm))
        weights = {id(x): name for name, x in template.named_parameters() if x.ndim >= 2}  # tied weights: first name
        self.trained = {weights[id(x)] for x in template.parameters() if x.ndim >= 2 and x.requires_grad}
        for name, layer in _layers(template).items():
            own = list(dict.fromkeys(weights[id(x)] for x in layer.parameters() if x.ndim >= 2))
            layer.register_forward_hook(partial(self._note, name or "output", own))
        self._forward = in_precision(partial(functional_call, template), fit.config.training.precision, device)

    def __call__(self, fits: Sequence[Fit], state: Tensors, inputs: torch.Tensor) -> tuple[torch.Tensor, list[_Seen]]:
        """See `_OurNetworks.__call__`; S is 1."""
        self._seen, self._rows, self._calls = [], len(inputs), Counter[str]()
        with own_generator(fits[0].seeds.dropout, self._device):
            outputs = self._forward({name: x[0] for name, x in state.items()}, (inputs,))
        return outputs.T.unsqueeze(0), self._seen

    def _note(self, name: str, weights: list[str], module: nn.Module, _: Any, outputs: Any) -> torch.Tensor | None:
        if not isinstance(outputs, torch.Tensor) or outputs.shape[:1] != (self._rows,):
            return None
        if not outputs.numel() or not outputs.is_floating_point():
            return None
        self._calls[name] += 1
        name = name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"
        self._seen.append(_Seen(name, weights, module, outputs, rows_first=True))
        return outputs.clone()  # the next layer may change it in place


class Probe:
    """Measures the statistics of networks of one shape.

    Attributes:
        missing: Why the last measurement lacks statistics, in one line; empty if it has all.
    """

    def __init__(self, fit: Fit, data: DeviceData, see: Callable[[Fit], FitData]) -> None:
        """Build a template network.

        Args:
            fit: Any fit of this shape.
            data: The development set.
            see: Returns the data scaled for a fit.
        """
        template = build_network(fit.config, data.input_shape(fit), outputs_of(fit.config, data))
        template.to(data.device, data.dtype)
        kind = _OurNetworks if isinstance(template, Network) else _UsersModule
        self._networks: _OurNetworks | _UsersModule = kind(template, fit, data.device)  # type: ignore[arg-type]  # as its kind says
        self._device, self._see, self.missing = data.device, see, ""
        self._rows = data.rows
        self._sides = {side for parameter in template.parameters() if parameter.ndim > 1 for side in parameter.shape}
        self._batches: dict[tuple[object, ...], tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]] = {}

    def measure(self, fits: Sequence[Fit], after: Tensors, before: Tensors | None) -> list[Statistics | None]:
        """Return the statistics of each network; None where the user's code raises an exception.

        Args:
            fits: The fits of the S networks.
            after: Parameters and buffers by name, each (S, …).
            before: The same before the last step; None if there was none.
        """
        by_batch: dict[tuple[object, ...], list[int]] = {}
        for place, fit in enumerate(fits):
            by_batch.setdefault(_batch_key(fit), []).append(place)
        statistics: dict[int, Statistics | None] = {}
        for places in by_batch.values():
            for start in range(0, len(places), self._networks.portion):
                chunk = places[start : start + self._networks.portion]
                measured = self._try([fits[place] for place in chunk], chunk, after, before)
                statistics |= zip(chunk, measured, strict=False)
        return [statistics[place] for place in range(len(fits))]

    def _try(
        self, fits: list[Fit], places: list[int], after: Tensors, before: Tensors | None
    ) -> list[Statistics] | list[None]:
        """Call `_portion`; errors in the user's code are recorded in `missing`, but lack of memory is raised."""
        try:
            return self._portion(fits, places, after, before)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if not fits[0].config.own_code:
                raise
            self.missing = f"measuring them fails: {described(error)}"
            return [None] * len(fits)

    def _portion(self, fits: list[Fit], places: list[int], after: Tensors, before: Tensors | None) -> list[Statistics]:
        """Return the statistics of networks that see the same rows, at `places` of the states."""
        inputs, targets, weights = self._batch(fits[0])
        if len(fits) == 1 and isinstance(self._networks, _OurNetworks) and 1 in {*self._sides, len(inputs)}:
            fits, places = fits * 2, places * 2  # see `networks.needs_duplicate`
        state = _at(places, after)
        state |= {name: state[name].requires_grad_() for name in self._networks.trained}
        outputs, seen = self._networks(fits, state, inputs)
        losses = _losses(fits, outputs, targets, self._rows)
        objective = (losses if weights is None else losses * weights).mean(1).sum()
        sources = [state[name] for name in sorted(self._networks.trained)]
        sources += [each.outputs for each in seen if each.outputs.requires_grad]
        grads = torch.autograd.grad(objective, sources, allow_unused=True) if sources else ()
        gradient = {id(source): grad for source, grad in zip(sources, grads, strict=True)}
        self.missing = self._unseen(state, gradient, seen)
        old = None if before is None else _at(places, before)
        return _listed([_sums(each, state, old, gradient, len(fits)) for each in seen], seen, len(inputs))

    def _unseen(self, state: Tensors, gradient: Mapping[int, torch.Tensor | None], seen: Sequence[_Seen]) -> str:
        """Describe the weights that have a gradient but belong to no measured layer; empty if there are none."""
        measured = {name for each in seen for name in each.weights}
        unseen = [name for name in sorted(self._networks.trained - measured) if gradient[id(state[name])] is not None]
        more = f" and {len(unseen) - NAMED} more" if len(unseen) > NAMED else ""
        return f"no layer that can be measured has {', '.join(unseen[:NAMED])}{more}" if unseen else ""

    def _batch(self, fit: Fit) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return (B, *shape) scaled inputs, (B,) or (B, …) targets and (B,) weights of a fit's probe rows."""
        key = _batch_key(fit)
        if key not in self._batches:
            seen, rows = self._see(fit), torch.as_tensor(probe_rows(fit)[:ROWS], device=self._device)
            weights = None if seen.weights is None else seen.weights[rows]
            self._batches[key] = seen.batch(rows), seen.targets[rows], weights
        return self._batches[key]


def _at(places: list[int], state: Tensors) -> Tensors:
    """Return the tensors (s, …) at these places; adjacent places as views, since a copy takes as long as a norm."""
    first, stop = places[0], places[-1] + 1
    if places == list(range(first, stop)):
        return {name: x[first:stop] for name, x in state.items()}
    return {name: x[places] for name, x in state.items()}


def _batch_key(fit: Fit) -> tuple[object, ...]:
    """Return a key that is equal for fits with the same probe rows; folds are drawn once per worker."""
    return id(fit.fold), fit.seeds.order, repr(fit.config.preprocess)


def _without_dropout(_: nn.Module, features: torch.Tensor) -> torch.Tensor:
    return features


def _layers(template: nn.Module) -> dict[str, nn.Module]:
    """Return the layers and activations of a user's module that are measured, by name.

    A layer is a module that has parameters and no child with parameters; parametrizations, such as weight
    normalization, and `HOLDERS` do not count as children.
    """
    held = {id(part) for module in template.modules() for holder in _held(module) for part in holder.modules()}
    layers = {}
    for name, module in template.named_modules():
        parts = [child for child in module.children() if id(child) not in held]
        with_parameters = any(True for _ in module.parameters()) and not any(
            any(True for _ in x.parameters()) for x in parts
        )
        if id(module) not in held and (with_parameters or (not parts and _is_activation(module))):
            layers[name] = module
    return layers


def _held(module: nn.Module) -> list[nn.Module]:
    """Return the children that are never called themselves."""
    holders: list[nn.Module] = [child for child in module.children() if isinstance(child, HOLDERS)]
    if parametrize.is_parametrized(module):
        holders.append(module.get_submodule("parametrizations"))
    return holders


def _is_activation(module: nn.Module) -> bool:
    return isinstance(module, Step) or type(module).__module__ == "torch.nn.modules.activation"


def _losses(fits: Sequence[Fit], outputs: torch.Tensor, targets: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Return the losses (S, B) of the outputs (S, C, B)."""
    losses = [fit.config.loss for fit in fits]
    if isinstance(losses[0], CustomLoss):  # one by one: not every function of a user can be batched
        function = loss_function(losses[0])
        return torch.stack([function(own.T.contiguous(), targets) for own in outputs])
    rows_last = targets if targets.ndim == 1 else targets.T
    weights = [class_weights(fit.config.loss, rows, fit.fold.train) for fit in fits]
    return stacked_loss(losses, outputs, smooth=True, weights=weights)(outputs, rows_last.unsqueeze(0))


@torch.no_grad()
def _sums(
    seen: _Seen, state: Tensors, old: Tensors | None, gradient: Mapping[int, torch.Tensor | None], members: int
) -> Tensors:
    """Return the counts and norms of one layer that `_finished` takes, (S,) each."""
    units = seen.units(seen.outputs, members)
    values = units.reshape(members, -1)
    mean = values.mean(1)
    sums = {"activation_mean": mean, "activation_sd": _norm([values - mean.unsqueeze(1)])}
    if isinstance(seen.activation, RECTIFIERS):
        sums["dead"] = (units.abs().sum(2) == 0).sum(1)
    elif isinstance(seen.activation, nn.Sigmoid):
        sums["saturated"] = ((values < 0.01) | (values > 0.99)).sum(1)
    elif isinstance(seen.activation, nn.Tanh):
        sums["saturated"] = (values.abs() > 0.98).sum(1)
    if (of_outputs := gradient.get(id(seen.outputs))) is not None:
        sums["gradient_second_moment"] = _norm([seen.units(of_outputs, members)], torch.float64)
    of_weights = [gradient.get(id(state[name])) for name in seen.weights]
    if grads := [grad for grad in of_weights if grad is not None]:
        sums["gradient_norm"] = _norm(grads, torch.float64)
    if seen.weights:
        sums["weight_norm"] = _norm([state[name] for name in seen.weights])
    if seen.weights and old is not None:
        change = [state[name] - old[name] for name in seen.weights]
        sums["update_ratio"] = _norm(change) / _norm([old[name] for name in seen.weights])
    return sums


def _norm(tensors: Sequence[torch.Tensor], dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return the Euclidean norm (S,) over all but the first dimension of all tensors, summed in `dtype`."""
    norms = [torch.linalg.vector_norm(x.reshape(len(x), -1), dim=1, dtype=dtype) for x in tensors]
    return torch.stack(norms).square().sum(0).sqrt() if len(norms) > 1 else norms[0]


def _listed(layers: Sequence[Tensors], seen: Sequence[_Seen], rows: int) -> list[Statistics]:
    """Return the statistics of each network by layer and field, with a single copy from the device."""
    table = torch.stack([sums for layer in layers for sums in layer.values()]).T.tolist()  # in float64
    listed: list[Statistics] = []
    for numbers in map(iter, table):
        own = [{field: next(numbers) for field in layer} for layer in layers]
        values = [each.outputs.numel() // len(table) for each in seen]
        finished = [_finished(sums, n // rows, n) for sums, n in zip(own, values, strict=True)]
        listed.append({each.layer: statistics for each, statistics in zip(seen, finished, strict=True)})
    return listed


def _finished(sums: dict[str, float], units: int, values: int) -> dict[str, float]:
    """Compute fields of `Signals` from counts and norms of a layer with `units` units and `values` outputs in all."""
    mean, sd = sums["activation_mean"], sums["activation_sd"] / math.sqrt(values)
    statistics = sums | {"activation_sd": sd, "activation_second_moment": mean * mean + sd * sd}
    divisors = {"dead": units, "saturated": values}
    statistics |= {name: sums[name] / n for name, n in divisors.items() if name in sums}
    if (norm := sums.get("gradient_second_moment")) is not None:
        statistics["gradient_second_moment"] = norm * norm / values
    return statistics


STEPS = (0, 1, 10)
"""Steps after which diagnostics are recorded even within an epoch; all other records are at ends of epochs."""

STATISTICS = tuple(field.name for field in fields(Signals) if field.name not in ("steps", "epochs", "layers"))


def probed(fit: Fit) -> bool:
    """Return whether diagnostics of this fit are recorded: only one fit per trial is."""
    return fit.fold.index == 0 and fit.replicate == 0


class DiagnosticsRecorder:
    """Records diagnostics of the probed fits among fits of one shape that train side by side.

    Raises no exception for the user's code: from the step at which it cannot be measured, a fit has no further records.
    """

    def __init__(
        self,
        fits: Sequence[Fit],
        data: DeviceData,
        see: Callable[[Fit], FitData],
        read: Callable[[Sequence[int]], Tensors],
    ) -> None:
        """Prepare to record; nothing is measured yet.

        Args:
            fits: All fits; their index is the `number` in other methods.
            data: The development set.
            see: Returns the data scaled for a fit.
            read: Returns copies of the parameters and buffers by name, each (S, …), of the networks at these places.
        """
        self._fits = {number: fit for number, fit in enumerate(fits) if probed(fit)}
        self._places = {number: number for number in self._fits}  # of those that still train
        self._points: dict[int, dict[str, list[Any]]] = {number: _none() for number in self._fits}
        self._data, self._see, self._read = data, see, read
        self._per_epoch = len(batch_sizes(len(fits[0].fold.train), fits[0].config.training.batch_size)) if fits else 1
        self._patient = bool(fits) and fits[0].config.training.patience is not None
        self._probe: Probe | None = None
        self._before: Tensors | None = None

    def resume(self, signals: Sequence[Signals | None]) -> None:
        """Continue from earlier records; a record made only because the training paused is dropped.

        Args:
            signals: Records of each fit; None for a fit that could not be measured.
        """
        for number, points in self._points.items():
            if (earlier := signals[number]) is None:
                self._places.pop(number)  # could not be measured
            else:
                regular = [place for place, step in enumerate(earlier.steps) if self._regular(step)]
                points["layers"] = list(earlier.layers)
                for name in ("steps", "epochs", *STATISTICS):
                    points[name] = [getattr(earlier, name)[place] for place in regular]

    def start(self, until: int) -> None:
        """Record the initial networks of a training that runs up to epoch `until`, counted from 1."""
        self._until = until
        self._measure(0, [number for number in self._places if not self._points[number]["steps"]])

    def before(self, step: int) -> None:
        """Prepare for step `step`, counted from 1: copy the weights if a record may follow it."""
        if self._places and (step in STEPS or (step % self._per_epoch == 0 and self._may_count(step))):
            self._before = self._read(list(self._places.values()))

    def after(self, step: int) -> None:
        """Record after step `step`, if one is due within an epoch."""
        if step in STEPS and step % self._per_epoch:
            self._measure(step, self._places)

    def end_epoch(self, epochs: int, ends: Mapping[int, bool]) -> None:
        """Record at the end of an epoch, if one is due.

        Args:
            epochs: Number of finished epochs.
            ends: By number of each fit that still trains and has not diverged, whether this was its last epoch.
        """
        step = epochs * self._per_epoch
        due = self._regular(step)
        self._measure(step, [number for number in self._places if number in ends and (due or ends[number])])
        self._places = {number: place for number, place in self._places.items() if not ends.get(number, True)}

    def follow(self, numbers: Sequence[int]) -> None:
        """Continue with the fits of these numbers only, at their new places."""
        self._places = {number: place for place, number in enumerate(numbers) if number in self._places}

    def signals(self, number: int) -> Signals | None:
        """Return the records of a fit, up to where it could not be measured; None if there are none."""
        points = self._points.get(number)
        return Signals(**points) if points and points["layers"] else None

    def _regular(self, step: int) -> bool:
        """Return whether a record is due after this step whatever the length of the training."""
        epochs, rest = divmod(step, self._per_epoch)
        return step in STEPS or (rest == 0 and epochs.bit_count() == 1)

    def _may_count(self, step: int) -> bool:
        """Return whether a record may be due after this step, the last of an epoch."""
        return self._patient or self._regular(step) or step == self._until * self._per_epoch

    def _measure(self, step: int, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        if numbers:
            fits = [self._fits[number] for number in numbers]
            if self._probe is None:
                self._probe = Probe(fits[0], self._data, self._see)
            after = self._read([self._places[number] for number in numbers])
            for number, statistics in zip(numbers, self._probe.measure(fits, after, self._kept(numbers)), strict=True):
                if statistics:
                    self._add(self._points[number], step, statistics)
                else:
                    self._places.pop(number)
        self._before = None

    def _kept(self, numbers: Sequence[int]) -> Tensors | None:
        """Return what `before` copied of these fits."""
        if self._before is None or len(numbers) == len(self._places):
            return self._before
        at = {number: place for place, number in enumerate(self._places)}
        index = [at[number] for number in numbers]
        return {name: x[index] for name, x in self._before.items()}

    def _add(self, points: dict[str, list[Any]], step: int, statistics: Statistics) -> None:
        points["steps"].append(step)
        points["epochs"].append(step // self._per_epoch)
        points["layers"] = points["layers"] or list(statistics)
        for name in STATISTICS:
            points[name].append([statistics.get(layer, {}).get(name) for layer in points["layers"]])


def missing_signals(fit: Fit, data: DeviceData) -> str:
    """Say which diagnostics a fit of the user's code will lack, and why, in one line; empty if it has all."""
    seen = fit_data(fit, data)
    network = initial_network(fit, data, seen.outputs).to(data.device, data.dtype)
    probe = Probe(fit, data, lambda _: seen)
    probe.measure([fit], copied_state(network), None)
    return probe.missing


def copied_state(network: nn.Module) -> Tensors:
    """Return copies (1, …) of all parameters and buffers by name, including those not in the state dict."""
    tensors = [*network.named_parameters(), *network.named_buffers()]
    return {name: tensor.detach().clone().unsqueeze(0) for name, tensor in tensors}


def _none() -> dict[str, list[Any]]:
    return {field.name: [] for field in fields(Signals)}
