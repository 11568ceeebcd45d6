"""When the signals of a training are measured, in both engines."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from hpsearch.data.scaling import fit_scaling
from hpsearch.engine.device_data import DeviceData, FitData, fit_data
from hpsearch.engine.filling import batch_sizes
from hpsearch.engine.signals import Probe, Statistics
from hpsearch.engine.start import initial_network
from hpsearch.records import Fit
from hpsearch.signals import Signals

STEPS = (0, 1, 10)
"""Steps after which signals are measured, within whichever epoch; the others come at the ends of epochs."""
STATISTICS = tuple(field.name for field in fields(Signals) if field.name not in ("steps", "epochs", "layers"))
Tensors = dict[str, torch.Tensor]


def probed(fit: Fit) -> bool:
    """Whether signals of this fit are recorded: of each trial those of one."""
    return fit.fold.index == 0 and fit.replicate == 0


class Watch:
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
