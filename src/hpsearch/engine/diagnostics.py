"""The signal statistics of networks: a forward and a backward pass of a few training rows, and sums over them.

S networks of one shape, B probe rows, H units of a layer, C outputs. What is measured of a network depends on its own
weights alone, on a CPU bit for bit. Of gradients, squares are summed in float64: small ones would vanish in float32.
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
from hpsearch.data.scaling import fit_scaling
from hpsearch.engine.device_data import DeviceData, FitData, fit_data, outputs_of
from hpsearch.engine.fleet.layers import StackedNetwork, activation_parameters
from hpsearch.engine.fleet.stacked_losses import stacked_loss
from hpsearch.engine.initial_network import initial_network, own_generator
from hpsearch.engine.minibatches import batch_sizes, probe_rows
from hpsearch.engine.precision import in_precision
from hpsearch.nn.import_path import described
from hpsearch.nn.losses import loss_function
from hpsearch.nn.models import Network, Step, build_network
from hpsearch.records import Fit, Signals

ROWS = 100
"""Most rows of a probe."""

PORTION = 32
"""Most networks that are measured at once: bounds the memory."""

RECTIFIERS = (nn.ReLU, nn.LeakyReLU, nn.ELU)

HOLDERS = (nn.ParameterList, nn.ParameterDict)
"""Modules that hold parameters for the one that they belong to, and are never called."""

NAMED = 3
"""Weights without signals that are named, at the most."""

Tensors = dict[str, torch.Tensor]

Statistics = dict[str, dict[str, float]]
"""By layer and by field of `Signals`; what a layer does not have is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What came out of a layer.

    Attributes:
        layer: Its name.
        weights: Names of its weights.
        activation: The module that it came from; None for an affine layer of ours.
        outputs: (S, H, B), or (B, S * channels, …) if `rows_first`.
        rows_first: Whether the rows come first.
    """

    layer: str
    weights: list[str]
    activation: nn.Module | None
    outputs: torch.Tensor
    rows_first: bool

    def units(self, values: torch.Tensor, members: int) -> torch.Tensor:
        """(S, H, B) from values in the shape of `outputs`, those in bfloat16 as float32."""
        values = values.detach().to(torch.promote_types(values.dtype, torch.float32))
        return values.reshape(len(values), members, -1).permute(1, 2, 0) if self.rows_first else values


class _OurNetworks:
    """Networks of ours, all at once: in float32, 64-50-10, a CPU thread measures 32 of them in the time of five."""

    portion = PORTION

    def __init__(self, template: Network, fit: Fit, device: torch.device) -> None:
        self._blocks: dict[str, tuple[str, nn.Module | None]] = {"output": ("output.weight", None)}
        for kind, part in (("convolutions", "conv"), ("hidden", "linear")):
            for number, block in enumerate(getattr(template, kind)):
                self._blocks[f"{kind}.{number}"] = (f"{kind}.{number}.{part}.weight", block.activation)
        self.trained = {weight for weight, _ in self._blocks.values()}
        self._forward = in_precision(StackedNetwork(template), fit.config.training.precision, device)

    def __call__(self, fits: Sequence[Fit], state: Tensors, inputs: torch.Tensor) -> tuple[torch.Tensor, list[_Seen]]:
        """Outputs (S, C, B) for inputs (B, *shape), and what came out of each layer; running statistics change."""
        seen: list[_Seen] = []

        def watch(name: str, outputs: torch.Tensor) -> None:
            layer = name.removesuffix(".activation")
            weight, activation = self._blocks[layer]
            seen.append(_Seen(layer, [weight], activation, outputs, outputs.ndim == 4))

        state = state | activation_parameters([fit.config for fit in fits], inputs)
        return self._forward(state, inputs.unsqueeze(0), _without_dropout, watch), seen


class _UsersModule:
    """A module of the user's own, one after the other, by hooks on its layers: not all of them can be batched."""

    portion = 1

    def __init__(self, template: nn.Module, fit: Fit, device: torch.device) -> None:
        self._device = device
        self._seen: list[_Seen] = []
        template.eval()  # nothing random, as far as the module knows
        for module in template.modules():
            module.train(isinstance(module, _BatchNorm))
        weights = {id(x): name for name, x in template.named_parameters() if x.ndim >= 2}  # of tied ones the first
        self.trained = {weights[id(x)] for x in template.parameters() if x.ndim >= 2 and x.requires_grad}
        for name, layer in _layers(template).items():
            own = list(dict.fromkeys(weights[id(x)] for x in layer.parameters() if x.ndim >= 2))
            layer.register_forward_hook(partial(self._note, name or "output", own))
        self._forward = in_precision(partial(functional_call, template), fit.config.training.precision, device)

    def __call__(self, fits: Sequence[Fit], state: Tensors, inputs: torch.Tensor) -> tuple[torch.Tensor, list[_Seen]]:
        """See `_OurNetworks`; S is 1."""
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
        return outputs.clone()  # what comes next may change it in place


