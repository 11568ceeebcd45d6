"""Prints a sweep: before it starts its data, split, trials and score; afterwards its results and next commands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.config import Config, Engine
from hpsearch.config.data import Data, OwnData, TableData
from hpsearch.config.search import AdaptiveSearch, CoarseToFine, OptunaSearch
from hpsearch.config.training import Loss, PinballLoss
from hpsearch.data.splits import SplitSizes, split_sizes
from hpsearch.formatting import number_of, plural, show_number, show_value
from hpsearch.jobs import ProbeResult
from hpsearch.metrics import METRICS, POISSON_DEVIANCE, Metric, metric_of
from hpsearch.quoting import hydra_quoted, shell_quoted
from hpsearch.records import CONSTANT_LOSS, FINAL_LOSS, R2, Status
from hpsearch.scoring.score_format import Score, compare_with_baselines
from hpsearch.search.levels import Level
from hpsearch.search.narrowing import Change
from hpsearch.search.plan import Plan
from hpsearch.search.space import Choices, Dimension
from hpsearch.search.sweep_identity import SweepIdentity, started_by_option
from hpsearch.secrets import MASK, masked_keys
from hpsearch.store.champion_selection import find_champion, find_recipe, pareto_front, ranked
from hpsearch.store.record_json import Record
from hpsearch.store.specification import DataFacts
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.report import report_files, show_answers
from hpsearch.terminal.trial_table import row_of, rows_of, show_best_trials, show_front
from hpsearch.tracking.run_format import REPORT_PAGE, artifact_path, table_path

if TYPE_CHECKING:
    from hpsearch.commands.sweep import SweepResult

MANY_FITS = 300
"""Number of trainings per trial that causes a warning about the cost."""


def introduce(terminal: Terminal, named: SweepIdentity, plan: Plan, score: Score, done: int, extra_trials: int) -> None:
    """Print the name of a sweep, its data, split, search space, trials and score; see `Observer.sweep_started`."""
    config, data = plan.base.config, named.specification.data
    sizes = split_sizes(config.evaluation, data.development_rows)
    trials, fits = config.search.trials, sizes.folds * config.evaluation.replicates
    resumed = f", {done} of them finished before" if done else ""
    each = f"{fits:,} trainings of " if fits > 1 else ""
    for number, line in enumerate(named.note):
        terminal.line(f"    {line}") if number else terminal.warn(line)
    terminal.line(f"sweep {named.name}", style="bold")
    terminal.line(f"  data    {describe_data(data)}")
    if data.inputs is not None:
        terminal.line(f"  inputs  {data.inputs}")
    for sentence in data.notes:
        terminal.line(f"  read    {sentence}")
    terminal.line(f"  split   {describe_split(config, sizes)}")
    terminal.line(f"  trials  {describe_trials(plan)}{resumed}; {each}{describe_epochs(config)}")
    if len(plan.levels) > 2:
        terminal.line(f"  pairs   {describe_pairs(plan)}")
    for number, line in enumerate(describe_space(plan.levels)):
        terminal.line(f"  {'' if number else 'space':<7} {line}")
    if config.search.depends:
        terminal.line(f"  rounds  {describe_rounds(config)}")
    terminal.line(f"  score   {describe_score(config, score)}")
    for warning in _warnings(config, data, done, extra_trials):
        terminal.warn(warning)
    if fits >= MANY_FITS:
        terminal.warn(f"every trial trains {fits:,} networks, {trials * fits:,} in all")


def _warnings(config: Config, data: DataFacts, done: int, extra_trials: int) -> Iterator[str]:
    trials = config.search.trials
    if isinstance(config.search, CoarseToFine) and trials <= (short := sum(r.trials for r in config.search.rounds)):
        yield f"search.trials={trials} ends before the long trainings, which come after {short} short ones"
    yield from data.warnings
    for key in masked_keys(config.fingerprinted()) if done + extra_trials else ():
        yield f"{key} is a secret, not stored: finished trials may have had another"
    if extra_trials:
        yield f"{done + extra_trials} trials exist, more than search.trials={trials}: all of them are shown"


def show_engines(terminal: Terminal, checked: ProbeResult) -> None:
    """Print the engines, why networks cannot be batched, and what is not measured of the user's own code."""
    fleet_settings = list(checked.fleet_settings.values())
    widths = [pace.width for pace in fleet_settings if pace.engine is Engine.FLEET]
    alone = "one network at a time in each worker"
    together = f"up to {max(widths)} networks as one" if max(widths, default=1) > 1 else alone
    if len(widths) == len(fleet_settings):
        terminal.line(f"  engine  fleet: {together}")
    elif widths:
        few = f"{len(widths)} of {len(fleet_settings)} shapes of network"
        terminal.line(f"  engine  fleet for {few} ({together}), reference for the others")
    else:
        terminal.line(f"  engine  reference: {alone}")
    for problem in dict.fromkeys(pace.problem for pace in fleet_settings if pace.problem):
        terminal.warn(f"trained by the reference engine, since they cannot be batched: {problem}")
    for missing in checked.missing_signals:
        terminal.warn(f"signals are incomplete, training is not: {missing}")


