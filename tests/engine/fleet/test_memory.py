"""The memory of a fleet stays within its budget: measured, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).parent / "memory_probe.py"
MLP = {"data": "mnist", "model": {"kind": "mlp", "widths": [256]}}
CNN = {"data": "mnist", "model": {"kind": "cnn", "filters": [8, 16], "dense": [64]}}
CASES = {
    "mlp": (MLP, 2, 1),
    "mlp, ten folds": (MLP, 2, 10),
    "mlp, sgd": ({**MLP, "optimizer": "sgd"}, 2, 1),
    "mlp, batch norm, dropout": ({**MLP, "norm": "before", "regularization": "both"}, 2, 1),
    "mlp, many epochs": ({**MLP, "model": {"kind": "mlp", "widths": [16]}}, 40, 1),
    "mlp, early stopping": ({**MLP, "training": {"patience": 9}}, 4, 1),
    "narrow mlp": ({**MLP, "model": {"kind": "mlp", "widths": [64] * 3}, "regularization": "dropout"}, 2, 1),
    "mlp, bf16": ({**MLP, "training": {"precision": "bf16"}}, 2, 1),
    "cnn": (CNN, 1, 1),
    "cnn, batch norm": ({**CNN, "norm": "before"}, 1, 1),
}
SLACK = 0.02
"""GiB beside the members: what a step takes at any width, and pages that the allocator keeps."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read from Linux's /proc")
@pytest.mark.parametrize(("case", "gib"), [*((case, 0.3) for case in CASES), ("mlp", 0.6), ("cnn", 0.6)])
def test_the_widest_fleet_stays_within_its_budget(case, gib, make_config):
    overrides, epochs, folds = CASES[case]
    training = {"epochs": epochs, "batch_size": 100, **overrides.get("training", {})}
    tree = json.dumps(make_config(**{**overrides, "training": training}).to_tree())
    command = [sys.executable, str(PROBE), str(folds), str(gib)]
    done = subprocess.run(command, input=tree, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    width, peak = done.stdout.split()
    print(f"\n{case}: {width} members, {float(peak):.3f} of {gib} GiB: {float(peak) / gib:.2f}")  # noqa: T201 - what was measured, for `-s`
    assert int(width) > 1
    assert float(peak) <= gib + SLACK
