"""The first screen of a comparison in texts: pages, the terminal, notebooks and MLflow show the same ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from hpsearch.analysis.comparison.levels import order_of
from hpsearch.analysis.comparison.verdict import ClaimKind
from hpsearch.analysis.evidence import Design
from hpsearch.analysis.findings import Findings, Standing
from hpsearch.analysis.standings import FEW_TRIALS, MORE_TRIALS
from hpsearch.formatting import capital, listed, plural, show_number, show_value, visible
from hpsearch.metrics import Metric
from hpsearch.quoting import command_line
from hpsearch.report.blocks import DASH, Block, Cell, Commands, Table, Text, table
from hpsearch.report.levels import (
    against_control,
    how_compared,
    is_sole_contender,
    parameter_names,
    share_error,
    titles,
)
from hpsearch.report.number_format import format_like, interval, percent
from hpsearch.store.sweep_store import recipe_name


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """What is read first, wherever it is shown.

    Attributes:
        status: `claim`, `equivalent`, `inconclusive`, `refused` or `exploratory`.
        sentence: What to use, how sure that is, and what to avoid.
        standings: Every option.
        settle: What would settle what is open; empty if nothing is, or nobody knows.
        command: That does so; empty if none is known.
        baselines: What models that are no networks get on the same rows; empty if none were trained.
    """

    status: str
    sentence: str
    standings: Table
    settle: str
    command: str
    baselines: str = ""

    @classmethod
    def of(cls, findings: Findings) -> Self | None:
        """The first screen of a comparison; None where one level is all there is."""
        head = findings.headline
        if head is None:
            return None
        table, beside = standings_table(findings), beside_baselines(findings)
        return cls(head.status, head.sentence, table, head.settle, head.command, beside)

    @property
    def next_step(self) -> list[Block]:
        """How networks stand beside other models, and what would settle what is open, with its command."""
        blocks: list[Block] = [Text(text) for text in (self.baselines, self.settle) if text]
        return [*blocks, Commands((self.command,))] if self.command else blocks


def beside_baselines(findings: Findings) -> str:
    """What models that are no networks get on the rows of the search, and which of them no network is ahead of.

    Empty if no baselines were trained.
    """
    design, scores = findings.evidence.design, findings.evidence.baselines
    if not scores:
        return ""
    ordered = sorted(scores, key=lambda label: -scores[label])
    told = ", ".join(f"{label} {_searched(design, scores[label])}" for label in ordered)
    where = "On the same report rows" if design.rows.get("report") else "On the folds of the search"
    sentence = f"{where}, by {design.metric.name}: {told}."
    best = _best_score(findings)
    ahead = [label for label in ordered if scores[label] >= best]
    if not ahead:
        return sentence
    first = capital(listed(ahead))
    verb = plural(len(ahead), "does", "do")
    return f"{first} {verb} no worse than the best network: so far a network does not pay off. {sentence}"


def _best_score(findings: Findings) -> float:
    """The highest mean score on fresh seeds; without any, the score of the best trial on report rows, or its own."""
    means = [row.mean for row in _rows(findings) if math.isfinite(row.mean)]
    trials = [row for row in findings.evidence.trials if math.isfinite(row.val)]
    if means or not trials:
        return max(means, default=math.nan)
    best = max(trials, key=lambda row: row.val)
    return best.report if math.isfinite(best.report) else best.val


def standings_table(findings: Findings) -> Table:
    """Every option, the highest mean on fresh seeds first; without columns that say nothing of any of them."""
    rows = _rows(findings)
    design, named = findings.evidence.design, titles(findings, 32)
    metric = design.metric
    against, apart = against_control(findings), len({row.n for row in rows if row.n}) > 1
    group = f"against {named[design.control]}" if design.control is not None else "group"
    several, few = any(row.n > 1 for row in rows), any(math.isfinite(row.after_few) for row in rows)
    columns: list[tuple[str, list[Cell | str]]] = [
        ("option", [Cell(named[row.level], strong=is_sole_contender(findings, row.level)) for row in rows]),
        (
            f"{metric.name} on fresh seeds{' [95 %]' if several else ''}{' (seeds)' * apart}",
            [_mean(metric, row, apart=apart) for row in rows],
        ),
        ("worst seed", [_worst(metric, row) if several else DASH for row in rows]),
        (group, [against.get(row.level, row.letters) for row in rows]),
        ("at most behind the best by", [_behind(row) for row in rows]),
        ("mean of its trials", [DASH if few else _searched(design, row.after_one) for row in rows]),
        (f"after {FEW_TRIALS} trials", [_searched(design, row.after_few) for row in rows]),
        ("diverged or stalled", [f"{row.failed} of {row.trials}" if row.trials else DASH for row in rows]),
    ]
    better = "Lower" if metric.lower_is_better else "Higher"
    typical = any(row.typical != row.mean for row in rows if math.isfinite(row.mean))
    left_out = " Means are of the seeds that trained; the order is that of all seeds." if typical else ""
    shared = " Differences are of the seeds that both have." if apart else ""
    caption = f"{better} is better. {how_compared(findings)}{shared}{left_out}"
    return _table(columns, caption, len(rows))


def tuning_table(findings: Findings) -> Table | None:
    """How easily each option is tuned, in the same order; None without a search."""
    rows = [row for row in _rows(findings) if row.trials]
    if not rows:
        return None
    design, named = findings.evidence.design, titles(findings, 32)
    near = "its best" if design.delta is None else f"{design.delta:g} of its best"
    columns: list[tuple[str, list[Cell | str]]] = [
        ("option", [named[row.level] for row in rows]),
        ("untuned", [_searched(design, row.untuned) for row in rows]),
        (f"after {MORE_TRIALS} trials", [_searched(design, row.after_more) for row in rows]),
        (f"trials within {near}", [percent(row.good) for row in rows]),
        ("good range", [_main(row) for row in rows]),
        ("chosen recipe", [_recipe(findings, row) for row in rows]),
    ]
    caption = "How easy each is to tune, by the search; untuned is one training of the default recipe."
    return _table(columns, caption, len(rows), wide=("good range", "chosen recipe"))


def recipe_command(findings: Findings) -> list[Block]:
    """How the recipe of the option to use is trained again; empty where no file of it is known."""
    rows, control = [row for row in _rows(findings) if row.recipe is not None], findings.evidence.design.control
    ahead = {order_of(pair)[0] for pair in findings.pairs if pair.claim != ClaimKind.NONE}
    recommended = [row for row in rows if control is None or row.level == control or row.level in ahead]
    first = next(iter(recommended or rows), None)
    folder = findings.evidence.folder
    if first is None or not folder:
        return []
    command = command_line(["--config-dir", folder, "--config-name", recipe_name(first.level)])
    lies = "Each recipe is a file in the folder of the sweep"
    return [Text(f"{lies}; that of {visible(first.level)} is trained again by"), Commands((command,))]


def _rows(findings: Findings) -> Sequence[Standing]:
    return () if findings.headline is None else findings.headline.standings


def _table(columns: Sequence[tuple[str, list[Cell | str]]], caption: str, rows: int, wide: Sequence[str] = ()) -> Table:
    """Without columns in which every cell is empty or a dash."""
    told = [(name, texts) for name, texts in columns if any(text not in ("", DASH) for text in texts)]
    names = [name for name, _ in told]
    long = [at for at, name in enumerate(names) if name in wide]
    numbers = [at for at in range(1, len(names)) if at not in long]
    shown = table(names, [[texts[at] for _, texts in told] for at in range(rows)], caption, numbers=numbers, wide=long)
    return replace(shown, cards=True)


def _mean(metric: Metric, row: Standing, *, apart: bool) -> str:
    """Of the seeds that trained, with how many did not; the mean of all seeds where most did not.

    With the number of seeds where options have had different ones.
    """
    if not row.n:
        return DASH
    if math.isnan(row.mean):
        return f"{row.failed_seeds} of {row.n} seeds diverged"
    low, high = sorted(map(metric.score, row.around))
    seeds = f" ({row.n})" if apart else ""
    lost = f"; {row.failures.count} of {row.n} {row.failures.word}" if row.failures.count else seeds
    return f"{interval(metric.score(row.typical), (low, high))}{lost}"


def _worst(metric: Metric, row: Standing) -> str:
    if math.isnan(row.worst):
        return DASH
    return "diverged" if row.failed_seeds else format_like(metric.score(row.worst), row.around)


def _behind(row: Standing) -> str:
    return DASH if math.isnan(row.behind) else format_like(row.behind, row.around) if row.behind else "0"


def _searched(design: Design, score: float) -> str:
    """A score of the search, with the digits that its rows support."""
    if math.isnan(score):
        return DASH
    if math.isinf(score):
        return "diverged"
    part = "report" if design.rows.get("report") else "val"
    error = share_error(design, score, part)
    value = design.metric.score(score)
    return show_number(value) if not error else format_like(value, (value - 2 * error, value + 2 * error))


def _main(row: Standing) -> str:
    if row.main is None:
        return DASH
    name, low, high = row.main
    return f"{visible(name.rsplit('.', 1)[-1])} {show_value(low)} to {show_value(high)}"


def _recipe(findings: Findings, row: Standing) -> str:
    """Number of the trial, and what it drew beyond the option itself."""
    settings = next(one.settings for one in findings.evidence.design.levels if one.name == row.level)
    drawn = {key: value for key, value in row.drawn.items() if key not in settings}
    names = parameter_names([*drawn], 40)
    values = ", ".join(f"{names[key]}={show_value(value)}" for key, value in drawn.items())  # type: ignore[arg-type]
    return DASH if row.recipe is None else f"trial {row.recipe}{f': {visible(values)}' if values else ''}"
