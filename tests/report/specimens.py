"""Findings of every shape that a report must be able to show, built by hand from seeded random numbers."""

import math
from dataclasses import replace

import numpy as np

from hpsearch.analysis.comparison.levels import family_of
from hpsearch.analysis.comparison.paired_scores import NOWHERE
from hpsearch.analysis.evidence import TestRow
from hpsearch.analysis.findings import Action, Answer, Confirmed, Factorial, Findings, Flip, Hint, Rule, TimeRatio
from hpsearch.analysis.headline import headline
from hpsearch.analysis.test_set_results import errors_of, shipped_pairs
from hpsearch.metrics import MACRO_F1, MSE
from tests.report.specimen_parts import Shape
from tests.report.specimen_results import calibrated_of, draw, gate, pair_of

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")
TOPS = (0.956, 0.968, 0.969, 0.951, 0.967, 0.971)
HOSTILE = (
    "Adam <script>alert(1)</script>",
    'SGD "quoted" & $\\frac{1}{0}$ ${env:HOME} {{ 7*7 }} {% raw %}',
    "pipe | in `code` **bold** [link](javascript:alert(1)) --> ]]>",
    "line\nbreak\x00\x1b[31m tab\t emoji \N{GRINNING FACE} 中文 \u202eright-to-left \ud800",
    "</svg></style><img src=x onerror=alert(1)>",
    "=cmd()|' /C calc'!A0, with, commas " + "and a very long name " * 10,
)
"""Names that try to break out of HTML, SVG, Markdown, templates, formulas, terminals and tables."""


def optimizers(trials: int = 40, seeds: int = 10, levels: int = 4) -> Findings:
    """Optimizers, N trials each, S seeds: some pairs claimed, some undecided, a flip, hints, signals."""
    shape = Shape(OPTIMIZERS[:levels], TOPS[:levels], trials, seeds, signals=True, widths=True)
    found = draw(shape)
    flip = Flip("momentum", "nesterov", 2, 20, (0.041, 0.012, 0.07), (-0.006, -0.011, -0.001))
    hints = (
        Hint(
            "boundary",
            "sgd",
            "In the search, the recipe of sgd has lr = 0.93, in the outer 5 % of its range.",
            ("optimizer.space.lr.high=10",),
        ),
        Hint("still_improving", "adagrad", "In the search, val accuracy of adagrad still rose at the last epoch."),
    )
    times = (
        TimeRatio("sgd", "momentum", 10, 2.5, 1.25, math.inf),
        TimeRatio("sgd", "nesterov", 10, math.nan, 0.0, math.inf),
    )
    return replace(found, flips=(flip,), hints=hints, time_ratios=times)


def two_levels() -> Findings:
    """A claim, one contender, unequal costs, an opened test set."""
    shape = Shape(
        levels=("batch norm before", "none"), tops=(0.982, 0.951), trials=50, seeds=12, costs=(2.0e12, 1.3e12)
    )
    found = draw(shape, title="norm")
    rows = np.arange(10000)
    tests = (
        TestRow(
            1, "batch norm before", 17, 0.9783, 0.9752, 0.9810, 10000, "ada@lab, sweep specimen, trial 17",
            "final evaluation", "2026-11-02 10:00:00+00:00", "0a" * 6, "1b" * 6, (0.9771, 0.9790, 0.9768), rows >= 217,
        ),
        TestRow(
            2, "none", 3, 0.9491, 0.9446, 0.9532, 10000, "ada@lab, sweep specimen, trial 3",
            "comparison with the older recipe", "2026-11-20 10:00:00+00:00", "2c" * 6, "3d" * 6, (),
            (rows >= 609) | (rows < 100),
        ),
    )  # fmt: skip
    reuse = gate("R14", Action.WARN, "the test set was opened 2 times for this family", "")
    evidence = replace(found.evidence, tests=tests)
    return replace(
        found,
        evidence=evidence,
        tested=errors_of(evidence),
        shipped=shipped_pairs(tests),
        gates=(*found.gates, reuse),
        contenders=("batch norm before",),
        answers=(Answer("claim", found.pairs[0].sentence),),
    )


def unconfirmed() -> Findings:
    """A search and nothing else, without a declared delta; one level has too few trials."""
    found = draw(Shape(levels=("he", "xavier", "zeros"), tops=(0.96, 0.955, 0.11), trials=40, seeds=0, delta=None))
    answers = (Answer("exploratory", "Nothing was confirmed: In the search, he and xavier share the probability."),)
    few = gate("R05", Action.REFUSE, "too few", "search.trials=20", level="zeros")
    explored = {**found.explored, "zeros": replace(found.explored["zeros"], curve=None, blocks={})}
    gates = (*found.gates, few)
    return replace(found, answers=answers, contenders=("he", "xavier", "zeros"), gates=gates, explored=explored)


def kfold() -> Findings:
    """Scores of 5 folds, no report rows, BBC-CV instead."""
    shape = Shape(
        levels=("dropout", "none"), tops=(0.953, 0.949), trials=60, seeds=10, rows={"train": 1437, "val": 360}
    )
    return draw(shape, title="regularization", folds=5, evaluation="stratified_kfold", metric=MACRO_F1)


