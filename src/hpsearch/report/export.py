"""The numbers of a report for other programs: JSON with everything, CSV of trials, retrainings and pairs."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from hpsearch.analysis.evidence import Evidence, TestRow
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.findings import Findings, RuleResult
from hpsearch.analysis.test_set_results import ShippedPair, Tested
from hpsearch.quoting import csv_cell
from hpsearch.records import CALIBRATED_LOSS

Json = Any


def to_json(findings: Findings) -> str:
    """`report.json`: sorted keys, floats as Python's repr writes them, null for what is not a number.

    Infinity is the text "Infinity" or "-Infinity", since JSON has no number for it.
    """
    return json_text(_content(findings))


def json_text(content: Any) -> str:
    """Results of any kind as JSON, as in `report.json`."""
    return _text(content, "\n") + "\n"


def _text(value: Any, line: str) -> str:
    """The value as JSON, each item one space further in on a line of its own, as `json.dumps(…, indent=1)` writes it.

    That is written in Python, too, as soon as it indents, and takes three times as long.

    Args:
        value: Anything.
        line: A line end, and the spaces that the line of the value begins with.
    """
    if value is None or isinstance(value, str | float | int):  # most are
        return _scalar(value)
    if is_dataclass(value):
        value = _all(value)
    elif isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    further = line + " "
    if isinstance(value, Mapping):
        texts = {str(key): item for key, item in value.items()}
        items = [f"{_string(key)}: {_text(item, further)}" for key, item in sorted(texts.items())]
        return f"{{{further}{f',{further}'.join(items)}{line}}}" if items else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        items = [_text(item, further) for item in value]
        return f"[{further}{f',{further}'.join(items)}{line}]" if items else "[]"
    return _scalar(value if value is None or isinstance(value, float | int) else str(value))


def _scalar(value: str | float | None) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        known = "null" if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
        return repr(float(value)) if math.isfinite(value) else known
    return "null" if value is None else str(value).lower()  # true, false, whole numbers


_string = json.JSONEncoder(ensure_ascii=False).encode


ELSEWHERE = {"evidence", "explored", "confirmed", "best_probability", "tested", "shipped"}
"""Findings that stand under other keys, with what they are about."""


def _content(findings: Findings) -> dict[str, Json]:
    """Every finding, also one that is new, under its own name or as this says."""
    design = _all(findings.evidence.design)
    del design["levels"]
    return {name: value for name, value in _all(findings).items() if name not in ELSEWHERE} | {
        "format": 1,
        "design": {**design, "metric": findings.evidence.design.metric.name},
        "baselines": dict(findings.evidence.baselines),
        "levels": [_level(findings, level.name) for level in findings.evidence.design.levels],
        "gates": [_gate(gate) for gate in findings.gates],
        "probability_highest": _probabilities(findings),
        "factorial": None if findings.factorial is None else _factorial(findings),
        "tests": [_test(row, errors) for row, errors in zip(findings.evidence.tests, findings.tested, strict=True)],
        "shipped_pairs": [_shipped(pair) for pair in findings.shipped],
    }


def _all(value: Any) -> dict[str, Json]:
    """Every field of a result."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _level(findings: Findings, name: str) -> dict[str, Json]:
    """The exchange format `{name, n_trials, E, R, lambda}`, and everything else that is known of the level."""
    design = next(level for level in findings.evidence.design.levels if level.name == name)
    explored, confirmed = findings.explored.get(name), findings.confirmed.get(name)
    return {
        "name": name,
        "n_trials": explored.n if explored else 0,
        "E": _by_budget(explored, "expected"),
        "R": _by_budget(explored, "report"),
        "lambda": explored.shrinkage if explored else None,
        "design": design,
        "explored": explored,
        "confirmed": confirmed,
    }


def _by_budget(explored: SearchSummary | None, field: str) -> dict[str, Json]:
    curve = explored.curve if explored else None
    return {} if curve is None else dict(zip(map(str, curve.ks.tolist()), getattr(curve, field).tolist(), strict=True))


def _gate(gate: RuleResult) -> dict[str, Json]:
    """`{code, action, level?}`, with reason and fix."""
    found = {"code": gate.rule, "action": gate.action.value, "reason": gate.reason, "fix": gate.fix}
    return found if gate.level is None else {**found, "level": gate.level}


def _test(row: TestRow, errors: Tested) -> dict[str, Json]:
    """An opening with its errors; of the bitmap only how many rows are right."""
    found = {**_all(row), **_all(errors)}
    return {**found, "correct": None if row.correct is None else int(row.correct.sum())}


def _shipped(pair: ShippedPair) -> dict[str, Json]:
    counts = {name: value for name, value in _all(pair).items() if name != "found"}
    return {**counts, **_all(pair.found)}


def _probabilities(findings: Findings) -> dict[str, Json]:
    """Budget to level to (estimate, low, high)."""
    names = [level.name for level in findings.evidence.design.levels]
    return {
        str(k): {name: values[:, at] for at, name in enumerate(names)}
        for k, values in findings.best_probability.items()
    }


