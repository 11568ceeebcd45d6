"""What a sweep prints before it starts and after it has ended."""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.cli.naming import Named, hydra_quoted, started_by_option
from hpsearch.cli.watching import score_metric, to_row
from hpsearch.config import Config
from hpsearch.config.sweep import KFold, RepeatedKFold
from hpsearch.metrics import LOWER_IS_BETTER
from hpsearch.records import Status
from hpsearch.search.champion import find_champion
from hpsearch.search.trial_records import Record
from hpsearch.terminal import Terminal
from hpsearch.tracking.runs import SweepRun, table_path

PROGRAM = "python -m hpsearch"
SQLITE = "sqlite:///"
MANY_FITS = 300
"""Trainings of one trial from which on its cost is worth a warning."""


def introduce(terminal: Terminal, named: Named, config: Config, done: int) -> None:
    """Prints which sweep this is, on which data, how much of it is done, and what one trial costs."""
    data = named.specification["data"]
    trials, fits = config.search.trials, fits_of_a_trial(config, data["development_rows"])
    resumed = f", {done} of them finished before" if done else ""
    epochs = f"{config.training.epochs} epoch{'s' if config.training.epochs > 1 else ''}"
    each = f"{fits:,} trainings of {epochs} each" if fits > 1 else f"{epochs} each"
    terminal.line(f"sweep {named.name}", style="bold")
    terminal.line(f"  data    {describe_data(data)}")
    terminal.line(f"  trials  {trials}{resumed}; {each}; scored by {config.options['evaluation']}")
    if named.note:
        terminal.warn(named.note)
    if fits >= MANY_FITS:
        terminal.warn(f"every trial trains {fits:,} networks, {trials * fits:,} in all")


def fits_of_a_trial(config: Config, rows: int) -> int:
    """How many trainings one trial takes: folds times repeats times replicates."""
    evaluation = config.evaluation
    folds = evaluation.folds if isinstance(evaluation, KFold) else (rows if evaluation.kind == "loocv" else 1)
    repeats = evaluation.repeats if isinstance(evaluation, RepeatedKFold) else 1
    return folds * repeats * evaluation.replicates


def describe_data(data: dict[str, Any]) -> str:
    """One line about the rows of a sweep."""
    test, targets = data["test"], data["targets"]
    if not test:
        rows = data["development_rows"]
        return f"{data['name']}, {targets}: {rows:,} rows, trained and scored on the same rows, no test set"
    twice = f", {test['duplicates']} of them also among the former" if test["duplicates"] else ""
    rows = f"{data['development_rows']:,} development rows, {test['rows']:,} sealed test rows{twice}"
    return f"{data['name']}, {targets}: {rows}"


@dataclass(frozen=True, slots=True)
class Closing:
    """What the closing screen of a sweep tells."""

    named: Named
    config: Config
    records: Sequence[Record]
    command: Namespace
    uri: str
    run: SweepRun

    def show(self, terminal: Terminal) -> None:
        """Prints the table of the best trials, what failed, the paths, and the next commands."""
        rows = [to_row(record) for record in self.records]
        metric = score_metric(self.records)
        sign = "-" if metric in LOWER_IS_BETTER else ""
        has_report = any(row.report is not None for row in rows)
        terminal.best_trials(rows, f"{sign}val/{metric} ± SE", "report" if has_report else None)
        self._warn(terminal)
        terminal.steps("Written", self._written())
        terminal.steps("Browse", self._browse())
        terminal.steps("Next", self._next())

    def _warn(self, terminal: Terminal) -> None:
        failures = {str(r.result.failure): r.k for r in reversed(self.records) if r.result.status.retried}
        for failure, k in sorted(failures.items(), key=lambda item: item[1])[:3]:
            terminal.warn(f"trial {k}: {failure} (traceback in its run.json; the same command tries it again)")
        stalled = [str(record.k) for record in self.records if record.result.status is Status.STALLED]
        if stalled:
            few = ", ".join(stalled[:8]) + (" …" if len(stalled) > 8 else "")
            terminal.warn(
                f"stalled: hardly better than a constant guess at the end of training, cannot be champion: trial {few}"
            )
        if self.named.specification["data"]["test"] is None:
            terminal.warn("scored on the rows that were trained on: this says what can be represented, not predicted")

    def _written(self) -> list[tuple[str, str]]:
        folder = self.named.store.folder
        lines = [("runs", _relative(self.uri).removeprefix(SQLITE)), ("records", str(folder / "trials"))]
        best = folder / "best.yaml"
        return [*lines, ("best trial", str(best))] if best.exists() else lines

    def _browse(self) -> list[tuple[str, str]]:
        page = table_path(self.run.experiment_id)
        if self.uri.startswith(("http:", "https:")):
            return [("MLflow", self.uri.rstrip("/") + page)]
        journal = Path(self.config.tracking.directory) / "optuna.journal"
        return [
            ("MLflow", f"mlflow ui --backend-store-uri {shlex.quote(_relative(self.uri))}"),
            ("", f"then open http://127.0.0.1:5000{page}"),
            ("Optuna", f"optuna-dashboard {shlex.quote(str(journal))}"),
        ]

    def _next(self) -> list[tuple[str, str]]:
        kept = [override for override in self.command.overrides if not override.startswith("search.trials=")]
        steps = []
        if self.config.search.trials > 1:
            steps = [("go on", self._command(*kept, f"search.trials={2 * self.config.search.trials}"))]
        if self.named.specification["data"]["test"] and find_champion(self.records) is not None:
            steps.append(("final", self._command(*self._final(), *self._tracking())))
            steps.append(("", "retrains the best trial on fresh seeds, since the highest of several scores flatters,"))
            steps.append(("", "then opens the sealed test set, once"))
        return steps or [("help", self._command("--help"))]

    def _final(self) -> list[str]:
        only = started_by_option(self.config.tracking.directory, "mnist")
        if only == [self.named.name]:
            return ["+final=mnist"]
        return ["+final=sweep", f"final.sweep={hydra_quoted(self.named.name)}"]

    def _tracking(self) -> list[str]:
        return [override for override in self.command.overrides if override.startswith("tracking.")]

    def _command(self, *overrides: str) -> str:
        flags = [] if self.command.config_dir is None else ["--config-dir", str(self.command.config_dir)]
        if self.command.config_name != "config":
            flags += ["--config-name", self.command.config_name]
        return f"{PROGRAM} {shlex.join([*flags, *overrides])}"


def _relative(uri: str) -> str:
    """A SQLite address relative to the current folder where it lies below it."""
    path = Path(uri.removeprefix(SQLITE))
    below = uri.startswith(SQLITE) and path.is_relative_to(Path.cwd())
    return f"{SQLITE}{path.relative_to(Path.cwd())}" if below else uri