def refused() -> Findings:
    """Everything that a gate can forbid is forbidden."""
    found = draw(Shape(levels=("adam", "sgd"), tops=(0.97, 0.95), trials=15, seeds=4), sampler="tpe", pruner="median")
    gates = (
        gate("R02", Action.REFUSE, "the trials were drawn by tpe, which learns from earlier ones", "search=random"),
        gate("R03", Action.REFUSE, "trials were pruned by median", "search.pruner=none"),
        gate("R05", Action.REFUSE, "15 trials are fewer than 20", "search.trials=20", level="adam"),
        gate("R05", Action.REFUSE, "15 trials are fewer than 20", "search.trials=20", level="sgd"),
        gate("R07", Action.REFUSE, "4 seeds cannot reach p <= 0.05", "confirm.seeds=6"),
        gate("R13", Action.REFUSE, "15 trials are fewer than 50", "search.trials=50"),
        gate("R09", Action.REFUSE, "the levels were trained on different kinds of devices", "extend=device"),
    )
    explored = {
        level: replace(one, curve=None, blocks={}, importance=(), isolation={}, good=None)
        for level, one in found.explored.items()
    }
    pairs = tuple(
        replace(
            pair,
            refused=(Rule.ENOUGH_SEEDS, Rule.LEVELS_OTHERWISE_ALIKE),
            state="refused",
            claim="none",
            sentence="Not compared: different kinds of devices (R09). Fix: extend=device.",
        )
        for pair in found.pairs
    )
    return replace(
        found,
        gates=gates,
        explored=explored,
        pairs=pairs,
        best_probability={},
        answers=(Answer("refused", pairs[0].sentence),),
        contenders=("adam", "sgd"),
    )


def one_level() -> Findings:
    """A sweep that compares nothing."""
    found = draw(Shape(levels=("-",), tops=(0.97,), trials=30, seeds=10))
    return replace(found, answers=(Answer("exploratory", "Nothing is compared."),), contenders=("-",))


def hostile() -> Findings:
    """Six levels, of different losses, whose names try to break out of every format."""
    tops = tuple(0.95 + 0.002 * at for at in range(len(HOSTILE)))
    found = draw(
        Shape(levels=HOSTILE, tops=tops, trials=25, seeds=13, control=HOSTILE[0]),
        title="<b>optimizer</b> | $x$",
        parameter="lr`|<i>",
    )
    hint = Hint("boundary", HOSTILE[2], "In the search, `|` <b>", ("a='<script>'", "b=`x`\n```"))
    limits = ("One data set: <script>alert(2)</script>.",)
    return replace(found, hints=(hint,), limits=limits, calibrated=calibrated_of(found.evidence))


def factorial() -> Findings:
    """Weight decay x dropout."""
    names = ("neither", "weight decay", "dropout", "both")
    factors = [
        {"weight_decay": a, "dropout": b} for a, b in (("no", "no"), ("yes", "no"), ("no", "yes"), ("yes", "yes"))
    ]
    found = draw(
        Shape(levels=names, tops=(0.931, 0.938, 0.942, 0.941), trials=50, seeds=14, factors=factors),
        title="regularization",
    )
    cells = {
        (one["weight_decay"], one["dropout"]): (name, found.confirmed[name].mean)
        for one, name in zip(factors, names, strict=True)
    }
    simple = (
        ("weight_decay", "no", 0.007, (0.004, 0.010)),
        ("weight_decay", "yes", -0.001, (-0.004, 0.002)),
        ("dropout", "no", 0.011, (0.008, 0.014)),
        ("dropout", "yes", 0.003, (0.0002, 0.0058)),
    )
    effects = Factorial(
        ("weight_decay", "dropout"), (("no", "yes"), ("no", "yes")), cells, simple, (-0.008, -0.012, -0.004), False
    )
    return replace(found, factorial=effects)


def regression() -> Findings:
    """Negated squared errors, some of them minus infinity."""
    shape = Shape(
        levels=("huber", "mae", "mse"), tops=(-2900.0, -2950.0, -2870.0), trials=60, seeds=11, scale=3000.0, delta=50.0
    )
    return draw(shape, title="loss", metric=MSE, classes=0)


def with_a_missing_key() -> Findings:
    """One seed diverged in one level: the pair keeps it as the worst."""
    found = two_levels()
    rows = tuple(
        replace(row, status="diverged", report=0.0, val=0.0) if (row.level, row.key) == ("none", 3) else row
        for row in found.evidence.confirm
    )
    evidence = replace(found.evidence, confirm=rows)
    confirmed = {
        **found.confirmed,
        "none": Confirmed(12, 1, *[math.nan] * 2, NOWHERE, math.nan, refused=(Rule.NO_MISSING_PAIR,)),
    }
    pair = replace(pair_of(evidence, "batch norm before", "none"), ci=(math.nan, math.nan), ci_sim=(math.nan, math.nan))
    gates = (*found.gates, gate("R08", Action.DOWNGRADE, "1 of 12 seeds diverged: no t interval", ""))
    return replace(found, evidence=evidence, confirmed=confirmed, pairs=(pair,), gates=gates)


MADE = (optimizers, two_levels, unconfirmed, kfold, refused, one_level, hostile, factorial, regression)


def every_specimen() -> dict[str, Findings]:
    """All of them by name."""
    return {made.__name__: with_headline(made()) for made in MADE}


def with_headline(found: Findings) -> Findings:
    """With the first screen that follows from the rest."""
    family = family_of(found.evidence, found.looks)
    first = headline(found.evidence, found.explored, found.confirmed, found.pairs, family, found.gates)
    return replace(found, headline=first)