class Probe:
    """Measures networks of one shape.

    Attributes:
        missing: What the last of them lacks and why, in one line; empty if nothing.
    """

    def __init__(self, fit: Fit, data: DeviceData, see: Callable[[Fit], FitData]) -> None:
        """Builds a network.

        Args:
            fit: Any one of the shape.
            data: The development set.
            see: The data as a fit sees them.
        """
        template = build_network(fit.config, data.input_shape, outputs_of(fit.config, data))
        template.to(data.device, data.dtype)
        kind = _OurNetworks if isinstance(template, Network) else _UsersModule
        self._networks: _OurNetworks | _UsersModule = kind(template, fit, data.device)  # type: ignore[arg-type]  # as its kind says
        self._device, self._see, self.missing = data.device, see, ""
        self._sides = {side for parameter in template.parameters() if parameter.ndim > 1 for side in parameter.shape}
        self._batches: dict[tuple[object, ...], tuple[torch.Tensor, torch.Tensor]] = {}

    def measure(self, fits: Sequence[Fit], after: Tensors, before: Tensors | None) -> list[Statistics | None]:
        """The statistics of each network; None where the user's own code cannot be measured, whatever it raises.

        Args:
            fits: Theirs, S of them.
            after: Parameters and buffers by name, (S, …).
            before: The same before the last step; None if there was none.
        """
        alike: dict[tuple[object, ...], list[int]] = {}
        for place, fit in enumerate(fits):
            alike.setdefault(_batch_key(fit), []).append(place)
        found: dict[int, Statistics | None] = {}
        for places in alike.values():
            for start in range(0, len(places), self._networks.portion):
                some = places[start : start + self._networks.portion]
                measured = self._try([fits[place] for place in some], some, after, before)
                found |= zip(some, measured, strict=False)
        return [found[place] for place in range(len(fits))]

    def _try(
        self, fits: list[Fit], places: list[int], after: Tensors, before: Tensors | None
    ) -> list[Statistics] | list[None]:
        """See `_portion`; a measurement never ends a training, unless for lack of memory, which fewer members need."""
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
        """Those of networks that see the same rows, at `places` of the states."""
        inputs, targets = self._batch(fits[0])
        if len(fits) == 1 and isinstance(self._networks, _OurNetworks) and 1 in {*self._sides, len(inputs)}:
            fits, places = fits * 2, places * 2  # see `members.lonely`
        state = _at(places, after)
        state |= {name: state[name].requires_grad_() for name in self._networks.trained}
        outputs, seen = self._networks(fits, state, inputs)
        objective = _losses(fits, outputs, targets).mean(1).sum()
        sources = [state[name] for name in sorted(self._networks.trained)]
        sources += [each.outputs for each in seen if each.outputs.requires_grad]
        grads = torch.autograd.grad(objective, sources, allow_unused=True) if sources else ()
        gradient = {id(source): grad for source, grad in zip(sources, grads, strict=True)}
        self.missing = self._unseen(state, gradient, seen)
        old = None if before is None else _at(places, before)
        return _listed([_sums(each, state, old, gradient, len(fits)) for each in seen], seen, len(inputs))

    def _unseen(self, state: Tensors, gradient: Mapping[int, torch.Tensor | None], seen: Sequence[_Seen]) -> str:
        """Which weights have a gradient, and belong to no layer that was measured; empty if there are none."""
        known = {name for each in seen for name in each.weights}
        unseen = [name for name in sorted(self._networks.trained - known) if gradient[id(state[name])] is not None]
        more = f" and {len(unseen) - NAMED} more" if len(unseen) > NAMED else ""
        return f"no layer that can be measured has {', '.join(unseen[:NAMED])}{more}" if unseen else ""

    def _batch(self, fit: Fit) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, *shape) scaled inputs and (B,) or (B, …) targets of a fit's probe rows."""
        key = _batch_key(fit)
        if key not in self._batches:
            seen, rows = self._see(fit), torch.as_tensor(probe_rows(fit)[:ROWS], device=self._device)
            self._batches[key] = seen.batch(rows), seen.targets[rows]
        return self._batches[key]


def _at(places: list[int], state: Tensors) -> Tensors:
    """(s, …) of those at these places; as views where they are neighbours: a copy takes as long as a norm."""
    first, stop = places[0], places[-1] + 1
    if places == list(range(first, stop)):
        return {name: x[first:stop] for name, x in state.items()}
    return {name: x[places] for name, x in state.items()}


