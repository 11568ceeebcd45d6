"""Steps that are recorded once and replayed: on a GPU, launching a step's hundred kernels costs more than running them.

Everything that changes from step to step lies in tensors that stay where they are: weights, memories, counters, and the
copies of the minibatch's rows and the learning rates that are made here. A last minibatch of another size runs as it
is.
"""

from collections.abc import Callable
from typing import Protocol

import torch

Step = Callable[[torch.Tensor, torch.Tensor], None]
"""Trains all members on the rows (G, B) with the learning rates (M,)."""

WARM = 3
"""Steps that run as they are before one is recorded: they load kernels and find workspaces."""


class Recorder(Protocol):
    """Records what a function does to tensors, and does it again."""

    def record(self, work: Callable[[], None]) -> None:
        """Records `work` without effect on any tensor."""

    def replay(self) -> None:
        """Does it."""


class CudaRecorder:
    """A CUDA graph."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def record(self, work: Callable[[], None]) -> None:
        """See `Recorder`; torch captures on a stream of its own."""
        with torch.cuda.graph(self._graph):
            work()

    def replay(self) -> None:
        """See `Recorder`."""
        self._graph.replay()


class Replayed:
    """A step that records itself once it is warm."""

    def __init__(self, step: Step, recorder: Callable[[], Recorder]) -> None:
        """Nothing is recorded yet.

        Args:
            step: What is done each time; reads nothing but its arguments and tensors that stay where they are.
            recorder: Makes a recorder.
        """
        self._step, self._make = step, recorder
        self._recorder: Recorder | None = None
        self._done = 0

    def __call__(self, rows: torch.Tensor, lr: torch.Tensor) -> None:
        """One step."""
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
    """The step as it is best done on this device."""
    return Replayed(step, CudaRecorder) if device.type == "cuda" else step


def plain(step: Step, _: torch.device) -> Step:
    """The step as it is written."""
    return step
