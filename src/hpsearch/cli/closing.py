"""The closing screen of a sweep: what came out, where it lies, what to do next."""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hpsearch.cli.naming import Named
from hpsearch.cli.watching import report_metric, to_row
from hpsearch.config import Config
from hpsearch.search.trial_records import Record
from hpsearch.terminal import Terminal
from hpsearch.tracking.mlflow import SweepRun


def show_result(
    terminal: Terminal,
    config: Config,
    named: Named,
    records: Sequence[Record],
    command: Namespace,
    uri: str,
    run: SweepRun,
) -> None:
    """Prints the table of the best trials, the paths, and the next commands."""
    report = report_metric(records[0])
    has_report = any(report in record.result.summary for record in records)
    metric = report.removeprefix("report/")
    terminal.best_trials([to_row(record) for record in records], f"val/{metric} ± SE", report if has_report else None)
    folder = named.store.folder
    written = [("runs", _uri_text(uri)), ("records", str(folder / "trials"))]
    if (folder / "best.yaml").exists():
        written.append(("best trial", str(folder / "best.yaml")))
    terminal.steps("Written", written)
    terminal.steps("Browse", _browse(uri, run, Path(config.tracking.directory)))
    terminal.steps("Next", _next(config, named, command))


def _uri_text(uri: str) -> str:
    return uri.removeprefix("sqlite:///")


def _browse(uri: str, run: SweepRun, directory: Path) -> list[tuple[str, str]]:
    page = f"/#/experiments/{run.experiment_id}?orderByKey=metrics.%60score%60&orderByAsc=false"
    if uri.startswith(("http:", "https:")):
        return [("open", uri.rstrip("/") + page)]
    return [
        ("MLflow", f"mlflow ui --backend-store-uri {shlex.quote(uri)}"),
        ("then open", f"http://127.0.0.1:5000{page}"),
        ("Optuna", f"optuna-dashboard {shlex.quote(str(directory / 'optuna.journal'))}"),
    ]


def _next(config: Config, named: Named, command: Namespace) -> list[tuple[str, str]]:
    program = "python -m hpsearch"
    kept = [o for o in command.overrides if not o.startswith("search.trials=")]
    if not named.specification["named"] and not any(o.startswith("name=") for o in kept):
        started_by, suffixed = named.specification["started_by"], named.note is not None
    else:
        started_by, suffixed = None, True
    steps = []
    if config.search.trials > 1:
        more = [*kept, f"search.trials={2 * config.search.trials}"]
        steps.append(("more trials", " ".join([program, *map(shlex.quote, more)])))
    else:
        steps.append(("other settings", f"{program} training.epochs=10 optimizer.lr=0.01"))
    if named.specification["data"]["test"]:
        if started_by == "mnist" and not suffixed:
            final = f"{program} +final=mnist"
        else:
            final = f"{program} +final=sweep {shlex.quote('final.sweep=' + hydra_quoted(named.name))}"
        steps.append(("final", f"{final}   # confirms the best trial, then opens the sealed test set, once"))
    return steps


def hydra_quoted(text: str) -> str:
    """The text as a value in Hydra's grammar: quoted unless it is plain."""
    if text and all(c.isascii() and (c.isalnum() or c in "_-./") for c in text):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