def _batch_key(fit: Fit) -> tuple[object, ...]:
    """Equal for fits with the same probe rows; folds are drawn once per worker."""
    return id(fit.fold), fit.seeds.order, fit.config.data.normalize


def _without_dropout(_: nn.Module, features: torch.Tensor) -> torch.Tensor:
    return features


def _layers(template: nn.Module) -> dict[str, nn.Module]:
    """The modules of a user's module that are measured, by name: layers, and activations.

    A layer has parameters, and no part that has some; parametrizations, such as weight normalization, and `HOLDERS`
    are no parts.
    """
    held = {id(part) for module in template.modules() for holder in _held(module) for part in holder.modules()}
    found = {}
    for name, module in template.named_modules():
        parts = [child for child in module.children() if id(child) not in held]
        with_parameters = any(True for _ in module.parameters()) and not any(
            any(True for _ in x.parameters()) for x in parts
        )
        if id(module) not in held and (with_parameters or (not parts and _is_activation(module))):
            found[name] = module
    return found


def _held(module: nn.Module) -> list[nn.Module]:
    """Its children that are never called for themselves."""
    holders: list[nn.Module] = [child for child in module.children() if isinstance(child, HOLDERS)]
    if parametrize.is_parametrized(module):
        holders.append(module.get_submodule("parametrizations"))
    return holders


def _is_activation(module: nn.Module) -> bool:
    return isinstance(module, Step) or type(module).__module__ == "torch.nn.modules.activation"


