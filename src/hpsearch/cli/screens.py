"""What a sweep prints before it starts and after it has ended."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.cli.naming import Named, hydra_quoted
from hpsearch.cli.watching import score_metric, to_row
from hpsearch.config import Config
from hpsearch.metrics import LOWER_IS_BETTER
from hpsearch.search.trial_records import Record
from hpsearch.terminal import Terminal
from hpsearch.tracking.runs import SweepRun, table_path

PROGRAM = "python -m hpsearch"
SQLITE = "sqlite:///"


def introduce(terminal: Terminal, named: Named, config: Config, done: int) -> None:
    """Prints which sweep this is, on which data, and how much of it is done."""
    trials = config.search.trials
    resumed = f", {done} of them finished before" if done else ""
    epochs = f"{config.training.epochs} epoch{'s' if config.training.epochs > 1 else ''}"
    terminal.line(f"sweep {named.name}", style="bold")
    terminal.line(f"  data    {describe_data(named.specification['data'])}")
    terminal.line(f"  trials  {trials}{resumed}; {epochs} each; scored by {config.options['evaluation']}")
    if named.note:
        terminal.warn(named.note)


def describe_data(data: dict[str, Any]) -> str:
    """One line about the rows of a sweep."""
    test = data["test"]
    if not test:
        return f"{data['name']}: {data['development_rows']:,} rows, trained and scored on the same rows, no test set"
    twice = f", {test['duplicates']} of them also among the former" if test["duplicates"] else ""
    return f"{data['name']}: {data['development_rows']:,} development rows, {test['rows']:,} sealed test rows{twice}"


@dataclass(frozen=True, slots=True)
class Closing:
    """What the closing screen of a sweep tells."""

    named: Named
    config: Config
    records: Sequence[Record]
    overrides: Sequence[str]
    uri: str
    run: SweepRun

    def show(self, terminal: Terminal) -> None:
        """Prints the table of the best trials, the paths, and the next commands."""
        rows = [to_row(record) for record in self.records]
        metric = score_metric(self.records)
        sign = "-" if metric in LOWER_IS_BETTER else ""
        has_report = any(row.report is not None for row in rows)
        terminal.best_trials(rows, f"{sign}val/{metric} ± SE", "report" if has_report else None)
        terminal.steps("Written", self._written())
        terminal.steps("Browse", self._browse())
        terminal.steps("Next", self._next())

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
        kept = [override for override in self.overrides if not override.startswith("search.trials=")]
        if self.config.search.trials > 1:
            more = [*kept, f"search.trials={2 * self.config.search.trials}"]
            first = ("go on", f"{PROGRAM} {shlex.join(more)}")
        else:
            first = ("search", f"{PROGRAM} +sweep=mnist")
        if not self.named.specification["data"]["test"]:
            return [first]
        return [first, ("final", f"{PROGRAM} {self._final()}"), ("", "opens the sealed test set, once")]

    def _final(self) -> str:
        unnamed = not self.named.specification["named"] and self.named.note is None
        if unnamed and self.named.specification["started_by"] == "mnist":
            return "+final=mnist"
        return f"+final=sweep {shlex.quote('final.sweep=' + hydra_quoted(self.named.name))}"


def _relative(uri: str) -> str:
    """A SQLite address relative to the current folder where it lies below it."""
    path = Path(uri.removeprefix(SQLITE))
    below = uri.startswith(SQLITE) and path.is_relative_to(Path.cwd())
    return f"{SQLITE}{path.relative_to(Path.cwd())}" if below else uri
