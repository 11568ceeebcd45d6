"""Optuna's journal, so that killed drivers do not hurt it."""

import json
import logging
import os
import warnings
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from hpsearch.errors import HpsearchError
from hpsearch.records import Status, TrialResult
from hpsearch.store.atomic_files import BrokenFileError, StorageError

JOURNAL = "optuna.journal"
"""Name of the journal in `tracking.directory`."""

LOCK_WAIT_S = 30.0
"""Seconds; one append takes milliseconds, so whoever holds the lock longer is stopped or stuck."""


class JournalBusyError(HpsearchError):
    """Another process has held the journal's lock for too long."""


def open_journal(path: str | Path) -> JournalStorage:
    """Optuna's storage in one file; made if need be, mended if a process was killed in the middle of a write.

    Raises:
        BrokenFileError: If something else than the last line is damaged.
        JournalBusyError: If the lock cannot be had.
        StorageError: If the file cannot be written.
    """
    path = Path(path)
    logging.getLogger("optuna.storages.journal").setLevel(logging.WARNING)  # "A new study created in Journal …"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        backend = _Backend(path)
        with backend.lock:
            _mend(path)
            _check_last_line(path)
        return JournalStorage(backend)
    except OSError as error:
        raise StorageError(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{error}; move it away: the finished trials are kept in the folder 'sweeps' beside it"
        raise BrokenFileError(path, reason) from error


def open_study(path: str | Path, name: str, identity: str) -> optuna.Study:
    """The study of a sweep in the journal, made if need be; higher scores are better.

    Args:
        path: Of the journal.
        name: Of the sweep, and of the study unless a forgotten sweep of the same name has taken it.
        identity: What tells this sweep from another of the same name.
    """
    storage = open_journal(path)
    taken = {study.study_name: study.user_attrs.get("identity") for study in optuna.get_all_study_summaries(storage)}
    study_name = name if taken.get(name, identity) == identity else f"{name} {identity}"
    study = optuna.create_study(storage=storage, study_name=study_name, direction="maximize", load_if_exists=True)
    if study_name not in taken:
        study.set_user_attr("identity", identity)
    return study


def name_score(study: optuna.Study, name: str) -> None:
    """Has Optuna's dashboard say what the objective value is, such as `val/accuracy`."""
    if study.metric_names != [name]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([name])


def report_rungs(study: optuna.Study, number: int, scores: Mapping[int, float]) -> None:
    """Tells Optuna what a trial was judged by, as far as it does not know; its dashboard draws that as a curve.

    Args:
        study: The study.
        number: Optuna's number of the trial, which is not finished.
        scores: Epochs of each rung to score.
    """
    if scores:
        known = study.get_trials(deepcopy=False)[number]
        trial = optuna.Trial(study, known._trial_id)  # noqa: SLF001 (no public way to go on with a trial)
        for rung in scores.keys() - known.intermediate_values.keys():
            trial.report(scores[rung], rung)


def tell_result(
    study: optuna.Study,
    trial: optuna.Trial | int,
    result: TrialResult,
    as_pruned: Container[Status] = (Status.PRUNED,),
) -> None:
    """Finish an Optuna trial with its score, or as pruned or failed.

    Args:
        study: The study.
        trial: The trial or its number.
        result: Its result.
        as_pruned: The statuses that Optuna sees as pruned; all others without a score have failed.
    """
    if result.score is not None:
        study.tell(trial, result.score)
    else:
        study.tell(trial, state=TrialState.PRUNED if result.status in as_pruned else TrialState.FAIL)


class _Lock(JournalFileOpenLock):
    """Optuna's own locks outlive a killed process by 30 s; flock ends with it."""

    def __init__(self, path: Path) -> None:
        # not `.lock`: that name belongs to Optuna's locks, which others (optuna-dashboard) may use on the same file
        self._lock = FileLock(path.with_name(path.name + ".flock"), thread_local=False)

    def acquire(self) -> bool:
        try:
            self._lock.acquire(timeout=LOCK_WAIT_S, poll_interval=0.005)
        except Timeout:
            raise JournalBusyError(
                f"another process has held {self._lock.lock_file!r} for {LOCK_WAIT_S:g} s; "
                "stop it, or wait for it, and run the same command again"
            ) from None
        return True

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class _Backend(JournalFileBackend):
    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, _Lock(path)
        super().__init__(str(path), self.lock)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends whole lines or nothing; Optuna's own leaves half a line on a full disk, which spoils the next one."""
        with self.lock:
            _mend(self.path)
            size = self.path.stat().st_size
            try:
                super().append_logs(logs)
            except OSError as error:
                os.truncate(self.path, size)
                raise StorageError(self.path, error) from error


def _check_last_line(path: Path) -> None:
    """Optuna forgives a damaged last line, until it has written the next one behind it."""
    for line in path.read_bytes().rsplit(b"\n", 2)[-2:-1]:
        json.loads(line)


def _mend(path: Path) -> None:
    """Cuts an unfinished last line off; the caller holds the lock."""
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        tail = b""
        while end and b"\n" not in tail:
            start = max(0, end - 4096)
            file.seek(start)
            tail, end = file.read(end - start), start
        whole = end + tail.rfind(b"\n") + 1
        if whole < size:
            file.truncate(whole)
            os.fsync(file.fileno())
