"""What a sweep prints before it starts and after it has ended."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.cli.naming import Named, started_by_option
from hpsearch.cli.scores import Score
from hpsearch.config import Config, Engine
from hpsearch.config.data import CsvData, Data
from hpsearch.config.sweep import AdaptiveSearch
from hpsearch.data.columns import describe_columns, identifiers
from hpsearch.data.rows import Development
from hpsearch.data.splits import SplitSizes, split_sizes
from hpsearch.jobs import Checked
from hpsearch.quoting import command_line, hydra_quoted, list_override, shell_quoted
from hpsearch.records import Status
from hpsearch.search.champion import find_champion
from hpsearch.search.trial_records import Record
from hpsearch.terminal import Terminal
from hpsearch.tracking.runs import SweepRun, table_path

SQLITE = "sqlite:///"
MANY_FITS = 300
"""Trainings of one trial from which on its cost is worth a warning."""


def introduce(terminal: Terminal, named: Named, config: Config, score: Score, done: int, existing: int) -> None:
    """Prints which sweep this is, on which data, how they are split, what one trial costs, and what its score is.

    Args:
        terminal: Where.
        named: The sweep.
        config: With no option varied.
        score: What trials are scored by.
        done: Trials that are finished, of those that are asked for.
        existing: Trials that the sweep has in all.
    """
    data = named.specification["data"]
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
    terminal.line(f"  split   {describe_split(config, sizes)}")
    terminal.line(f"  trials  {trials}{resumed}; {each}{describe_epochs(config)}")
    if config.search.cohort_size is not None:
        terminal.line(f"  rounds  {describe_rounds(config)}")
    terminal.line(f"  score   {describe_score(config, score)}")
    if "identifiers" in data:
        terminal.warn(data["identifiers"])
    if existing > trials:
        terminal.warn(f"{existing} trials exist, more than search.trials={trials}: all of them are shown")
    if fits >= MANY_FITS:
        terminal.warn(f"every trial trains {fits:,} networks, {trials * fits:,} in all")


def tell_engines(terminal: Terminal, checked: Checked) -> None:
    """Which engine trains, and who cannot train in a fleet and why."""
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


def describe_epochs(config: Config) -> str:
    """How long one training is."""
    epochs, patience = config.training.epochs, config.training.patience
    if patience is not None:
        return f"up to {epochs} epochs each, stopped early (training.patience={patience})"
    return f"{epochs} epoch{'s' if epochs > 1 else ''} each"


def describe_rounds(config: Config) -> str:
    """How trials learn from each other, and when they are judged."""
    search = config.search
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
        return f"{data['name']}, {targets}: {data['development_rows']:,} rows, no test set"
    rows = f"{data['development_rows']:,} development rows, {test['rows']:,} sealed test rows"
    return f"{data['name']}, {targets}: {rows}{describe_duplicates(test['duplicates'])}"


def tell_columns(rows: Development, data: Data) -> dict[str, str]:
    """What `sweep.json` keeps of the columns of a user's own table, as sentences."""
    if not isinstance(data, CsvData):
        return {}
    found, names = {"inputs": describe_columns(rows.columns)}, identifiers(rows.columns, rows.inputs)
    if names:
        holds = f"column {names[0]} holds" if len(names) == 1 else f"columns {', '.join(names)} hold"
        way_out = list_override("data.drop", [*data.drop, *names])
        found["identifiers"] = f"{holds} whole numbers that all differ, as identifiers do; to leave them out: {way_out}"
    return found


def describe_duplicates(duplicates: int) -> str:
    """What is appended to the number of test rows where some of them are known to the search."""
    if not duplicates:
        return ""
    have = "1 of them has" if duplicates == 1 else f"{duplicates:,} of them have"
    return f" ({have} the same inputs as a development row)"


def describe_split(config: Config, sizes: SplitSizes) -> str:
    """Which rows a trial is trained and scored on."""
    kind = config.options["evaluation"]
    train = describe_limit(config, sizes.train, "training rows")
    if sizes.report:
        return f"{kind}: {train}, {sizes.val:,} val rows for the score, {sizes.report:,} report rows to quote"
    if config.evaluation.kind == "truth_table":
        return f"{kind}: trained and scored on the same {sizes.val:,} rows"
    return f"{kind}: {sizes.folds:,} folds of {train}, each scored on the rest"


def describe_limit(config: Config, rows: int, what: str) -> str:
    """How many rows are trained on, of how many there are."""
    limit = config.data.limit
    return f"{rows:,} {what}" if limit is None else f"{min(limit, rows):,} of {rows:,} {what} (data.limit={limit})"


def describe_score(config: Config, score: Score) -> str:
    """What the score is, and that it may be something else than the loss."""
    if not score.negated:
        return score.name
    text = f"-{score.name}, shown as {score.name}: lower is better"
    loss = config.loss.kind
    if loss in ("mse", "mae") and loss != score.metric and not config.search.choose.loss:
        text += f"; trained with loss={loss} (search.metric={loss} would score by it)"
    return text


def explain(terminal: Terminal, score: Score, records: Sequence[Record]) -> None:
    """What a reader of the table may stumble over: ties, and bounds in place of errors."""
    champion = find_champion(records)
    if champion is None:
        return
    tied = sum(r.result.status is Status.OK and r.result.score == champion.result.score for r in records)
    if tied > 1:
        terminal.line(f"  {tied} trials tie for the best score: the smallest number wins, trial {champion.k}")
    shown = [score.row(record).shown for record in records]
    for sign, all_are, end in (("≥", "right", "lower"), ("≤", "wrong", "upper")):
        if score.share_of and any(f"({sign} " in text for text in shown):
            rows = f"all {score.share_of:,} val rows are {all_are}"
            terminal.line(f"  {sign}: {rows}; {end} end of the 95 % interval (Wilson)")


