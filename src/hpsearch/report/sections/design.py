"""The design, and what was added to it since the first trial."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hpsearch.analysis.evidence import Design, LevelDesign
from hpsearch.analysis.findings import Action, Findings, RuleResult
from hpsearch.formatting import number_of, plural, show_value, visible
from hpsearch.report.blocks import ALPHA, Block, Cell, Fold, Section, Table, Text, table
from hpsearch.report.figures.style import short
from hpsearch.report.figures.tuning import cost_text
from hpsearch.report.levels import level_order, score_name
from hpsearch.report.number_format import values


def design(findings: Findings) -> Section:
    """The design table and the spaces of the levels."""
    order = level_order(findings)
    plan, searched = findings.evidence.design, findings.evidence.trials
    blocks: list[Block] = [_facts(findings), _settings(findings, order), *([_levels(plan, order)] if searched else [])]
    deviations = _deviations(findings)
    blocks += [Text(one, "warning") for one in deviations] or [Text("No deviation from this design is known.", "note")]
    return Section("design", "Design", "Design", tuple(blocks))


def _facts(findings: Findings) -> Table:
    plan = findings.evidence.design
    split, fingerprint = "folds" if plan.folds > 1 else "split", Cell(visible(plan.fingerprint), code=True)
    retraining = f"fresh pair of seed and {split}", f"fresh pairs of seed and {split}"
    pairs = f"each level with {visible(plan.control)}" if plan.control is not None else "all pairs of levels"
    rows: list[tuple[Cell | str, ...]] = [
        ("Compared", f"{visible(plan.title)}: {pairs}" if len(plan.levels) > 1 else "nothing: one level"),
        ("Data", visible(plan.data) + (f": {_rows(plan)}" if any(plan.rows.values()) else "")),
        *([("Model", visible(plan.model))] if plan.model else []),
        ("Metric", f"{score_name(plan)}, higher is better"),
        ("Smallest difference that matters, δ", f"{plan.delta:g}" if plan.delta is not None else "none declared"),
        (f"Error rate of all claims together, {ALPHA}", f"{plan.alpha:g}"),
        *([("Search", f"{number_of(plan.trials, 'trial')} for each level")] if plan.trials else []),
        *([] if plan.is_foreign else [("Sampler and pruner", f"{visible(plan.sampler)}; {visible(plan.pruner)}")]),
        *([("Training", f"{number_of(plan.epochs, 'epoch')} each")] if plan.epochs else []),
        *([("Compute of the search", _compute(findings))] if findings.evidence.trials else []),
        *([] if plan.is_foreign else [("Evaluation", _evaluation(plan))]),
        ("Confirm", _seeds(plan, retraining)),
        *((visible(name), visible(text)) for name, text in plan.facts.items()),
        *([] if plan.seed is None else [("Seed of the sweep", str(plan.seed))]),
        ("SHA-256 of the table" if plan.is_foreign else "Fingerprint before the first trial", fingerprint),
    ]  # fmt: skip
    return table(("as it was run", ""), rows, wide=(1,))


def _seeds(plan: Design, retraining: tuple[str, str]) -> str:
    if not plan.looks:
        return f"{number_of(plan.confirm_seeds, *retraining)} for each level"
    *first, last = map(str, plan.looks)
    looks = f"compared after {', '.join(first)} and {last} {retraining[1]}"
    return f"{looks}, as planned; those of levels that are decided end there, {plan.confirm_seeds} at most were used"


def _rows(plan: Design) -> str:
    """Of each part that there is; every fold trains on rows of its own."""
    each = " in each fold" if plan.folds > 1 else ""
    counts = {part: number_of(count, f"{visible(part)} row") for part, count in plan.rows.items() if count}
    return ", ".join(f"{text}{each if part == 'train' else ''}" for part, text in counts.items())


def _evaluation(plan: Design) -> str:
    folds = f", {plan.folds} folds in all" if plan.folds > 1 else ""
    return visible(plan.evaluation) + folds


def _compute(findings: Findings) -> str:
    trials = findings.evidence.trials
    epochs, costs = sum(row.epochs for row in trials), [row.cost for row in trials]
    known = math.fsum(cost for cost in costs if math.isfinite(cost))
    flop = f", {cost_text(known)} FLOP" if known else ""
    defaults = sum(row.default for row in trials)
    untuned = f" and {number_of(defaults, 'default recipe')}" if defaults else ""
    given = sum(row.enqueued for row in trials)
    told = f", {given} of them given" if given else ""
    trained = f", {number_of(epochs, 'epoch')}" if epochs else ""
    return f"{number_of(len(trials) - defaults, 'trial')}{told}{untuned}{trained}{flop}"


def _settings(findings: Findings, order: list[str]) -> Table:
    """Every level by its full name, with what it consists of."""
    by_name = {level.name: level for level in findings.evidence.design.levels}
    rows = [(visible(name), Cell(_settings_of(by_name[name]), code=True)) for name in order]
    return table(("level", "consists of"), rows, wide=(1,))


def _settings_of(level: LevelDesign) -> str:
    return visible(" ".join(f"{key}={value}" for key, value in level.settings.items()))


def _levels(plan: Design, order: list[str]) -> Table:
    drawn: dict[tuple[str, str], list[str]] = {}
    by_name = {level.name: level for level in plan.levels}
    for name in order:
        for value, text in _drawn(by_name[name]):
            drawn.setdefault((value, text), []).append(name)
    rows = [
        (_of(names, order), Cell(visible(value), code=True), visible(text)) for (value, text), names in drawn.items()
    ]
    caption = "Every level with its own space, which is part of what the level is."
    return table(("levels", "value", "drawn from, or fixed at"), rows, caption, wide=(2,))


def _drawn(level: LevelDesign) -> list[tuple[str, str]]:
    drawn = [(name, distribution(space)) for name, space in level.space.items()]
    fixed = [(name, f"fixed at {values(value)}") for name, value in level.fixed.items()]
    return [*drawn, *fixed] or [("nothing", "draws nothing")]


def _of(names: list[str], order: list[str]) -> str:
    return "all levels" if len(names) == len(order) > 1 else ", ".join(short(name, 60) for name in names)


def distribution(space: Mapping[str, Any]) -> str:
    """`log-uniform, 1e-05 to 1`, `one of 32, 64, 128`, `uniform, 50 to 200 in steps of 50`."""
    if space.get("choices") is not None:
        return f"one of {_listed(space['choices'])}"
    low, high = (show_value(space[end]) if end in space else "?" for end in ("low", "high"))
    kind = "log-uniform" if space.get("log") else "uniform"
    step = f" in steps of {show_value(space['step'])}" if space.get("step") else ""
    return f"{kind}, {low} to {high}{step}"


def _listed(choices: Iterable[Any]) -> str:
    return ", ".join(map(values, choices))


def _deviations(findings: Findings) -> list[str]:
    plan, found = findings.evidence.design, []
    if plan.exploratory is not None:
        found.append(f"Exploratory as a whole: {visible(plan.exploratory)}")
    if findings.looks > 1:
        found.append(
            f"Look {findings.looks}: earlier reports of this question have shown {findings.looks - 1} other sets."
        )
    if plan.contiguous:
        found.append("The parts of the data are slices of the source's order, not a random shuffle.")
    counts = {name: one.n for name, one in findings.explored.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{visible(name)} {counts[name]}" for name in level_order(findings) if name in counts)
        found.append(f"Levels have unequally many trials: {listed}.")
    return found


GROWING = ("search.trials=", "confirm.seeds=")
"""Fixes that change what a report shows of the same question."""

ANOTHER_LOOK = (
    f"More trials or seeds of this sweep are another look: {ALPHA} is then shared by all looks (R20). Another seed and "
    "name begin anew."
)

_ORDER = (Action.REFUSE, Action.DOWNGRADE, Action.WARN)


def gates(findings: Findings) -> Section:
    """Failures first, passes folded."""
    open_, closed = ([g for g in findings.gates if (g.action is Action.PASS) is passes] for passes in (True, False))
    closed.sort(key=lambda gate: (_ORDER.index(gate.action), gate.rule, gate.level or ""))
    blocks: list[Block] = [Text(_summary(findings), "plain")]
    if closed:
        columns = ("rule", "does", "level", "found", "fix")
        blocks.append(table(columns, [_row(gate) for gate in closed], wide=(3, 4)))
        if findings.evidence.confirm and any(gate.fix.startswith(GROWING) for gate in closed):
            blocks.append(Text(ANOTHER_LOOK, "note"))
    if open_:
        passed = table(
            ("rule", "level", "demands"),
            [_passed(gate) for gate in sorted(open_, key=lambda g: (g.rule, g.level or ""))],
        )
        blocks.append(Fold(f"{number_of(len(open_), 'rule')} {plural(len(open_), 'holds', 'hold')}", (passed,)))
    return Section("gates", "Gates", "Gates", tuple(blocks))


def _summary(findings: Findings) -> str:
    counts = [(sum(gate.action is action for gate in findings.gates), word) for action, word in _WORDS.items()]
    said = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"Rules that decide what this report may show: {said or 'none was checked'}."


_WORDS = {Action.REFUSE: "refuse", Action.DOWNGRADE: "weaken", Action.WARN: "warn", Action.PASS: "hold"}


def _row(gate: RuleResult) -> tuple[Cell, str, str, str, Cell]:
    rule = Cell(f"{gate.rule}: {gate.rule.demand}")
    fix = Cell(visible(gate.fix), code="=" in gate.fix)
    return rule, _WORDS[gate.action], short(gate.level or "all", 60), visible(gate.reason), fix


def _passed(gate: RuleResult) -> tuple[str, str, str]:
    return gate.rule, short(gate.level or "all", 60), gate.rule.demand
