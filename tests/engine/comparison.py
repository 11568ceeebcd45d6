"""How the results of two trainings are compared."""

from typing import Any

import numpy as np

from hpsearch.engine.diagnostics import STATISTICS
from hpsearch.records import FitResult, Signals

TOLERANCE = 1e-9
"""In float64."""


def bits(result: FitResult) -> dict[str, object]:
    """Everything that a training found out, bit for bit; what it cost is left out."""
    arrays = ("train_loss", "train_accuracy", "monitor_loss", "lr", "val_outputs", "report_outputs")
    return {
        **{name: getattr(result, name).tobytes() for name in arrays},
        **{f"state {name}": array.tobytes() for name, array in (result.state or {}).items()},
        "signals": repr(result.signals),
        "final_loss": np.float64(result.final_loss).tobytes(),
        "ended": (result.status, result.failure, result.chosen_epoch, result.rows),
    }


def worst_difference(result: FitResult, truth: FitResult) -> float:
    """The largest among all outputs, parameters and running statistics; infinite if the two ended differently."""
    if (result.failure, result.chosen_epoch) != (truth.failure, truth.chosen_epoch):
        return np.inf
    assert result.state.keys() == truth.state.keys()
    pairs = [(result.val_outputs, truth.val_outputs), (result.report_outputs, truth.report_outputs)]
    pairs += [(result.state[name], truth.state[name]) for name in truth.state]
    if any(a.shape != b.shape for a, b in pairs):
        return np.inf
    return max(float(np.abs(a.astype(float) - b.astype(float)).max(initial=0.0)) for a, b in pairs)


def assert_signals_near(found: Signals, wanted: Signals, relative: float) -> None:
    """The same points and layers, and numbers that are near to each other; nothing where there is nothing."""
    assert (found.steps, found.epochs, found.layers) == (wanted.steps, wanted.epochs, wanted.layers)
    for name in STATISTICS:
        ours, theirs = (np.array(getattr(signals, name), dtype=object) for signals in (found, wanted))
        known = np.not_equal(theirs, None)
        assert (np.not_equal(ours, None) == known).all(), name
        numbers = (x[known].astype(float) for x in (ours, theirs))
        np.testing.assert_allclose(*numbers, rtol=relative, atol=relative * 1e-4, err_msg=name)


def assert_equal_training(result: FitResult, truth: dict[str, Any]) -> None:
    """The same curves, predictions and weights as `textbook.train` gives, in float64."""
    np.testing.assert_allclose(result.train_loss, truth["train_loss"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(result.val_outputs, truth["val_outputs"], rtol=0, atol=TOLERANCE)
    names = {name for name in truth["state"] if not name.endswith("num_batches_tracked")}
    assert names <= set(result.state)
    for name in names:
        np.testing.assert_allclose(result.state[name], truth["state"][name], rtol=0, atol=TOLERANCE, err_msg=name)