def _factorial(findings: Findings) -> dict[str, Json]:
    effects = findings.factorial
    assert effects is not None
    cells = [
        {effects.factors[0]: row, effects.factors[1]: column, "level": level, "mean": mean}
        for (row, column), (level, mean) in effects.cells.items()
    ]
    return {**_all(effects), "cells": cells}


def trials_csv(evidence: Evidence) -> str:
    """All trials of the search, the default recipes among them, as `report.path` reads them."""
    names = _drawn(evidence)
    part = "report" if evidence.design.rows.get("report") else "val"
    rows = [
        [
            "explore", row.level, row.k, "", _number(row.val), _number(row.report), evidence.design.rows.get(part, ""),
            row.status, row.default, row.epochs, _number(row.cost), "",
            *(_value(row.values.get(name)) for name in names),
        ]
        for level in evidence.design.levels
        for row in _in_order(evidence, level.name)
    ]  # fmt: skip
    return csv_text(_columns(names), rows)


def _drawn(evidence: Evidence) -> list[str]:
    return sorted({name for row in evidence.trials for name in row.values})


def _columns(names: Iterable[str]) -> list[str]:
    columns = ["phase", "level", "trial", "key", "select", "report", "n", "status", "default", "epochs", "cost"]
    return [*columns, "calibrated_loss", *(f"hp.{name}" for name in names)]


def _in_order(evidence: Evidence, level: str) -> Iterable[Any]:
    default = evidence.default(level)
    return [*([default] if default is not None else []), *evidence.draws(level)]


def confirm_csv(evidence: Evidence) -> str:
    """All retrainings on fresh seeds, in the same columns, so that both tables can be put together to one."""
    names = _drawn(evidence)
    part = "report" if evidence.design.rows.get("report") else "val"
    rows = [
        [
            "confirm", row.level, _value(row.trial), row.key, _number(row.val), _number(row.report),
            evidence.design.rows.get(part, ""), row.status, "", "", "",
            _number(row.summary.get(CALIBRATED_LOSS, math.nan)), *[""] * len(names),
        ]
        for level in evidence.design.levels
        for row in evidence.confirmed(level.name)
    ]  # fmt: skip
    return csv_text(_columns(names), rows)


def pairs_csv(findings: Findings) -> str:
    """The comparisons, one a line."""
    columns = ["a", "b", "n", "dropped", "diff", "ci_low", "ci_high", "ci_sim_low", "ci_sim_high", "ci_images_low",
               "ci_images_high", "p", "p_adjusted", "p_holm", "superiority", "needed", "state", "claim",
               "refused"]  # fmt: skip
    nothing = (math.nan, math.nan)
    rows = [
        [
            pair.a, pair.b, pair.n, pair.dropped,
            *map(_number, (pair.diff, *pair.ci, *pair.ci_sim, *(pair.ci_images or nothing))),
            *map(_number, (pair.p, pair.p_adjusted, pair.p_holm, pair.superiority)),
            _value(pair.needed), pair.state, pair.claim, " ".join(pair.refused),
        ]
        for pair in findings.pairs
    ]  # fmt: skip
    return csv_text(columns, rows)


def openings_csv(findings: Findings) -> str:
    """The openings of the test set by this sweep, one a line."""
    columns = ["opening", "level", "trial", "metric", "value", "ci_low", "ci_high", "n", "image_se", "retrains",
               "retrain_mean", "retrain_se", "when", "who", "config", "weights", "purpose"]  # fmt: skip
    metric = findings.evidence.design.metric
    rows = [
        [
            row.opening, row.level, row.trial, metric, *map(_number, (row.value, row.low, row.high)), row.n,
            _number(errors.image_se), errors.retrains, *map(_number, (errors.mean, errors.retrain_se)),
            row.when, row.who, row.config, row.weights, row.purpose,
        ]
        for row, errors in zip(findings.evidence.tests, findings.tested, strict=True)
    ]  # fmt: skip
    return csv_text(columns, rows)


def shipped_csv(findings: Findings) -> str:
    """Every two shipped models on the same test rows, one pair a line."""
    columns = ["first", "second", "only_first", "only_second", "n", "diff", "ci_low", "ci_high", "p"]
    rows = [
        [
            pair.first, pair.second, pair.only_first, pair.only_second, pair.n,
            *map(_number, (pair.found.diff, pair.found.low, pair.found.high, pair.found.p)),
        ]
        for pair in findings.shipped
    ]  # fmt: skip
    return csv_text(columns, rows)


def _number(value: float) -> str:
    """All digits; empty for what is missing."""
    return "" if math.isnan(value) else repr(float(value))


def _value(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A header and lines, no cell of which a spreadsheet computes."""
    return "".join(",".join(csv_cell(str(cell)) for cell in cells) + "\n" for cells in (columns, *rows))
