"""What a sweep prints before it starts: which one, on which data, how it is split, and what is scored."""

from collections.abc import Iterator, Sequence
from typing import Any

from hpsearch.cli.naming import Named
from hpsearch.cli.scores import Score
from hpsearch.config import Config, Engine
from hpsearch.config.data import CsvData, Data, OwnData
from hpsearch.config.sweep import AdaptiveSearch, CoarseToFine
from hpsearch.data.columns import Column, constants, describe_columns, identifiers, name_columns
from hpsearch.data.rows import Development
from hpsearch.data.splits import SplitSizes, split_sizes
from hpsearch.jobs import Checked
from hpsearch.quoting import list_override
from hpsearch.search.levels import Level
from hpsearch.search.plan import Plan
from hpsearch.secrets import masked_keys
from hpsearch.space import Choices, Dimension
from hpsearch.terminal import Terminal
from hpsearch.wording import number_of, plural, show_value

MANY_FITS = 300
"""Trainings of one trial from which on its cost is worth a warning."""


def introduce(terminal: Terminal, named: Named, plan: Plan, score: Score, done: int, surplus: int) -> None:
    """Prints which sweep this is, on which data, how they are split, what trials draw and cost, and what they score.

    Args:
        terminal: Where.
        named: The sweep.
        plan: What it is.
        score: What trials are scored by.
        done: Trials that are finished, of those that are asked for.
        surplus: Finished trials that are not asked for.
    """
    config, data = plan.base.config, named.specification["data"]
    sizes = split_sizes(config.evaluation, data["development_rows"])
    trials, fits = config.search.trials, sizes.folds * config.evaluation.replicates
    resumed = f", {done} of them finished before" if done else ""
    each = f"{fits:,} trainings of " if fits > 1 else ""
    for at, line in enumerate(named.note):
        terminal.line(f"    {line}") if at else terminal.warn(line)
    terminal.line(f"sweep {named.name}", style="bold")
    terminal.line(f"  data    {describe_data(data)}")
    if "inputs" in data:
        terminal.line(f"  inputs  {data['inputs']}")
    for sentence in data.get("notes", ()):
        terminal.line(f"  read    {sentence}")
    terminal.line(f"  split   {describe_split(config, sizes)}")
    terminal.line(f"  trials  {describe_trials(plan)}{resumed}; {each}{describe_epochs(config)}")
    for at, line in enumerate(describe_space(plan.levels)):
        terminal.line(f"  {'' if at else 'space':<7} {line}")
    if config.search.depends:
        terminal.line(f"  rounds  {describe_rounds(config)}")
    terminal.line(f"  score   {describe_score(config, score)}")
    if isinstance(config.search, CoarseToFine) and trials <= (short := sum(r.trials for r in config.search.rounds)):
        terminal.warn(f"search.trials={trials} ends before the long trainings, which come after {short} short ones")
    for sentence in data.get("warnings", ()):
        terminal.warn(sentence)
    for sentence in _about_finished(config, done, surplus):
        terminal.warn(sentence)
    if fits >= MANY_FITS:
        terminal.warn(f"every trial trains {fits:,} networks, {trials * fits:,} in all")


def _about_finished(config: Config, done: int, surplus: int) -> Iterator[str]:
    """What is to be known of trials that are finished."""
    if done + surplus:
        for key in masked_keys(config.covered()):
            yield f"{key} is a secret, not stored: finished trials may have had another"
    if surplus:
        yield f"{done + surplus} trials exist, more than search.trials={config.search.trials}: all of them are shown"


def tell_engines(terminal: Terminal, checked: Checked) -> None:
    """Which engine trains, who cannot train in a fleet and why, and what of the user's own code is not measured."""
    paces = list(checked.paces.values())
    widths = [pace.width for pace in paces if pace.engine is Engine.FLEET]
    alone = "one network at a time in each worker"
    together = f"up to {max(widths)} networks as one" if max(widths, default=1) > 1 else alone
    if len(widths) == len(paces):
        terminal.line(f"  engine  fleet: {together}")
    elif widths:
        few = f"{len(widths)} of {len(paces)} shapes of network"
        terminal.line(f"  engine  fleet for {few} ({together}), reference for the others")
    else:
        terminal.line(f"  engine  reference: {alone}")
    for problem in dict.fromkeys(pace.problem for pace in paces if pace.problem):
        terminal.warn(f"trained by the reference engine, since they cannot be batched: {problem}")
    for missing in checked.missing_signals:
        terminal.warn(f"signals are incomplete, training is not: {missing}")


def describe_trials(plan: Plan) -> str:
    """How many trials there are; where levels are compared, in each of them, beside its default recipe."""
    trials, levels = plan.search.trials, plan.levels
    total = len(plan.keys(trials))
    if not plan.search.compares:
        return str(total)
    names = f"{number_of(len(levels), 'level')} ({', '.join(level.name for level in levels)})"
    if total == len(levels):
        return f"the default recipe of each of {names}"
    most = "" if total == len(levels) * (trials + 1) else "up to "
    return f"{most}{trials} and the default recipe in each of {names}"


