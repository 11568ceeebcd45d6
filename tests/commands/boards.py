"""Sweeps that reports are made of, without training, and what a leaderboard of them shows."""

import io
import json
import subprocess

import pytest
from rich.console import Console

from hpsearch.commands.leaderboard import report_leaderboard
from hpsearch.commands.report_target import ReportRequest
from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError
from hpsearch.records import NO_LEVEL, Status, Trial, TrialResult
from hpsearch.store.atomic_files import dump_checked_json, load_checked_json
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.leaderboard import show_leaderboard
from hpsearch.tracking.reader import REQUESTED


def finish(store, config, k, val, report, correct=None):
    """Writes the record of a trial, or of a fresh seed."""
    summary = {"report/accuracy": report}
    arrays = {} if correct is None else {"report_correct": correct[None]}
    curves = {"train/loss": [1.0, 0.5]}
    result = TrialResult(Status.OK, None, val, 0.01, curves, summary, [2], [], predictions=arrays)
    store.write_attempt(store.begin_attempt(NO_LEVEL, k), Trial(NO_LEVEL, k, {}, config), result, {})


def tracked_copy(tracker, place, name, seed):
    """A sweep of a local one's name, with another seed, in the tracking store: what its fingerprint begins with."""
    run = tracker.open_sweep(name, identity="theirs", started_ms=1)
    changed = load_checked_json((place / "mlruns" / "sweeps" / name / "sweep.json").read_bytes(), "sweep.json")
    changed["fingerprint"] = "0123456789"
    changed["specification"]["config"]["seed"] = seed
    (place / "sweep.json").write_bytes(dump_checked_json(changed))
    tracker.log_artifacts(run.run_id, {"sweep.json": place / "sweep.json"})
    return "01234567"


def upload(tracker, store, identity, *, started_ms=1):
    """Puts a sweep with its trials into the tracking store, as running it would; its run."""
    specification = store.specification()
    tags = {"fingerprint": specification.fingerprint, REQUESTED: str(store.requested())}
    run = tracker.open_sweep(store.name, identity=identity, started_ms=started_ms, tags=tags)
    tracker.log_artifacts(run.run_id, {"sweep.json": store.folder / "sweep.json"})
    for (level, k), attempt in store.finished().items():
        child = tracker.start_attempt(run, level, k, attempt.number, started_ms=started_ms)
        files = {path.name: path for path in attempt.folder.iterdir() if path.name != "run.json"}
        tracker.finish_attempt(child, attempt.record.result, ended_ms=started_ms + 1, artifacts=files)
    return run


def pasted(line):
    """The configuration of a command that is pasted into a shell, as a report reads it."""
    run = ["bash", "-c", f"printf '%s\\0' {line}"]
    words = subprocess.run(run, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]
    assert words[:3] == ["python", "-m", "hpsearch"]
    return Composer(words[3:]).compose_uncovered().config


def show(asked, tracker, *kept, width=160):
    """What the terminal shows, where the command line gives `kept`, too."""
    shown = io.StringIO()
    terminal = Terminal(Console(file=shown, width=width))
    show_leaderboard(terminal, report_leaderboard(ReportRequest(asked, "leaderboard", kept), tracker))
    return shown.getvalue()


def refusal(asked, tracker, *kept):
    with pytest.raises(ConfigError) as refused:
        show(asked, tracker, *kept)
    return str(refused.value)


def folder_of(place):
    """The only folder of a leaderboard."""
    (folder,) = (place / "experiments").glob("leaderboard-digits-*")
    return folder


def numbers(tmp_path):
    return json.loads((folder_of(tmp_path) / "report.json").read_text())
