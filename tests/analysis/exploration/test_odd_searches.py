"""Odd but legal evidence: nothing fails on it, and what must hold holds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.summary import best_probability, explore_level, flips
from hpsearch.analysis.search_linter import lint
from hpsearch.metrics import ACCURACY, MACRO_F1, MSE, R2
from tests.analysis.searches import LR, confirmed, design, next_bounds, of_rows, search, trial

SPACE = {
    "optimizer": {"choices": ["sgd", "adam"]},
    "optimizer.adam.lr": {"low": 1e-4, "high": 0.1, "log": True},
    "optimizer.sgd.lr": {"low": 1e-3, "high": 1.0, "log": True, "step": None},
    "model.mlp.widths": {"choices": [[8], [8, 8], None]},
    "model.mlp.depth": {"low": 1, "high": 3},
    "regularization.dropout.dropout": {"low": 0.0, "high": 0.5, "log": False, "step": 0.1},
}
STATUSES = ("ok", "ok", "ok", "stalled", "diverged", "oom", "error", "interrupted", "pruned")


@st.composite
def values(draw):
    option = draw(st.sampled_from(["sgd", "adam"]))
    found = {"optimizer": option}
    if draw(st.booleans()):
        low, high = (1e-4, 0.1) if option == "adam" else (1e-3, 1.0)
        found[f"optimizer.{option}.lr"] = draw(st.sampled_from([low, high, 0.01, 0.02]))
    if draw(st.booleans()):
        found["model.mlp.widths"] = draw(st.sampled_from([[8], [8, 8], None]))
    if draw(st.booleans()):
        found["model.mlp.depth"] = draw(st.integers(1, 3))
    return draw(st.sampled_from([found, {}]))


@st.composite
def trials(draw, level, k, kind):
    status = draw(st.sampled_from(STATUSES))
    regression, reported, folded = kind
    score = st.sampled_from([-3.5, -0.1, 0.0, -math.inf] if regression else [0.0, 0.1, 0.5, 0.9, 1.0])
    val = draw(score)
    report = draw(score) if reported and draw(st.integers(0, 9)) else math.nan
    if status == "diverged":
        val, report = (-math.inf if regression else 0.0), math.nan
    elif status not in ("ok", "stalled"):
        val, report = math.nan, math.nan
    epochs = draw(st.integers(0, 6))
    names = draw(st.lists(st.sampled_from(["val/accuracy", "val/mse", "val/loss", "train/loss"]), unique=True))
    curve = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, math.nan]), min_size=epochs, max_size=epochs)
    losses = np.arange(10) % draw(st.integers(1, 4)) if folded and draw(st.booleans()) else None
    return trial(
        k, val, report, level, status, draw(values()), epochs=epochs, cost=draw(st.sampled_from([math.nan, 1e9])),
        curves={name: draw(curve) for name in names}, losses=losses,
    )  # fmt: skip


@st.composite
def evidences(draw):
    levels = draw(st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]))
    regression = draw(st.booleans())
    kind = (regression, draw(st.booleans()), draw(st.booleans()))
    rows = [draw(trials(level, k, kind)) for level in levels for k in range(draw(st.integers(0, 7)))]
    rows += [replace(draw(trials(level, 99, kind)), default=True) for level in levels if draw(st.booleans())]
    confirm = confirmed("a", *draw(st.lists(st.sampled_from([0.5, math.nan, -math.inf]), max_size=3)))
    changes = {
        "metric": draw(st.sampled_from([MSE, R2] if regression else [ACCURACY, MACRO_F1])),
        "delta": draw(st.sampled_from([None, 0.01, 2.0])),
        "epochs": draw(st.integers(0, 6)),
        "sampler": draw(st.sampled_from(["random", "qmc", "tpe", "unknown"])),
        "rows": draw(st.sampled_from([{}, {"train": 5, "val": 1}, {"train": 80, "val": 20, "report": 20}])),
        "trials": draw(st.integers(0, 7)),
    }
    space = draw(st.sampled_from([SPACE, {}]))
    return Evidence(design(levels, space, **changes), tuple(rows), confirm)


def everything(evidence, *, refused=False):
    """All that is found out; nothing may fail."""
    names = [level.name for level in evidence.design.levels]
    found = {name: explore_level(evidence, name, refused=refused, seed=0) for name in names}
    spaces = {name: next_bounds(evidence, name) for name in names}
    best, turned = best_probability(evidence, seed=0), flips(evidence, seed=0)
    return found, spaces, best, turned, lint(evidence, found)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(evidences(), st.booleans())
def test_nothing_fails_on_odd_evidence(evidence, refused):
    found, spaces, best, _, hints = everything(evidence, refused=refused)
    for name, one in found.items():
        draws = evidence.draws(name)
        assert one.n + one.missing == len(draws)
        assert (one.recipe is None) == (one.top == ())
        assert one.recipe is None or one.recipe == one.top[0]
        assert one.curve is None or not np.isnan(one.curve.expected).any()
        assert one.good is None or 0 <= one.good.interval[0] <= one.good.share <= one.good.interval[1] <= 1
        if refused:
            assert (one.curve, one.blocks, one.corrected) == (None, {}, None)
    for one in best.values():
        assert one.shape == (3, len(found))
        assert one[0].sum() == pytest.approx(1)
    for space in spaces.values():
        assert all(bounds["low"] < bounds["high"] for bounds in space.values() if "low" in bounds)
        assert all(len(bounds["choices"]) >= 2 for bounds in space.values() if "choices" in bounds)
    parser = OverridesParser.create()
    for override in (override for hint in hints for override in hint.overrides):
        parser.parse_override(override.strip("'"))


def many(n=60, **changes):
    """Enough trials for every statistic, all of one kind."""
    generator = np.random.default_rng(0)
    rows = [
        trial(
            k, **{"val": 0.5, "report": 0.5, **changes}, values={LR: float(10 ** generator.uniform(-4, 0))}, level=level
        )
        for level in ("a", "b")
        for k in range(n)
    ]
    return of_rows(*rows)


def test_ties_everywhere():
    found, _, best, turned, _ = everything(many())
    assert found["a"].curve.low.tolist()[:5] == pytest.approx([0.5] * 5)
    assert found["a"].importance == ()
    assert best[10][:, 0] == pytest.approx([0.5, 0.5, 0.5])
    assert turned == ()


def test_all_trials_diverged():
    found, spaces, best, turned, hints = everything(many(val=0.0, report=math.nan, status="diverged"))
    assert (found["a"].recipe, found["a"].failed, found["a"].curve) == (None, 60, None)
    assert (best, turned) == ({}, ())
    assert [hint.code for hint in hints] == ["infeasible", "infeasible"]
    assert spaces["a"][LR] == {"low": 1e-4, "high": 1.0, "log": True}


def test_a_regression_of_which_some_trials_diverged():
    evidence = many()
    rows = [
        replace(row, val=-math.inf, report=math.nan, status="diverged")
        if row.k % 3 == 0
        else replace(row, val=-1.0 / (1 + row.k), report=-1.0 / (1 + row.k))
        for row in evidence.trials
    ]
    found, _, best, turned, hints = everything(of_rows(*rows, metric=MSE, classes=0, delta=None))
    curve = found["a"].curve
    assert curve.expected[0] == -math.inf
    assert np.isfinite(curve.median[1:]).all()
    assert found["a"].failed == 20
    assert {hint.code for hint in hints} == {"infeasible"}
    assert best[12][0] == pytest.approx([0.5, 0.5])
    assert turned == ()


def test_scores_in_percent_are_no_shares():
    found = everything(search(n=40))[0]["adam"]
    rows = [replace(row, val=100 * row.val, report=100 * row.report) for row in search(n=40).trials]
    percent = everything(of_rows(*rows, delta=1.0))[0]["adam"]
    np.testing.assert_allclose(percent.curve.report, 100 * found.curve.report)
    assert percent.contending == 0
    assert math.isnan(percent.shrinkage)
    assert percent.good.share == found.good.share