def describe_trials(plan: Plan) -> str:
    """Return the number of trials; in a comparison that of each level, beside its default recipe."""
    trials, levels = plan.search.trials, plan.levels
    total = len(plan.keys(trials))
    if not plan.search.compares:
        return str(total)
    names = f"{number_of(len(levels), 'level')} ({', '.join(level.name for level in levels)})"
    if total == len(levels):
        return f"the default recipe of each of {names}"
    most = "" if total == len(levels) * (trials + 1) else "up to "
    return f"{most}{trials} and the default recipe in each of {names}"


def describe_pairs(plan: Plan) -> str:
    """Return which levels are compared with each other, and what would change that."""
    config, search = plan.base.config, plan.search
    if search.control is not None:
        return f"each level with {search.control}; search.control=null compares all pairs"
    default, names = config.options.get(search.compare or ""), [level.name for level in plan.levels]
    lacking = f", since {default}, the default, is not among them" if default and default not in names else ""
    return f"all pairs{lacking}; search.control=<level> compares each with one"


def describe_space(levels: Sequence[Level]) -> list[str]:
    """Return a line for each group whose options vary, and one for each option with its dimensions."""
    options = {group: names for level in levels for group, names in level.space.options.items()}
    lines = [f"{group}: {', '.join(names)}" for group, names in options.items()]
    dimensions: dict[str, dict[str, Dimension]] = {}
    for level in levels:
        for option, named in level.space.dimensions.items():
            dimensions.setdefault(option, {}).update(named)
    width = max(map(len, dimensions), default=0)
    for option, named in dimensions.items():
        texts = [f"{name} {describe_dimension(dimension)}" for name, dimension in named.items()]
        lines.append(f"{option:<{width}}  {'; '.join(texts)}")
    return lines


def describe_dimension(dimension: Dimension) -> str:
    """Return `0.0001 to 0.1, log`, `1 to 3`, `0.1 to 0.5 by 0.1` or `0.8, 0.9`."""
    if isinstance(dimension, Choices):
        return ", ".join(map(show_value, dimension.values))
    scale = ", log" if dimension.log else "" if dimension.step is None else f" by {show_value(dimension.step)}"
    return f"{show_value(dimension.low)} to {show_value(dimension.high)}{scale}"


def describe_change(change: Change) -> str:
    """Return `optimizer.adam.lr: 0.001 to 0.01, log (was 0.0001 to 0.1, log)`."""
    before, after = map(describe_dimension, (change.before, change.after))
    return f"{change.name}: {after}" + (" (as before)" if before == after else f" (was {before})")


def describe_epochs(config: Config) -> str:
    """Return the length of one training."""
    epochs, patience = config.training.epochs, config.training.patience
    if isinstance(config.search, CoarseToFine):
        return f"{config.search.rounds[0].epochs} to {number_of(epochs, 'epoch')} each"
    if patience is not None:
        return f"up to {number_of(epochs, 'epoch')} each, stopped early (training.patience={patience})"
    return f"{number_of(epochs, 'epoch')} each"


def describe_rounds(config: Config) -> str:
    """Return the rounds or cohorts of an adaptive search, and the rungs of its pruner."""
    search = config.search
    if isinstance(search, CoarseToFine):
        short = [f"{number_of(each.trials, 'trial')} of {number_of(each.epochs, 'epoch')}" for each in search.rounds]
        narrows = "each round narrows the ranges of the next, and drops options that did badly"
        return f"{', then '.join(short)}, then the others; {narrows}"
    text = f"cohorts of {search.cohort_size}"
    if isinstance(search, AdaptiveSearch):
        by = f" by {search.sampler.rpartition(':')[2]}" if isinstance(search, OptunaSearch) else ""
        text += f", each learns{by} from those before, from trial {search.startup} on"
    if search.prunes:
        text += f"; {search.pruner} after epoch {', '.join(map(str, search.rungs_below(config.training.epochs)))}"
    return text


