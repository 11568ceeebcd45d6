"""What a sweep prints after it has ended."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpsearch.cli.naming import Named, started_by_option
from hpsearch.cli.report_screen import REPORT_PAGE, Published, report_files, show_answers
from hpsearch.cli.scores import Score
from hpsearch.config import Config
from hpsearch.quoting import command_line, hydra_quoted, shell_quoted
from hpsearch.records import CONSTANT_LOSS, FINAL_LOSS, R2, Status
from hpsearch.search.champion import find_champion, find_recipe
from hpsearch.search.trial_records import Record
from hpsearch.secrets import MASK
from hpsearch.terminal import Terminal
from hpsearch.tracking.runs import SweepRun, artifact_path, table_path
from hpsearch.wording import plural, show_number

SQLITE = "sqlite:///"


def explain(terminal: Terminal, score: Score, records: Sequence[Record]) -> None:
    """What a reader of the table may stumble over: ties, and bounds in place of errors."""
    champion = find_champion(records)
    if champion is None:
        return
    tied = sum(r.result.status is Status.OK and r.result.score == champion.result.score for r in records)
    if tied > 1:
        terminal.line(
            f"  {tied} trials tie for the best score: the smallest number wins, trial {score.row(champion).name}"
        )
    shown = [score.row(record).shown for record in records]
    for sign, all_are, end in (("≥", "right", "lower"), ("≤", "wrong", "upper")):
        if score.share_of and any(f"({sign} " in text for text in shown):
            rows = f"all {score.share_of:,} val {plural(score.share_of, 'row is', 'rows are')} {all_are}"
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
    report: Published | None = None

    def show(self, terminal: Terminal) -> None:
        """Prints the table of the best trials, what failed, the paths, and the next commands."""
        terminal.best_trials(self.score.rows(self.records), f"{self.score.name} ± SE")
        explain(terminal, self.score, self.records)
        self._warn(terminal)
        if self.report is not None:
            show_answers(terminal, self.report)
        terminal.steps("Written", self._written())
        terminal.steps("Browse", self._browse())
        terminal.steps("Next", self._next())

    def _warn(self, terminal: Terminal) -> None:
        failed = [record for record in reversed(self.records) if record.result.status.retried]
        failures = {str(record.result.failure): self.score.row(record) for record in failed}
        for failure, row in sorted(failures.items(), key=lambda item: (item[1].k, item[1].level))[:3]:
            terminal.warn(f"trial {row.name}: {failure} (traceback in its run.json; the same command tries it again)")
        if self.config.search.prunes:
            self._tell_pruned(terminal)
        self._tell_stalled(terminal)
        if self.config.evaluation.kind == "truth_table":
            terminal.warn("scored on the rows that were trained on: this says what can be represented, not predicted")

    def _tell_stalled(self, terminal: Terminal) -> None:
        """What is no better than a constant, with the numbers of the best of it."""
        stalled = [record for record in self.records if record.result.status is Status.STALLED]
        if stalled:
            names = [self.score.row(record).name for record in stalled]
            few = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
            terminal.warn(f"stalled, cannot be champion: trial {few}")
            worst_case = find_recipe(stalled) or stalled[0]
            loss, constant = (worst_case.result.summary.get(key) for key in (FINAL_LOSS, CONSTANT_LOSS))
            numbers, than = "", "no better than"
            if loss is not None and constant is not None:
                than = "hardly better than" if loss < constant else than
                numbers = f": its training loss is {show_number(loss)}, that of a constant {show_number(constant)}"
            terminal.line(
                f"  trial {self.score.row(worst_case).name} is {than} {constant_in_words(worst_case)}{numbers}"
            )
        best = find_recipe(self.records)
        r2 = None if best is None else best.result.summary.get(R2)
        if best is not None and r2 is not None and r2 < 0:
            terminal.warn(
                f"trial {self.score.row(best).name} is worse than predicting the mean of the scored rows: "
                f"R² {show_number(r2)}"
            )

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
        report = [] if self.report is None else report_files(self.report)
        lines = [*report, ("runs", relative(self.uri).removeprefix(SQLITE)), ("records", str(folder / "trials"))]
        best = folder / "best.yaml"
        return [*lines, ("best trial", str(best))] if best.exists() else lines

    def _browse(self) -> list[tuple[str, str]]:
        pages = [] if self.report is None else [("report", artifact_path(self.run, REPORT_PAGE))]
        pages.append(("trials", table_path(self.run.experiment_id)))
        if self.uri.startswith(("http:", "https:")):
            return [(what, self.uri.rstrip("/") + page) for what, page in pages]
        journal = Path(self.config.tracking.directory) / "optuna.journal"
        address = '"$MLFLOW_TRACKING_URI"' if MASK in self.uri else shell_quoted(relative(self.uri))
        return [
            ("MLflow", f"mlflow ui --backend-store-uri {address}"),
            *((what, f"then open http://127.0.0.1:5000{page}") for what, page in pages),
            ("Optuna", f"optuna-dashboard {shell_quoted(str(journal))}"),
        ]

    def _next(self) -> list[tuple[str, str]]:
        drawn = 1 + max((record.k for record in self.records), default=0) - self.config.search.compares
        trials = max(self.config.search.trials, drawn)  # the sweep may have had more already
        steps = self._ways_out()
        if trials > 1 and drawn >= self.config.search.trials:  # fewer are all that the space holds
            steps.append(("go on", self._command(*self._overrides_but("search.trials"), f"search.trials={2 * trials}")))
        if self.named.specification["data"]["test"] and find_champion(self.records) is not None:
            steps.append(("final", self._command(*self._final(), *self._tracking())))
            which = "the best trial" if trials > 1 else "it"
            why = ", since the highest of several scores flatters" if trials > 1 else ""
            steps.append(("", f"retrains {which} on fresh seeds{why},"))
            steps.append(("", "then opens the sealed test set, once"))
        if MASK in self.uri:
            steps.append(("", "MLFLOW_TRACKING_URI must hold the address, whose password is not printed"))
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
        return [
            each
            for each in self.command.overrides
            if key_of(each) in ("tracking", "tracking.uri", "tracking.directory")
        ]

    def _command(self, *overrides: str) -> str:
        flags = [] if self.command.config_dir is None else ["--config-dir", str(self.command.config_dir)]
        if self.command.config_name != "config":
            flags += ["--config-name", self.command.config_name]
        return command_line([*flags, *overrides])


def constant_in_words(record: Record) -> str:
    """The constant output that the training of a trial is measured against, see `nn.baselines`."""
    kind = record.config_tree["loss"]["kind"]
    if kind == "custom":
        return "the best constant output"
    if kind == "perceptron":
        return "always naming the larger class"
    if R2 not in record.result.summary:
        return "guessing by the shares of the classes"
    which = "median" if kind == "mae" else "mean"
    return f"the {which} row" if record.config_tree["data"]["task"] == "autoencoder" else f"predicting the {which}"


def key_of(override: str) -> str:
    """What an override sets, with or without a plus: `search.trials` of `++search.trials=2`."""
    return override.lstrip("+").partition("=")[0].strip()


def relative(uri: str) -> str:
    """A SQLite address relative to the current folder where it lies below it."""
    path = Path(uri.removeprefix(SQLITE))
    below = uri.startswith(SQLITE) and path.is_relative_to(Path.cwd())
    return f"{SQLITE}{path.relative_to(Path.cwd())}" if below else uri