def describe_space(levels: Sequence[Level]) -> list[str]:
    """What trials draw: the options of each group that varies, then a line for each option with the scale of ranges."""
    options = {group: names for level in levels for group, names in level.space.options.items()}
    lines = [f"{group}: {', '.join(names)}" for group, names in options.items()]
    dimensions: dict[str, dict[str, Dimension]] = {}
    for level in levels:
        for option, named in level.space.dimensions.items():
            dimensions.setdefault(option, {}).update(named)
    width = max(map(len, dimensions), default=0)
    drawn = {
        option: "; ".join(f"{name} {describe_dimension(dimension)}" for name, dimension in named.items())
        for option, named in dimensions.items()
    }
    return [*lines, *(f"{option:<{width}}  {text}" for option, text in drawn.items())]


def describe_dimension(dimension: Dimension) -> str:
    """`0.0001 to 0.1, log`, `1 to 3`, `0.1 to 0.5 by 0.1` or `0.8, 0.9`."""
    if isinstance(dimension, Choices):
        return ", ".join(map(show_value, dimension.values))
    scale = ", log" if dimension.log else "" if dimension.step is None else f" by {show_value(dimension.step)}"
    return f"{show_value(dimension.low)} to {show_value(dimension.high)}{scale}"


def describe_epochs(config: Config) -> str:
    """How long one training is."""
    epochs, patience = config.training.epochs, config.training.patience
    if isinstance(config.search, CoarseToFine):
        return f"{config.search.rounds[0].epochs} to {number_of(epochs, 'epoch')} each"
    if patience is not None:
        return f"up to {number_of(epochs, 'epoch')} each, stopped early (training.patience={patience})"
    return f"{number_of(epochs, 'epoch')} each"


def describe_rounds(config: Config) -> str:
    """How trials learn from each other, and when they are judged."""
    search = config.search
    if isinstance(search, CoarseToFine):
        short = [f"{number_of(each.trials, 'trial')} of {number_of(each.epochs, 'epoch')}" for each in search.rounds]
        narrows = "each round narrows the ranges of the next, and drops options that did badly"
        return f"{', then '.join(short)}, then the others; {narrows}"
    learns = (
        f", each learns from those before, from trial {search.startup} on" if isinstance(search, AdaptiveSearch) else ""
    )
    parts = [f"cohorts of {search.cohort_size}{learns}"]
    if search.prunes:
        rungs = search.rungs_below(config.training.epochs)
        parts.append(f"{search.pruner} after epoch {', '.join(map(str, rungs))}")
    return "; ".join(parts)


def describe_data(data: dict[str, Any]) -> str:
    """One line about the rows of a sweep."""
    test, targets = data["test"], data["targets"]
    if not test:
        return f"{data['name']}, {targets}: {number_of(data['development_rows'], 'row')}, no test set"
    rows = f"{number_of(data['development_rows'], 'development row')}, {number_of(test['rows'], 'sealed test row')}"
    return f"{data['name']}, {targets}: {rows}{describe_duplicates(test['duplicates'])}"


def tell_columns(rows: Development, data: Data) -> dict[str, Any]:
    """What `sweep.json` keeps of the contents of a user's own file, as sentences."""
    found: dict[str, Any] = {"notes": list(rows.notes)} if rows.notes else {}
    if not isinstance(data, OwnData) or rows.images:
        return found
    columns, warnings = rows.columns or [Column(str(at), 1) for at in range(rows.inputs.shape[1])], []
    if rows.columns:
        found["inputs"] = describe_columns(columns)
    if isinstance(data, CsvData) and (names := identifiers(columns, rows.inputs)):
        way_out = list_override("data.drop", [*data.drop, *names])
        holds = _hold(names)
        warnings.append(f"{holds} whole numbers that all differ, as identifiers do; to leave them out: {way_out}")
    if names := constants(columns, rows.inputs):
        warnings.append(f"{_hold(names)} one value in every development row: nothing can be learned from that")
    return found | ({"warnings": warnings} if warnings else {})


def _hold(names: list[str]) -> str:
    return f"{plural(len(names), 'column')} {name_columns(names)} {plural(len(names), 'holds', 'hold')}"


def describe_duplicates(duplicates: int) -> str:
    """What is appended to the number of test rows where some of them are known to the search."""
    if not duplicates:
        return ""
    have = f"{duplicates:,} of them {plural(duplicates, 'has', 'have')}"
    return f" ({have} the same inputs as a development row)"


def describe_split(config: Config, sizes: SplitSizes) -> str:
    """Which rows a trial is trained and scored on."""
    kind = config.options["evaluation"]
    train = describe_limit(config, sizes.train, "training row")
    if sizes.report:
        report = number_of(sizes.report, "report row")
        return f"{kind}: {train}, {number_of(sizes.val, 'val row')} for the score, {report} to quote"
    if config.evaluation.kind == "truth_table":
        return f"{kind}: trained and scored on the same {number_of(sizes.val, 'row')}"
    return f"{kind}: {number_of(sizes.folds, 'fold')} of {train}, each scored on the rest"


def describe_limit(config: Config, rows: int, what: str) -> str:
    """How many rows are trained on, of how many there are."""
    limit, of_them = config.data.limit, number_of(rows, what)
    return of_them if limit is None else f"{min(limit, rows):,} of {of_them} (data.limit={limit})"


def describe_score(config: Config, score: Score) -> str:
    """What the score is, and that it may be something else than the loss."""
    if not score.negated:
        return score.name
    text = f"-{score.name}, shown as {score.name}: lower is better"
    loss = config.loss.kind
    if loss in ("mse", "mae") and loss != score.metric and not config.search.choose.loss:
        text += f"; trained with loss={loss} (search.metric={loss} would score by it)"
    return text
