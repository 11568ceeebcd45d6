"""Optuna's journal storage, made robust against killed drivers."""

import json
import logging
import os
import warnings
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection
from optuna.trial import TrialState

from hpsearch.errors import BrokenFileError, HpsearchError, StorageError
from hpsearch.records import Status, TrialResult

JOURNAL = "optuna.journal"
"""File name of the journal in `tracking.directory`."""

LOCK_WAIT_S = 30.0
"""Seconds to wait for the lock; an append takes milliseconds, so a longer holder is stopped or stuck."""


class JournalBusyError(HpsearchError):
    """Another process holds the journal's lock for too long."""


def open_journal(path: str | Path) -> JournalStorage:
    """Optuna's storage in one file, which is created if missing, and repaired if a write was interrupted.

    Raises:
        BrokenFileError: If anything but the last line is damaged.
        JournalBusyError: If the lock cannot be acquired.
        StorageError: If the file cannot be written.
    """
    path = Path(path)
    logging.getLogger("optuna.storages.journal").setLevel(logging.WARNING)  # "A new study created in Journal …"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        backend = _Backend(path)
        with backend.lock:
            _mend(path)
            for line in path.read_bytes().rsplit(b"\n", 2)[-2:-1]:
                json.loads(line)  # Optuna notices a damaged last line only after the next write
        return JournalStorage(backend)
    except OSError as error:
        raise StorageError(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{error}; move it away: the finished trials are kept in the folder 'sweeps' beside it"
        raise BrokenFileError(path, reason) from error


def directions_of(objectives: Sequence[str]) -> list[StudyDirection]:
    """The directions of a study: the score is maximized, costs beside it are minimized."""
    return [StudyDirection.MAXIMIZE, *(StudyDirection.MINIMIZE for _ in objectives)]


def open_study(path: str | Path, name: str, identity: str, objectives: Sequence[str] = ()) -> optuna.Study:
    """The study of a sweep in the journal, created if missing; higher scores are better.

    Args:
        path: Path of the journal.
        name: Name of the sweep, and of the study unless a deleted sweep of the same name used it.
        identity: Distinguishes this sweep from others of the same name.
        objectives: Names of the costs beside the score.
    """
    storage = open_journal(path)
    taken = {study.study_name: study.user_attrs.get("identity") for study in optuna.get_all_study_summaries(storage)}
    study_name = name if taken.get(name, identity) == identity else f"{name} {identity}"
    study = optuna.create_study(
        storage=storage, study_name=study_name, directions=directions_of(objectives), load_if_exists=True
    )
    if study_name not in taken:
        study.set_user_attr("identity", identity)
    return study


def name_values(study: optuna.Study, names: Sequence[str]) -> None:
    """Name the objective values in Optuna's dashboard, such as `val/accuracy`."""
    if study.metric_names != list(names):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(names))


def report_rungs(study: optuna.Study, number: int, scores: Mapping[int, float]) -> None:
    """Report the rung scores of a trial to Optuna, whose dashboard plots them, unless they are reported already.

    Args:
        study: The study.
        number: Optuna's number of the trial, which is not finished.
        scores: Score by epochs of the rung.
    """
    if scores:
        frozen = study.get_trials(deepcopy=False)[number]
        trial = optuna.Trial(study, frozen._trial_id)  # noqa: SLF001 (no public way to continue a trial)
        for rung in scores.keys() - frozen.intermediate_values.keys():
            trial.report(scores[rung], rung)


def tell_result(
    study: optuna.Study,
    trial: optuna.Trial | int,
    result: TrialResult,
    as_pruned: Container[Status] = (Status.PRUNED,),
    objectives: Sequence[str] = (),
) -> None:
    """Finish an Optuna trial with its score and costs, or as pruned or failed.

    Args:
        study: The study.
        trial: The trial or its number.
        result: Its result.
        as_pruned: The statuses that Optuna sees as pruned; all others without a score have failed.
        objectives: Names of the costs beside the score.
    """
    if result.score is not None:
        study.tell(trial, [result.score, *(result.summary[name] for name in objectives)])
    else:
        study.tell(trial, state=TrialState.PRUNED if result.status in as_pruned else TrialState.FAIL)


class _Lock(JournalFileOpenLock):
    """A flock, which ends with its process; Optuna's locks outlive a killed process by 30 s."""

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
        """Append all lines or none; on a full disk, Optuna leaves half a line, which corrupts the next one."""
        with self.lock:
            _mend(self.path)
            size = self.path.stat().st_size
            try:
                super().append_logs(logs)
            except OSError as error:
                os.truncate(self.path, size)
                raise StorageError(self.path, error) from error


def _mend(path: Path) -> None:
    """Truncate an unfinished last line; the caller holds the lock."""
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
