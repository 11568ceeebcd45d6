"""Section 2: every rule of honesty, and whether it holds."""

from hpsearch.analysis.findings import Action, Findings, Gate
from hpsearch.report.blocks import ALPHA, Block, Cell, Fold, Section, Text, table
from hpsearch.report.style import short
from hpsearch.wording import number_of, plural, visible

RULES = {
    "R01": "no test number before the final evaluation",
    "R02": "order statistics of independent draws only",
    "R03": "no pruning that depends on other trials",
    "R04": "equally many trials, epochs and data for each level",
    "R05": "at least 20 trials for each level",
    "R06": "confirm seeds are fresh",
    "R07": "enough seeds for a claim to be possible",
    "R08": "no pair is missing",
    "R09": "levels differ in what is compared alone",
    "R10": "no loss values across losses",
    "R11": "no naive error of folds",
    "R12": "no ranking while there are several contenders",
    "R13": "enough trials for importance",
    "R14": "the test set is opened once",
    "R15": "nothing is said about other data sets",
    "R16": "no seconds across machines",
    "R17": "the recipe lies inside of its range",
    "R18": "a general optimizer includes its special case",
    "R19": f"metric, δ, {ALPHA} and levels as before the first look",
    "R20": "no seeds or trials added after a look",
    "R21": "the search found something above noise",
    "R22": "quasi-random draws are named",
    "R23": "the parts of the data are shuffled",
}
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
    closed.sort(key=lambda gate: (_ORDER.index(gate.action), gate.code, gate.level or ""))
    blocks: list[Block] = [Text(_summary(findings), "plain")]
    if closed:
        columns = ("rule", "does", "level", "found", "fix")
        blocks.append(table(columns, [_row(gate) for gate in closed], wide=(3, 4)))
        if findings.evidence.confirm and any(gate.fix.startswith(GROWING) for gate in closed):
            blocks.append(Text(ANOTHER_LOOK, "note"))
    if open_:
        passed = table(
            ("rule", "level", "demands"),
            [_passed(gate) for gate in sorted(open_, key=lambda g: (g.code, g.level or ""))],
        )
        blocks.append(Fold(f"{number_of(len(open_), 'rule')} {plural(len(open_), 'holds', 'hold')}", (passed,)))
    return Section(2, "gates", "Gates", "Gates", tuple(blocks))


def _summary(findings: Findings) -> str:
    counts = [(sum(gate.action is action for gate in findings.gates), word) for action, word in _WORDS.items()]
    said = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"Rules that decide what this report may show: {said or 'none was checked'}."


_WORDS = {Action.REFUSE: "refuse", Action.DOWNGRADE: "weaken", Action.WARN: "warn", Action.PASS: "hold"}


def _row(gate: Gate) -> tuple[Cell, str, str, str, Cell]:
    rule = Cell(f"{gate.code}: {RULES[gate.code]}" if gate.code in RULES else gate.code)
    fix = Cell(visible(gate.fix), code="=" in gate.fix)
    return rule, _WORDS[gate.action], short(gate.level or "all", 60), visible(gate.reason), fix


def _passed(gate: Gate) -> tuple[str, str, str]:
    return gate.code, short(gate.level or "all", 60), RULES.get(gate.code, visible(gate.reason))