def describe_data(data: DataFacts) -> str:
    """Return the data set's name, targets and numbers of rows."""
    if not data.test:
        return f"{data.name}, {data.targets}: {number_of(data.development_rows, 'row')}, no test set"
    rows = f"{number_of(data.development_rows, 'development row')}, {number_of(data.test.rows, 'sealed test row')}"
    return f"{data.name}, {data.targets}: {rows}{describe_duplicates(data.test.duplicates)}"


def describe_duplicates(duplicates: int) -> str:
    """Return a note on test rows that duplicate development rows; empty if there are none."""
    if not duplicates:
        return ""
    have = f"{duplicates:,} of them {plural(duplicates, 'has', 'have')}"
    return f" ({have} the same inputs as a development row)"


def describe_split(config: Config, sizes: SplitSizes) -> str:
    """Return the rows that a trial is trained and scored on."""
    return f"{_parts(config, sizes)}{_kept_together(config.data)}"


def _kept_together(data: Data) -> str:
    """Return why the numbers of rows are only about those of the parts; empty if they are exact."""
    if isinstance(data, OwnData) and data.groups is not None:
        return f"; about, since no {data.groups} is on both sides"
    if isinstance(data, TableData) and data.time is not None:
        return f"; about, since the latest rows by {data.time} are held out"
    return ""


def _parts(config: Config, sizes: SplitSizes) -> str:
    kind = config.options["evaluation"]
    train = describe_limit(config, sizes.train, "training row")
    if sizes.report:
        report = number_of(sizes.report, "report row")
        return f"{kind}: {train}, {number_of(sizes.val, 'val row')} for the score, {report} to quote"
    if config.evaluation.kind == "truth_table":
        return f"{kind}: trained and scored on the same {number_of(sizes.val, 'row')}"
    scored = f"{sizes.val // sizes.folds:,} later ones" if config.evaluation.kind == "time_series" else "the rest"
    return f"{kind}: {number_of(sizes.folds, 'fold')} of {train}, each scored on {scored}"


def describe_limit(config: Config, rows: int, what: str) -> str:
    """Return the number of rows, with `data.limit` if set."""
    limit, total = config.data.limit, number_of(rows, what)
    return total if limit is None else f"{min(limit, rows):,} of {total} (data.limit={limit})"


def describe_score(config: Config, score: Score) -> str:
    """Return the metric of the score, with a note if the training loss is another one."""
    if not score.negated:
        return score.name
    text = f"-{score.name}, shown as {score.name}: lower is better"
    loss = _metric_of_loss(config.loss) or score.metric
    if loss.of_classes is False and loss != score.metric and not config.search.chosen("loss"):
        text += f"; trained with loss={config.loss.kind} (search.metric={loss} would score by it)"
    return text


def _metric_of_loss(loss: Loss) -> Metric | None:
    """Return the metric that a loss of numbers minimizes; None if there is none."""
    if isinstance(loss, PinballLoss):
        return metric_of(f"pinball@{loss.quantile:g}")
    return POISSON_DEVIANCE if loss.kind == "poisson_nll" else METRICS.get(loss.kind)


SQLITE = "sqlite:///"


def explain(terminal: Terminal, score: Score, records: Sequence[Record]) -> None:
    """Explain ties, and bounds in place of standard errors."""
    champion = find_champion(records)
    if champion is None:
        return
    tied = sum(r.result.status is Status.OK and r.result.score == champion.result.score for r in records)
    if tied > 1:
        terminal.line(
            f"  {tied} trials tie for the best score: the smallest number wins, trial {row_of(score, champion).name}"
        )
    shown = [row_of(score, record).shown for record in records]
    for sign, all_are, end in (("≥", "right", "lower"), ("≤", "wrong", "upper")):
        if score.share_of and any(f"({sign} " in text for text in shown):
            rows = f"all {score.share_of:,} val {plural(score.share_of, 'row is', 'rows are')} {all_are}"
            terminal.line(f"  {sign}: {rows}; {end} end of the 95 % interval (Wilson)")


