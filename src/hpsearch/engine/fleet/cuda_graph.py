"""Record a step once and replay it: on a GPU, launching a step's hundred kernels takes longer than running them.

Everything that changes from step to step lies in tensors at fixed addresses: weights, optimizer state, counters, and
the copies made here of the minibatch's rows and the learning rates. A last minibatch of another size runs without
replay.
"""

from collections.abc import Callable
from typing import Protocol

import torch

Step = Callable[[torch.Tensor, torch.Tensor], None]
"""Trains all members on the rows (G, B) with the learning rates (M,)."""

WARM = 3
"""Steps that run directly before one is recorded: they load kernels and allocate workspaces."""


class Recorder(Protocol):
    """Records what a function does to tensors, and repeats it."""

    def record(self, work: Callable[[], None]) -> None:
        """Record `work`, without changing any tensor."""

    def replay(self) -> None:
        """Repeat the recorded work on the same tensors."""


class CudaRecorder:
    """A recorder by CUDA graph."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def record(self, work: Callable[[], None]) -> None:
        """Capture `work` on torch's capture stream; see `Recorder`."""
        with torch.cuda.graph(self._graph):
            work()

    def replay(self) -> None:
        """Launch the captured graph; see `Recorder`."""
        self._graph.replay()


class Replayed:
    """A step that records itself after `WARM` calls and is replayed from then on."""

    def __init__(self, step: Step, recorder: Callable[[], Recorder]) -> None:
        """Wrap a step; nothing is recorded yet.

        Args:
            step: The step; it must read only its arguments and tensors at fixed addresses.
            recorder: Makes a recorder.
        """
        self._step, self._make = step, recorder
        self._recorder: Recorder | None = None
        self._done = 0

    def __call__(self, rows: torch.Tensor, lr: torch.Tensor) -> None:
        """Do one step."""
        if self._recorder is None and self._done == WARM:
            self._begin(rows, lr)
        self._done += 1
        if self._recorder is None or rows.shape != self._rows.shape:
            self._step(rows, lr)
            return
        self._rows.copy_(rows)
        self._lr.copy_(lr)
        self._recorder.replay()

    def _begin(self, rows: torch.Tensor, lr: torch.Tensor) -> None:
        self._rows, self._lr = rows.clone(), lr.clone()
        self._recorder = self._make()
        self._recorder.record(lambda: self._step(self._rows, self._lr))


def stepper(step: Step, device: torch.device) -> Step:
    """Wrap the step as is fastest on this device: replayed on CUDA, unchanged elsewhere."""
    return Replayed(step, CudaRecorder) if device.type == "cuda" else step


def plain(step: Step, _: torch.device) -> Step:
    """Return the step unchanged."""
    return step