def _losses(fits: Sequence[Fit], outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(S, B) losses of the outputs (S, C, B)."""
    losses = [fit.config.loss for fit in fits]
    if isinstance(losses[0], CustomLoss):  # one network after the other: not every user's function can be batched
        one = loss_function(losses[0])
        return torch.stack([one(own.T.contiguous(), targets) for own in outputs])
    rows_last = targets if targets.ndim == 1 else targets.T
    return stacked_loss(losses, outputs, smooth=True)(outputs, rows_last.unsqueeze(0))


@torch.no_grad()
def _sums(
    seen: _Seen, state: Tensors, old: Tensors | None, gradient: Mapping[int, torch.Tensor | None], members: int
) -> Tensors:
    """What `_finished` takes of one layer, (S,) each."""
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
    if known := [grad for grad in of_weights if grad is not None]:
        sums["gradient_norm"] = _norm(known, torch.float64)
    if seen.weights:
        sums["weight_norm"] = _norm([state[name] for name in seen.weights])
    if seen.weights and old is not None:
        change = [state[name] - old[name] for name in seen.weights]
        sums["update_ratio"] = _norm(change) / _norm([old[name] for name in seen.weights])
    return sums


def _norm(tensors: Sequence[torch.Tensor], dtype: torch.dtype | None = None) -> torch.Tensor:
    """(S,) Euclidean norm over all but the first dimension of all of them, summed in `dtype`."""
    norms = [torch.linalg.vector_norm(x.reshape(len(x), -1), dim=1, dtype=dtype) for x in tensors]
    return torch.stack(norms).square().sum(0).sqrt() if len(norms) > 1 else norms[0]


def _listed(layers: Sequence[Tensors], seen: Sequence[_Seen], rows: int) -> list[Statistics]:
    """By network, layer and field; copied from the device at once."""
    table = torch.stack([sums for layer in layers for sums in layer.values()]).T.tolist()  # in float64
    listed: list[Statistics] = []
    for numbers in map(iter, table):
        own = [{field: next(numbers) for field in layer} for layer in layers]
        values = [each.outputs.numel() // len(table) for each in seen]
        finished = [_finished(sums, n // rows, n) for sums, n in zip(own, values, strict=True)]
        listed.append({each.layer: statistics for each, statistics in zip(seen, finished, strict=True)})
    return listed


def _finished(sums: dict[str, float], units: int, values: int) -> dict[str, float]:
    """Fields of `Signals` from counts and norms of a layer with so many units, and values over all rows."""
    mean, sd = sums["activation_mean"], sums["activation_sd"] / math.sqrt(values)
    found = sums | {"activation_sd": sd, "activation_second_moment": mean * mean + sd * sd}
    divisors = {"dead": units, "saturated": values}
    found |= {name: sums[name] / n for name, n in divisors.items() if name in sums}
    if (norm := sums.get("gradient_second_moment")) is not None:
        found["gradient_second_moment"] = norm * norm / values
    return found


STEPS = (0, 1, 10)
"""Steps after which signals are measured, within whichever epoch; the others come at the ends of epochs."""

STATISTICS = tuple(field.name for field in fields(Signals) if field.name not in ("steps", "epochs", "layers"))


def probed(fit: Fit) -> bool:
    """Whether signals of this fit are recorded: of each trial those of one."""
    return fit.fold.index == 0 and fit.replicate == 0


class SweepListener:
    """The signals of those that are probed among fits of one shape, which train side by side."""

    def __init__(
        self,
        fits: Sequence[Fit],
        data: DeviceData,
        see: Callable[[Fit], FitData],
        read: Callable[[Sequence[int]], Tensors],
    ) -> None:
        """Measures nothing yet.

        Args:
            fits: By number.
            data: The development set.
            see: The data as a fit sees them.
            read: Copies of parameters and buffers by name, (S, …), of those at these places.
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
        """Goes on from these; a point that was there only because training stopped is dropped."""
        for number, points in self._points.items():
            if (known := signals[number]) is None:
                self._places.pop(number)  # it could not be measured
            else:
                kept = [place for place, step in enumerate(known.steps) if self._regular(step)]
                points["layers"] = list(known.layers)
                for name in ("steps", "epochs", *STATISTICS):
                    points[name] = [getattr(known, name)[place] for place in kept]

    def start(self, until: int) -> None:
        """Before the first step of a training that goes on up to this epoch at the most."""
        self._until = until
        self._measure(0, [number for number in self._places if not self._points[number]["steps"]])

    def before(self, step: int) -> None:
        """Before the step of this number, from 1: keeps the weights if it may lead to a point."""
        if self._places and (step in STEPS or (step % self._per_epoch == 0 and self._may_count(step))):
            self._before = self._read(list(self._places.values()))

    def after(self, step: int) -> None:
        """After that step."""
        if step in STEPS and step % self._per_epoch:
            self._measure(step, self._places)

    def end_epoch(self, epochs: int, ends: Mapping[int, bool]) -> None:
        """After so many epochs.

        Args:
            epochs: How many.
            ends: Of those who are well and still train, whether it was their last.
        """
        step = epochs * self._per_epoch
        due = self._regular(step)
        self._measure(step, [number for number in self._places if number in ends and (due or ends[number])])
        self._places = {number: place for number, place in self._places.items() if not ends.get(number, True)}

    def follow(self, numbers: Sequence[int]) -> None:
        """These are left, in their new places."""
        self._places = {number: place for place, number in enumerate(numbers) if number in self._places}

    def signals(self, number: int) -> Signals | None:
        """What was found out about a fit, up to where it could not be measured; None if that is nothing."""
        points = self._points.get(number)
        return Signals(**points) if points and points["layers"] else None

    def _regular(self, step: int) -> bool:
        """Whether there is a point after this step however long the training is."""
        epochs, rest = divmod(step, self._per_epoch)
        return step in STEPS or (rest == 0 and epochs.bit_count() == 1)

    def _may_count(self, step: int) -> bool:
        """Whether there may be a point after this step, the last one of an epoch."""
        return self._patient or self._regular(step) or step == self._until * self._per_epoch

    def _measure(self, step: int, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        if numbers:
            fits = [self._fits[number] for number in numbers]
            if self._probe is None:
                self._probe = Probe(fits[0], self._data, self._see)
            after = self._read([self._places[number] for number in numbers])
            for number, found in zip(numbers, self._probe.measure(fits, after, self._kept(numbers)), strict=True):
                if found:
                    self._add(self._points[number], step, found)
                else:
                    self._places.pop(number)
        self._before = None

    def _kept(self, numbers: Sequence[int]) -> Tensors | None:
        """Of these, what `before` kept."""
        if self._before is None or len(numbers) == len(self._places):
            return self._before
        at = {number: place for place, number in enumerate(self._places)}
        index = [at[number] for number in numbers]
        return {name: x[index] for name, x in self._before.items()}

    def _add(self, points: dict[str, list[Any]], step: int, found: Statistics) -> None:
        points["steps"].append(step)
        points["epochs"].append(step // self._per_epoch)
        points["layers"] = points["layers"] or list(found)
        for name in STATISTICS:
            points[name].append([found.get(layer, {}).get(name) for layer in points["layers"]])


def missing_signals(fit: Fit, data: DeviceData) -> str:
    """Which signals a fit of the user's own code will not have, and why, in one line; empty if it has all."""
    seen = fit_data(fit.config, data, fit_scaling(data.rows, fit.fold.train, fit.config.data.normalize))
    network = initial_network(fit, data, seen.outputs).to(data.device, data.dtype)
    probe = Probe(fit, data, lambda _: seen)
    probe.measure([fit], copied_state(network), None)
    return probe.missing


def copied_state(network: nn.Module) -> Tensors:
    """(1, …) parameters and buffers by name, those too that the state dict leaves out."""
    tensors = [*network.named_parameters(), *network.named_buffers()]
    return {name: tensor.detach().clone().unsqueeze(0) for name, tensor in tensors}


def _none() -> dict[str, list[Any]]:
    return {field.name: [] for field in fields(Signals)}