def show_sweep(terminal: Terminal, result: "SweepResult") -> None:
    """Print the table of the best trials, failures, paths, and the next commands."""
    _Closing(result, terminal).show()


@dataclass(frozen=True, slots=True)
class _Closing:
    """The closing screen of a sweep."""

    result: "SweepResult"
    terminal: Terminal

    def show(self) -> None:
        result, terminal = self.result, self.terminal
        show_best_trials(terminal, rows_of(result.score, result.records), f"{result.score.name} ± SE")
        explain(terminal, result.score, result.records)
        self._show_front()
        if result.report is None:  # which says it of fresh seeds
            self._show_baselines()
        self._warn()
        if result.report is not None:
            show_answers(terminal, result.report)
        terminal.steps("Written", self._written())
        terminal.steps("Browse", self._browse())
        terminal.steps("Next", self._next())

    def _show_front(self) -> None:
        score, objectives = self.result.score, list(map(str, self.result.config.search.objectives))
        front = pareto_front(self.result.records) if objectives else []
        if front:
            rows = rows_of(score, front)
            show_front(self.terminal, rows, f"{score.name} ± SE", objectives, len(ranked(self.result.records)))
            self.terminal.line(
                f"  the best trial is trial {rows[0].name}: {score.name} decides, costs only among equals"
            )

    def _show_baselines(self) -> None:
        """Print what baselines get on the same rows, with a warning if the best trial is not ahead of one."""
        champion, records = find_champion(self.result.records), self.result.records
        if not self.result.baselines:
            return
        best = None if champion is None else (row_of(self.result.score, champion).name, champion.result)
        told, verdict = compare_with_baselines(self.result.score, self.result.baselines, best, len(records))
        self.terminal.paragraph(told)
        if verdict:
            self.terminal.warn(verdict)

    def _warn(self) -> None:
        failed = [record for record in reversed(self.result.records) if record.result.status.retried]
        failures = {str(record.result.failure): row_of(self.result.score, record) for record in failed}
        for failure, row in sorted(failures.items(), key=lambda item: (item[1].k, item[1].level))[:3]:
            self.terminal.warn(
                f"trial {row.name}: {failure} (traceback in its run.json; the same command tries it again)"
            )
        if self.result.config.search.prunes:
            self._show_pruned()
        self._show_stalled()
        if self.result.config.evaluation.kind == "truth_table":
            self.terminal.warn(
                "scored on the rows that were trained on: this says what can be represented, not predicted"
            )

    def _show_stalled(self) -> None:
        """Warn of trials no better than a constant output, with the losses of the best of them."""
        stalled = [record for record in self.result.records if record.result.status is Status.STALLED]
        if stalled:
            names = [row_of(self.result.score, record).name for record in stalled]
            self.terminal.warn(f"stalled, cannot be champion: trial {', '.join(names[:8])}{' …' * (len(names) > 8)}")
            example = find_recipe(stalled) or stalled[0]
            self.terminal.line(f"  trial {row_of(self.result.score, example).name} is {stalled_in_words(example)}")
        best = find_recipe(self.result.records)
        r2 = None if best is None else best.result.summary.get(R2)
        if best is not None and r2 is not None and r2 < 0:
            self.terminal.warn(
                f"trial {row_of(self.result.score, best).name} is worse than predicting the mean of the scored rows: "
                f"R² {show_number(r2)}"
            )

    def _show_pruned(self) -> None:
        pruned = sum(record.result.status is Status.PRUNED for record in self.result.records)
        if not pruned:
            self.terminal.line(
                "  no trial was pruned: most rules, such as the median, compare with trials of earlier cohorts"
            )
        if pruned == len(self.result.records):
            self.terminal.warn(
                "every trial was pruned: none has a score; loosen search.pruner_options or try another pruner"
            )

    def _written(self) -> list[tuple[str, str]]:
        folder = self.result.identity.store.folder
        report = [] if self.result.report is None else report_files(self.result.report)
        lines = [*report, ("runs", relative(self.result.uri).removeprefix(SQLITE)), ("records", str(folder / "trials"))]
        best = folder / "best.yaml"
        return [*lines, ("best trial", str(best))] if best.exists() else lines

    def _browse(self) -> list[tuple[str, str]]:
        pages = [] if self.result.report is None else [("report", artifact_path(self.result.run, REPORT_PAGE))]
        pages.append(("trials", table_path(self.result.run.experiment_id)))
        if self.result.uri.startswith(("http:", "https:")):
            return [(label, self.result.uri.rstrip("/") + page) for label, page in pages]
        journal = Path(self.result.config.tracking.directory) / "optuna.journal"
        address = '"$MLFLOW_TRACKING_URI"' if MASK in self.result.uri else shell_quoted(relative(self.result.uri))
        return [
            ("MLflow", f"mlflow ui --backend-store-uri {address}"),
            *((label, f"then open http://127.0.0.1:5000{page}") for label, page in pages),
            ("Optuna", f"optuna-dashboard {shell_quoted(str(journal))}"),
        ]

    def _next(self) -> list[tuple[str, str]]:
        config, identity, command = self.result.config, self.result.identity, self.result.command
        existing = 1 + max((record.k for record in self.result.records), default=0) - config.search.compares
        trials = max(config.search.trials, existing)  # the sweep may have had more already
        steps = self._ways_out()
        if trials > 1 and existing >= config.search.trials:  # otherwise the space is exhausted
            steps.append(("go on", command.line([*command.without("search.trials"), f"search.trials={2 * trials}"])))
        if identity.specification.data.test and find_champion(self.result.records) is not None:
            only_sweep = started_by_option(config.tracking.directory, "mnist") == [identity.name]
            by_name = ["+final=sweep", f"final.sweep={hydra_quoted(identity.name)}"]
            tracking = command.only("tracking", "tracking.uri", "tracking.directory")
            steps.append(("final", command.line([*(["+final=mnist"] if only_sweep else by_name), *tracking])))
            trial = "the best trial" if trials > 1 else "it"
            reason = ", since the highest of several scores flatters" if trials > 1 else ""
            steps.append(("", f"retrains {trial} on fresh seeds{reason},"))
            steps.append(("", "then opens the sealed test set, once"))
        if MASK in self.result.uri:
            steps.append(("", "MLFLOW_TRACKING_URI must hold the address, whose password is not printed"))
        return steps or [("help", self.result.command.line(["--help"]))]

    def _ways_out(self) -> list[tuple[str, str]]:
        """Return what to try if no trial has learned anything."""
        statuses = {record.result.status for record in self.result.records}
        if Status.OK in statuses or not statuses & {Status.STALLED, Status.DIVERGED}:
            return []
        epochs = f"training.epochs={2 * self.result.config.training.epochs}"
        longer = self.result.command.line([*self.result.command.without("training.epochs", "name"), epochs])
        key = "optimizer.space.lr.low=… .high=…" if "optimizer" in self.result.config.search.tune else "optimizer.lr=…"
        rates = f"another learning rate: {key}"
        tries = [("try", longer), ("or", rates)] if Status.STALLED in statuses else [("try", rates)]
        return [*tries, ("help", self.result.command.line(["--help"]))]