@dataclass(frozen=True, slots=True)
class Closing:
    """What the closing screen of a sweep tells."""

    named: Named
    config: Config
    score: Score
    records: Sequence[Record]
    command: Namespace
    uri: str
    run: SweepRun

    def show(self, terminal: Terminal) -> None:
        """Prints the table of the best trials, what failed, the paths, and the next commands."""
        terminal.best_trials([self.score.row(record) for record in self.records], f"{self.score.name} ± SE")
        explain(terminal, self.score, self.records)
        self._warn(terminal)
        terminal.steps("Written", self._written())
        terminal.steps("Browse", self._browse())
        terminal.steps("Next", self._next())

    def _warn(self, terminal: Terminal) -> None:
        failures = {str(r.result.failure): r.k for r in reversed(self.records) if r.result.status.retried}
        for failure, k in sorted(failures.items(), key=lambda item: item[1])[:3]:
            terminal.warn(f"trial {k}: {failure} (traceback in its run.json; the same command tries it again)")
        if self.config.search.prunes:
            self._tell_pruned(terminal)
        stalled = [str(record.k) for record in self.records if record.result.status is Status.STALLED]
        if stalled:
            few = ", ".join(stalled[:8]) + (" …" if len(stalled) > 8 else "")
            terminal.warn(
                f"stalled: hardly better than a constant guess at the end of training, cannot be champion: trial {few}"
            )
        if self.config.evaluation.kind == "truth_table":
            terminal.warn("scored on the rows that were trained on: this says what can be represented, not predicted")

    def _tell_pruned(self, terminal: Terminal) -> None:
        """What a pruner that took all or none leaves a person to wonder about."""
        pruned = sum(record.result.status is Status.PRUNED for record in self.records)
        if not pruned:
            terminal.line(
                "  no trial was pruned: most rules, such as the median, compare with trials of earlier cohorts"
            )
        if pruned == len(self.records):
            terminal.warn(
                "every trial was pruned: none has a score; loosen search.pruner_options or try another pruner"
            )

    def _written(self) -> list[tuple[str, str]]:
        folder = self.named.store.folder
        lines = [("runs", relative(self.uri).removeprefix(SQLITE)), ("records", str(folder / "trials"))]
        best = folder / "best.yaml"
        return [*lines, ("best trial", str(best))] if best.exists() else lines

    def _browse(self) -> list[tuple[str, str]]:
        page = table_path(self.run.experiment_id)
        if self.uri.startswith(("http:", "https:")):
            return [("MLflow", self.uri.rstrip("/") + page)]
        journal = Path(self.config.tracking.directory) / "optuna.journal"
        return [
            ("MLflow", f"mlflow ui --backend-store-uri {shell_quoted(relative(self.uri))}"),
            ("", f"then open http://127.0.0.1:5000{page}"),
            ("Optuna", f"optuna-dashboard {shell_quoted(str(journal))}"),
        ]

    def _next(self) -> list[tuple[str, str]]:
        trials = max(self.config.search.trials, len(self.records))
        steps = self._ways_out()
        if trials > 1:
            steps.append(("go on", self._command(*self._overrides_but("search.trials"), f"search.trials={2 * trials}")))
        if self.named.specification["data"]["test"] and find_champion(self.records) is not None:
            steps.append(("final", self._command(*self._final(), *self._tracking())))
            which = "the best trial" if trials > 1 else "it"
            why = ", since the highest of several scores flatters" if trials > 1 else ""
            steps.append(("", f"retrains {which} on fresh seeds{why},"))
            steps.append(("", "then opens the sealed test set, once"))
        return steps or [("help", self._command("--help"))]

    def _ways_out(self) -> list[tuple[str, str]]:
        """What to try where no trial has learned anything."""
        statuses = {record.result.status for record in self.records}
        if Status.OK in statuses or not statuses & {Status.STALLED, Status.DIVERGED}:
            return []
        epochs = f"training.epochs={2 * self.config.training.epochs}"
        longer = self._command(*self._overrides_but("training.epochs", "name"), epochs)
        key = "optimizer.space.lr.low=… .high=…" if "optimizer" in self.config.search.tune else "optimizer.lr=…"
        rates = f"another learning rate: {key}"
        tries = [("try", longer), ("or", rates)] if Status.STALLED in statuses else [("try", rates)]
        return [*tries, ("help", self._command("--help"))]

    def _overrides_but(self, *keys: str) -> list[str]:
        return [each for each in self.command.overrides if key_of(each) not in keys]

    def _final(self) -> list[str]:
        only = started_by_option(self.config.tracking.directory, "mnist")
        if only == [self.named.name]:
            return ["+final=mnist"]
        return ["+final=sweep", f"final.sweep={hydra_quoted(self.named.name)}"]

    def _tracking(self) -> list[str]:
        return [each for each in self.command.overrides if key_of(each).startswith("tracking.")]

    def _command(self, *overrides: str) -> str:
        flags = [] if self.command.config_dir is None else ["--config-dir", str(self.command.config_dir)]
        if self.command.config_name != "config":
            flags += ["--config-name", self.command.config_name]
        return command_line([*flags, *overrides])


def key_of(override: str) -> str:
    """What an override sets, with or without a plus: `search.trials` of `++search.trials=2`."""
    return override.lstrip("+").partition("=")[0].strip()


def relative(uri: str) -> str:
    """A SQLite address relative to the current folder where it lies below it."""
    path = Path(uri.removeprefix(SQLITE))
    below = uri.startswith(SQLITE) and path.is_relative_to(Path.cwd())
    return f"{SQLITE}{path.relative_to(Path.cwd())}" if below else uri
