"""Everything that is on disk about a sweep, below `<tracking.directory>/sweeps`.

    sweeps/<slug of the name>/sweep.json                      the frozen specification
                             /lock, holder.json               the driver at work
                             /trials/<slug of the level>/<k>/attempt-<n>/predictions.safetensors, run.json, record.json
                             /final/<slug of the level>/<k>/ champion.json, confirm/trials/…, refit-…/model.safetensors

`record.json` is written last: where it is whole, the attempt is finished and the rest is there.
"""

import contextlib
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hpsearch.errors import HpsearchError
from hpsearch.records import NO_LEVEL, Trial, TrialResult
from hpsearch.store.atomic_files import (
    BrokenFileError,
    dump_checked_json,
    make_folder,
    read_bytes,
    read_sealed,
    slug,
    sync_folder,
    write_atomic,
)
from hpsearch.store.lock import acquire_lock
from hpsearch.store.record_json import Record, counts_before, decode_record, digest_arrays, encode_record
from hpsearch.store.specification import Specification

__all__ = ["Attempt", "LateWriteError", "Record", "SweepStore", "list_sweeps"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a trial; `record` is None unless it was finished, `problem` says what is wrong with a damaged one."""

    number: int
    folder: Path
    record: Record | None
    problem: str | None


class LateWriteError(HpsearchError):
    """The result of an attempt that was given up meanwhile, or is finished already; nothing is written."""


class SweepStore:
    """One sweep on disk. Whoever writes holds `lock()`; reading needs no lock."""

    def __init__(self, directory: str | Path, name: str) -> None:
        """Touches nothing.

        Args:
            directory: `tracking.directory`.
            name: Name of the sweep, any text.
        """
        self.name = name
        self.folder = Path(directory) / "sweeps" / slug(name)

    def confirmation(self, level: str, k: int) -> "SweepStore":
        """The store of the fresh seeds of one trial, in which seed s is trial s."""
        store = SweepStore(self.folder, self.name)
        store.folder = self.final_folder(level, k) / "confirm"
        return store

    def final_folder(self, level: str, k: int) -> Path:
        """Where the final of one trial is kept."""
        return self.folder / "final" / (level if level == NO_LEVEL else slug(level)) / str(k)

    def lock(self) -> AbstractContextManager[None]:
        """Makes the folder, and keeps other drivers out while in the context.

        Raises:
            SweepLockedError: If another driver is at work; says who, where and since when.
            StorageError: If the folder cannot be written.
        """
        make_folder(self.folder)
        return acquire_lock(self.folder, self.name)

    def specification(self) -> Specification | None:
        """What `freeze` was given; None if there is no such sweep.

        Raises:
            BrokenFileError: If the file is damaged.
        """
        return _read_specification(self.folder)

    def freeze(self, specification: Specification) -> None:
        """Writes the specification, once and for all.

        Raises:
            StorageError: If it cannot be written.
        """
        assert specification.name == self.name, specification.name
        assert self.specification() is None, f"{self.name} is frozen already"
        write_atomic(self.folder / "sweep.json", dump_checked_json(specification.to_tree()))
        _sync_up_to(self.folder, self.folder.parent)

    def request(self, trials: int) -> None:
        """Notes how many trials the sweep is to have, so that others can tell whether it is finished.

        Raises:
            StorageError: If it cannot be written.
        """
        write_atomic(self.folder / "requested.json", dump_checked_json({"trials": trials}))

    def requested(self) -> int:
        """How many trials the sweep is to have; 0 before it was started.

        Raises:
            BrokenFileError: If the file is damaged.
        """
        body = read_sealed(self.folder / "requested.json", "the command that started the sweep writes it anew")
        return 0 if body is None else int(body["trials"])

    def begin_attempt(self, level: str, k: int) -> int:
        """Number of a new attempt, from 1: above all that there were; its folder is made.

        Raises:
            StorageError: If it cannot be made.
        """
        number = max((number for number, _ in self._folders(level, k)), default=0) + 1
        folder = self._attempt_folder(level, k, number)
        oldest = folder.parent  # whose list of names gets a new one
        while oldest != self.folder and not oldest.exists():
            oldest = oldest.parent
        make_folder(folder)
        _sync_up_to(folder.parent, oldest)
        return number

    def write_attempt(self, attempt: int, trial: Trial, result: TrialResult, run: dict[str, Any]) -> Path:
        """Finishes an attempt: predictions, then `run.json`, then `record.json`.

        Args:
            attempt: From `begin_attempt`.
            trial: What was tried.
            result: What came out; `measured` goes to `run.json`.
            run: What else goes to `run.json`: ids, host, times, paths.

        Returns:
            The attempt's folder.

        Raises:
            LateWriteError: If a later attempt was begun, or this one is finished.
            StorageError: If it cannot be written; the attempt is unfinished then.
        """
        folder = self._attempt_folder(trial.level, trial.k, attempt)
        latest = self.latest(trial.level, trial.k)
        if latest is None or latest.number != attempt or latest.record:
            state = f"attempt {latest.number} was begun" if latest and latest.number != attempt else "it is finished"
            raise LateWriteError(f"late result of trial {trial.k} ({trial.level}), attempt {attempt}: {state}")
        if result.predictions:
            write_atomic(folder / "predictions.safetensors", save(_contiguous(result.predictions)))
        write_atomic(folder / "run.json", dump_checked_json({**run, "measured": result.measured}))
        write_atomic(folder / "record.json", encode_record(trial, result))
        return folder

    def attempts(self, level: str, k: int) -> list[Attempt]:
        """The attempts at a trial by number; damaged ones stay where they are, and are never used."""
        return [self._attempt(level, k, number, folder) for number, folder in self._folders(level, k)]

    def latest(self, level: str, k: int) -> Attempt | None:
        """The attempt with the highest number; None before the first."""
        folders = self._folders(level, k)
        return self._attempt(level, k, *folders[-1]) if folders else None

    def finished(self) -> dict[tuple[str, int], Attempt]:
        """The finished attempt that counts, of every trial that has one, by (level, k), sorted.

        It is the first one, except that an attempt which failed by an error gives way to later ones.
        """
        return self.survey()[0]

    def survey(self) -> tuple[dict[tuple[str, int], Attempt], list[str]]:
        """What `finished` gives, and one sentence for each damaged record whose trial has no whole one."""
        found: dict[tuple[str, int], Attempt] = {}
        problems: dict[Path, str] = {}
        for folder in sorted(self.folder.glob("trials/*/*/attempt-*")):
            record, problem = _read_record(folder)
            number = _attempt_number(folder)
            if problem:
                problems[folder.parent] = problem
            if record and number and folder == self._attempt_folder(record.level, record.k, number):
                known = found.get(record.key)
                if known is None or _goes_before(Attempt(number, folder, record, None), known):
                    found[record.key] = Attempt(number, folder, record, None)
        whole = {attempt.folder.parent for attempt in found.values()}
        return dict(sorted(found.items())), [text for folder, text in problems.items() if folder not in whole]

    def records(self) -> dict[tuple[str, int], Record]:
        """The record of every finished trial by (level, k), sorted: of its first finished attempt."""
        return {key: attempt.record for key, attempt in self.finished().items() if attempt.record is not None}

    def run_file(self, level: str, k: int, attempt: int) -> dict[str, Any]:
        """What `run.json` of an attempt says: when, where and by what it was made, on which no result depends.

        Raises:
            BrokenFileError: If the file is damaged.
        """
        return dict(read_sealed(self._attempt_folder(level, k, attempt) / "run.json", "no result depends on it") or {})

    def predictions(self, attempt: Attempt) -> dict[str, np.ndarray]:
        """The arrays that were kept beside the record of a finished attempt.

        Raises:
            BrokenFileError: If they are not the ones that the record was written with.
        """
        assert attempt.record is not None, attempt
        path = attempt.folder / "predictions.safetensors"
        data = read_bytes(path)
        try:
            arrays = {} if data is None else load(data)
        except SafetensorError as error:
            raise BrokenFileError(path, str(error), _train_again(attempt.folder)) from error
        if digest_arrays(arrays) != attempt.record.predictions_sha256:
            reason = "its arrays are not those of record.json beside it"
            raise BrokenFileError(path, reason, _train_again(attempt.folder))
        return arrays

    def _attempt(self, level: str, k: int, number: int, folder: Path) -> Attempt:
        record, problem = _read_record(folder)
        if record and record.key != (level, k):
            return Attempt(
                number, folder, None, f"{str(folder)!r} holds the record of trial {record.k} ({record.level})"
            )
        return Attempt(number, folder, record, problem)

    def _attempt_folder(self, level: str, k: int, number: int) -> Path:
        return self._trial_folder(level, k) / f"attempt-{number}"

    def _trial_folder(self, level: str, k: int) -> Path:
        return self.folder / "trials" / (level if level == NO_LEVEL else slug(level)) / str(k)

    def _folders(self, level: str, k: int) -> list[tuple[int, Path]]:
        numbered = [(_attempt_number(path), path) for path in self._trial_folder(level, k).glob("attempt-*")]
        return sorted((number, path) for number, path in numbered if number)


def list_sweeps(directory: str | Path) -> dict[str, Specification]:
    """The specifications of all sweeps below `tracking.directory` by name, sorted; damaged ones are left out."""
    specifications = []
    for folder in (Path(directory) / "sweeps").glob("*"):
        with contextlib.suppress(BrokenFileError):  # told to those who ask for it: `damaged_sweeps`
            specifications.append(_read_specification(folder))
    whole = sorted((found for found in specifications if found is not None), key=lambda found: found.name)
    return {found.name: found for found in whole}


def damaged_sweeps(directory: str | Path, prefix: str = "") -> list[BrokenFileError]:
    """What is wrong with each sweep whose specification is damaged, of those whose folder's name begins so."""
    found = []
    for folder in sorted((Path(directory) / "sweeps").glob("*")):
        try:
            _read_specification(folder)
        except BrokenFileError as error:
            found += [error] if folder.name.startswith(prefix) else []
    return found


def _goes_before(one: Attempt, other: Attempt) -> bool:
    assert one.record is not None, one
    assert other.record is not None, other
    return counts_before((one.number, one.record.result.status), (other.number, other.record.result.status))


def _read_specification(folder: Path) -> Specification | None:
    way_out = f"the run of the sweep in MLflow has a copy to put in its place, or move {str(folder)!r} away"
    path = folder / "sweep.json"
    body = read_sealed(path, way_out)
    try:
        return None if body is None else Specification.from_tree(body)
    except ValueError as error:
        raise BrokenFileError(path, f"it is {error}", way_out) from error


def _read_record(folder: Path) -> tuple[Record | None, str | None]:
    path = folder / "record.json"
    data = read_bytes(path)
    if data is None:
        return None, None
    try:
        return decode_record(data, path), None
    except BrokenFileError as error:
        return None, str(error)


def _train_again(folder: Path) -> str:
    return f"move {str(folder)!r} away, and the command of its sweep trains it again"


def _attempt_number(folder: Path) -> int | None:
    match = re.fullmatch(r"attempt-([1-9][0-9]*)", folder.name)
    return int(match[1]) if match else None


def _contiguous(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}


def _sync_up_to(folder: Path, last: Path) -> None:
    with contextlib.suppress(OSError):  # names only; what they hold is checked when it is read
        sync_folder(folder)
        while folder not in (last, folder.parent):
            folder = folder.parent
            sync_folder(folder)