def stalled_in_words(record: Record) -> str:
    """Return why a trial is stalled: `no better than predicting the mean`, with the losses."""
    loss, constant = (record.result.summary.get(key) for key in (FINAL_LOSS, CONSTANT_LOSS))
    if loss is None or constant is None:
        return f"no better than {_constant_in_words(record)}"
    return (
        f"{'hardly' if loss < constant else 'no'} better than {_constant_in_words(record)}: its training loss is "
        f"{show_number(loss)}, that of a constant {show_number(constant)}"
    )


def _constant_in_words(record: Record) -> str:
    """Return what a trial's training loss is compared with, see `nn.constant_output`."""
    kind = record.config_tree["loss"]["kind"]
    if kind in ("custom", "huber", "multi_margin"):
        return "the best constant output"
    if kind == "perceptron":
        return "always naming the larger class"
    if R2 not in record.result.summary:
        of = "labels" if record.config_tree["data"]["task"] == "multilabel" else "classes"
        return f"guessing by the shares of the {of}"
    which = {"mae": "median", "pinball": "quantile"}.get(kind, "mean")
    return f"the {which} row" if record.config_tree["data"]["task"] == "autoencoder" else f"predicting the {which}"


def relative(uri: str) -> str:
    """Return a SQLite address relative to the current folder, if it is below it."""
    path = Path(uri.removeprefix(SQLITE))
    below = uri.startswith(SQLITE) and path.is_relative_to(Path.cwd())
    return f"{SQLITE}{path.relative_to(Path.cwd())}" if below else uri
