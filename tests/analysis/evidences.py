"""Evidence of every shape from seeded random numbers: a base that every gate lets pass, and how it is spoiled."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from hpsearch.analysis.analyse import analyse, count_looks, digest_of
from hpsearch.analysis.comparison.levels import compare_levels, family_of
from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence, LevelDesign, TestRow, TrialRow
from hpsearch.analysis.findings import Action
from hpsearch.analysis.rules.design_and_search import design_gates
from hpsearch.metrics import ACCURACY, MACRO_F1, MSE

LR = "optimizer.sgd.lr"
SPACE = {LR: {"low": 1e-3, "high": 1.0, "log": True}}
ROWS = {"train": 800, "val": 400, "report": 400}


def level(name: str, **changes: object) -> LevelDesign:
    return LevelDesign(**{"name": name, "settings": {"optimizer": name}, "space": SPACE, **changes})


def design(*levels: LevelDesign, **changes: object) -> Design:
    plain = {
        "name": "optimizers", "title": "optimizer", "levels": levels, "metric": ACCURACY, "classes": 10, "trials": 50,
        "epochs": 5, "sampler": "random", "pruner": "none", "evaluation": "holdout", "rows": ROWS, "folds": 1,
        "delta": 0.01, "alpha": 0.05, "control": None, "seed": 0, "confirm_seeds": 10, "data": "digits",
        "model": "64-100-10", "fingerprint": "f" * 64, "devices": ("cpu",), "commits": ("abc",),
    }  # fmt: skip
    return Design(**{**plain, **changes})


def trials(name: str, top: float, n: int, seed: int = 0, *, at: float = 0.1, parameter: str = LR) -> list[TrialRow]:
    """N trials whose scores fall with the distance of the learning rate from `at`; the first one has that rate."""
    draw = np.random.default_rng([seed, *name.encode()])
    lrs = [at, *(10 ** draw.uniform(-3, 0, n - 1)).tolist()]
    found = []
    for k, lr in enumerate(lrs, 1):
        val, report = (
            top - 0.1 * abs(math.log10(lr / at)) + np.array([0.02 if k == 1 else 0, 0]) + draw.normal(0, 0.005, 2)
        )
        found.append(TrialRow(name, k, "ok", float(np.clip(val, 0, 1)), float(np.clip(report, 0, 1)), {parameter: lr}))
    return found


def bitmaps(shares: Mapping[str, float], seeds: int, rows: int = 400, seed: int = 0, spread: float = 0.0):
    """Level to (S, n) bool: images differ in difficulty, which all levels share; seeds move each level on its own."""
    draw = np.random.default_rng(seed)
    images = draw.normal(0, 2, rows)
    found = {}
    for name, share in shares.items():
        logit = math.log(share / (1 - share)) * 1.6
        found[name] = draw.logistic(size=(seeds, rows)) < logit + images + draw.normal(0, spread, (seeds, 1))
    return found


def retrained(name: str, correct: np.ndarray, *, trial: int | None = 1, keep: bool = True) -> list[ConfirmRow]:
    """A row for each key from 1, its report score the share of the bitmap."""
    return [
        ConfirmRow(name, key, "ok", float(row.mean()), float(row.mean()), row if keep else None, trial=trial)
        for key, row in enumerate(correct, 1)
    ]


def scored(name: str, scores: Sequence[float], **more: object) -> list[ConfirmRow]:
    """A row for each score, keys from 1; a score of -inf diverged, NaN is a lost run."""
    return [ConfirmRow(name, key, _status(score), score, score, **more) for key, score in enumerate(scores, 1)]


def _status(score: float) -> str:
    return "oom" if math.isnan(score) else "diverged" if math.isinf(score) else "ok"


def clear(**changes: object) -> Evidence:
    """`adam` is far ahead of `sgd`, by full claims; every gate passes."""
    levels = level("adam"), level("sgd")
    rows = [*trials("adam", 0.95, 50), *trials("sgd", 0.85, 50)]
    correct = bitmaps({"adam": 0.95, "sgd": 0.8}, 10)
    confirm = [row for name, one in correct.items() for row in retrained(name, one)]
    return Evidence(design(*levels, **changes), tuple(rows), tuple(confirm))


def folded(name: str, scores: np.ndarray) -> list[ConfirmRow]:
    """A row for each key from 1 with the scores of its folds."""
    return [
        ConfirmRow(name, key, "ok", float(row.mean()), float(row.mean()), folds=tuple(row.tolist()), trial=1)
        for key, row in enumerate(scores, 1)
    ]


def with_design(evidence: Evidence, **changes: object) -> Evidence:
    return replace(evidence, design=replace(evidence.design, **changes))


def opened(opening: int, trial: int = 1, **more: object) -> TestRow:
    return TestRow(opening, "adam", trial, 0.93, 0.92, 0.94, 10000, "ada", **more)


def gates_of(evidence, code):
    if code in ("R07", "R12", "R15", "R17", "R18", "R21"):
        return [gate for gate in analyse(evidence).gates if gate.rule == code]
    known = design_gates(evidence, count_looks(evidence, digest_of(evidence)))
    return [gate for gate in known if gate.rule == code]


def broken(evidence, code):
    (gate,) = [gate for gate in gates_of(evidence, code) if gate.action is not Action.PASS]
    return gate


def without(evidence, level_, **more):
    """Without trials of a level from a number on."""
    return replace(evidence, trials=tuple(row for row in evidence.trials if row.level != level_ or row.k < more["k"]))


def diverged(evidence, *keys):
    """These keys of `sgd` diverged."""
    return _spoiled(evidence, keys, status="diverged", report=0.0)


def lost(evidence, key):
    """This key of `sgd` ran out of memory."""
    return _spoiled(evidence, (key,), status="oom", report=math.nan)


def _spoiled(evidence, keys, **changes):
    spoiled = [("sgd", key) for key in keys]
    rows = [replace(row, **changes) if (row.level, row.key) in spoiled else row for row in evidence.confirm]
    return replace(evidence, confirm=tuple(rows))


def of(*rows, names=("a", "b"), **changes):
    """Evidence with these retrainings and two trials of each level."""
    searched = [row for name in names for row in trials(name, 0.9, 2)]
    return Evidence(design(*map(level, names), **changes), tuple(searched), tuple(itertools.chain(*rows)))


def pairs_of(evidence, looks=1):
    return compare_levels(evidence, family_of(evidence, looks), design_gates(evidence, looks))[0]


def in_folds(a, b, **changes):
    plan = {"folds": 5, "evaluation": "kfold", "rows": {"train": 800, "val": 1000}, "metric": MACRO_F1}
    return of(folded("a", a), folded("b", b), **{**plan, **changes})


NAMES = ("adam", "sgd", "momentum", "a|b", "x\ny", "best")
STATUSES = ("ok", "ok", "ok", "stalled", "diverged", "oom", "error", "pruned")


@st.composite
def odd_evidences(draw) -> Evidence:
    """Legal evidence with every oddity: ties, failures, missing scores and keys, one trial or seed, folds."""
    regression = draw(st.booleans())
    folds = draw(st.sampled_from([1, 1, 1, 2, 5]))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    score = st.integers(0, 4).map(lambda x: -float(x * 10**x) if regression else x / 4)
    rows = draw(st.sampled_from([{}, {"train": 8, "val": 4}, {"train": 8, "val": 4, "report": 4}]))
    plan = design(
        *(level(name, space=draw(st.sampled_from([{}, SPACE, {LR: {"choices": [0.1, 0.2]}}]))) for name in names),
        metric=MSE if regression else draw(st.sampled_from([ACCURACY, MACRO_F1])),
        classes=0 if regression else 3,
        rows=rows,
        folds=folds,
        evaluation="kfold" if folds > 1 else "holdout",
        delta=draw(st.sampled_from([None, 0.1, 0.6])),
        alpha=draw(st.sampled_from([0.05, 0.5, 0.9])),
        control=draw(st.sampled_from([None, names[0]])),
        sampler=draw(st.sampled_from(["random", "qmc", "tpe", "unknown"])),
        pruner=draw(st.sampled_from(["none", "none", "median"])),
        exploratory=draw(st.sampled_from([None] * 5 + ["the metric was changed after a look"])),
        mismatched=draw(st.sampled_from([()] * 9 + [("training.epochs",)])),
        shown_before=draw(st.sampled_from([(), ("0123456789abcdef",)])),
    )
    explore, confirm = [], []
    for name in names:
        n, seeds, lifted = draw(st.integers(1, 7)), draw(st.sampled_from([0, 5, 9, *[12] * 9])), draw(st.booleans())
        explore += [draw(_trial(plan, name, k, score)) for k in range(n)]
        keys = draw(st.lists(st.integers(1, 12), min_size=seeds, max_size=seeds, unique=True))
        high = st.just(-0.5 if regression else 1.0)
        trouble = draw(st.integers(0, 3)) == 0
        confirm += [draw(_retraining(plan, name, key, high if lifted else score, trouble=trouble)) for key in keys]
    return Evidence(plan, tuple(explore), tuple(confirm))


@st.composite
def _trial(draw, plan, name, k, score) -> TrialRow:
    status, val, report = draw(st.sampled_from(STATUSES)), draw(score), draw(score)
    if status == "diverged":
        val = report = plan.metric.worst
    elif status in ("oom", "error"):
        val = report = math.nan
    report = report if plan.rows.get("report") and draw(st.integers(0, 9)) != 0 else math.nan
    values = {LR: draw(st.sampled_from([0.001, 0.1, 0.2, 1.0]))} if LR in plan.levels[0].space else {}
    return TrialRow(name, k, status, val, report, values, default=k == 0 and draw(st.booleans()))


@st.composite
def _retraining(draw, plan, name, key, score, *, trouble) -> ConfirmRow:
    status = draw(st.sampled_from(["ok", "stalled", "diverged", "oom"])) if trouble else "ok"
    lacking = trouble and draw(st.booleans())
    val, report = draw(score), draw(score)
    correct, folds, curves = None, (), {}
    if status == "diverged":
        val = report = plan.metric.worst
    elif status == "oom":
        val = report = math.nan
    elif plan.folds > 1 and not lacking:
        folds = tuple(draw(st.lists(score, min_size=plan.folds, max_size=plan.folds)))
        report = draw(st.sampled_from([float(np.mean(folds)), math.nan]))
    elif plan.metric == ACCURACY and not lacking:
        correct = np.arange(4) < round(4 * report)
        curves = {"val/accuracy": draw(st.lists(score, max_size=3))}
    trial = draw(st.sampled_from([None, 0, 1, 99]))
    return ConfirmRow(name, key, status, val, report, correct, folds, curves, trial)
