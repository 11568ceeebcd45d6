"""The files of a sweep below `<tracking.directory>/sweeps`.

    sweeps/<slug of the name>/sweep.json                      the specification
                             /lock, holder.json               the running driver
                             /requested.json, seeds.json      how many trials and fresh seeds it was asked for
                             /baselines.json                  what models that are no networks get on the same rows
                             /trials/<slug of the level>/<k>/attempt-<n>/predictions.safetensors, run.json, record.json
                             /final/<slug of the level>/<k>/ champion.json, confirm/trials/…, refit-…/model.safetensors

`record.json` is written last, so an attempt with a complete record is finished.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from hpsearch.errors import BrokenFileError, HpsearchError
from hpsearch.records import NO_LEVEL, Baseline, Trial, TrialResult
from hpsearch.store.atomic_files import (
    dump_checked_json,
    make_folder,
    read_bytes,
    read_sealed,
    slug,
    sync_folder,
    write_atomic,
)
from hpsearch.store.lock import acquire_lock
from hpsearch.store.record_json import Record, attempt_rank, decode_arrays, decode_record, encode_record
from hpsearch.store.specification import Specification

__all__ = ["Attempt", "LateWriteError", "Record", "SweepStore", "list_sweeps"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt at a trial; `record` is None unless it is finished, `problem` describes a damaged record."""

    number: int
    folder: Path
    record: Record | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """How many fresh seeds retrain the recipes of a comparison.

    Attributes:
        looks: Numbers of seeds after which levels are compared, ascending.
        seeds: Those of each level, once the comparison has come to its end; empty before.
    """

    looks: tuple[int, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)


class LateWriteError(HpsearchError):
    """A result of an attempt that was superseded or is already finished; nothing is written."""


class SweepStore:
    """One sweep on disk; writers must hold `lock()`, readers need no lock.

    Methods that write raise `StorageError` if they cannot; methods that read raise `BrokenFileError` for damaged files.
    """

    def __init__(self, directory: str | Path, name: str) -> None:
        """Set the paths; nothing is created.

        Args:
            directory: `tracking.directory`.
            name: Name of the sweep, any text.
        """
        self.name = name
        self.folder = Path(directory) / "sweeps" / slug(name)

    def confirmation(self, level: str, k: int) -> "SweepStore":
        """The store of the retrainings of one trial, in which trial number s is the retraining with seed s."""
        store = SweepStore(self.folder, self.name)
        store.folder = self.final_folder(level, k) / "confirm"
        return store

    def final_folder(self, level: str, k: int) -> Path:
        """Folder of the final of one trial."""
        return self.folder / "final" / _level_folder(level) / str(k)

    def lock(self) -> AbstractContextManager[None]:
        """Context that creates the folder and locks out other drivers.

        Raises:
            SweepLockedError: If another driver is running, with its user, host and start time.
            StorageError: If the folder cannot be written.
        """
        make_folder(self.folder)
        return acquire_lock(self.folder, self.name)

    def specification(self) -> Specification | None:
        """The specification; None if there is no such sweep."""
        return _read_specification(self.folder)

    def freeze(self, specification: Specification) -> None:
        """Write the specification of a new sweep."""
        assert specification.name == self.name, specification.name
        assert self.specification() is None, f"{self.name} is frozen already"
        write_atomic(self.folder / "sweep.json", dump_checked_json(specification.to_tree()))
        _sync_up_to(self.folder, self.folder.parent)

    def request(self, trials: int) -> None:
        """Store the requested number of trials, so that readers can tell whether the sweep is finished."""
        write_atomic(self.folder / "requested.json", dump_checked_json({"trials": trials}))

    def requested(self) -> int:
        """The requested number of trials; 0 before the sweep is started."""
        body = read_sealed(self.folder / "requested.json", "the command that started the sweep writes it anew")
        return 0 if body is None else int(body["trials"])

    def plan_seeds(self, plan: SeedPlan) -> None:
        """Store the plan of fresh seeds, by which readers compare the levels."""
        tree = {"looks": list(plan.looks), "seeds": dict(plan.seeds)}
        write_atomic(self.folder / "seeds.json", dump_checked_json(tree))

    def seed_plan(self) -> SeedPlan:
        """The plan of fresh seeds; an empty one before there is any."""
        body = read_sealed(self.folder / "seeds.json", "the command that started the sweep writes it anew")
        return SeedPlan() if body is None else SeedPlan(tuple(body["looks"]), body["seeds"])

    def write_baselines(self, baselines: Sequence[Baseline]) -> None:
        """Store what baselines get on the rows of the sweep."""
        tree = {"baselines": [asdict(each) for each in baselines]}
        write_atomic(self.folder / "baselines.json", dump_checked_json(tree))

    def baselines(self) -> tuple[Baseline, ...] | None:
        """The baselines of the sweep; None if none were trained yet."""
        body = read_sealed(self.folder / "baselines.json", "remove it, and the command of the sweep makes it again")
        return None if body is None else tuple(Baseline(**each) for each in body["baselines"])

    def begin_attempt(self, level: str, k: int) -> int:
        """Create the folder of a new attempt, and return its number: from 1, one above the highest so far."""
        number = max((number for number, _ in self._folders(level, k)), default=0) + 1
        folder = self._attempt_folder(level, k, number)
        oldest = folder.parent  # the innermost existing folder, which gets a new entry
        while oldest != self.folder and not oldest.exists():
            oldest = oldest.parent
        make_folder(folder)
        _sync_up_to(folder.parent, oldest)
        return number

    def write_attempt(self, attempt: int, trial: Trial, result: TrialResult, run: dict[str, Any]) -> Path:
        """Finish an attempt: write its predictions, then `run.json`, then `record.json`.

        Args:
            attempt: Number from `begin_attempt`.
            trial: The trial.
            result: Its result; `measured` goes to `run.json`.
            run: Further entries of `run.json`: ids, host, times, paths.

        Returns:
            The attempt's folder.

        Raises:
            LateWriteError: If a later attempt was begun, or this one is finished.
            StorageError: If a file cannot be written; the attempt stays unfinished.
        """
        folder = self._attempt_folder(trial.level, trial.k, attempt)
        latest = self.latest(trial.level, trial.k)
        if latest is None or latest.number != attempt or latest.record:
            state = f"attempt {latest.number} was begun" if latest and latest.number != attempt else "it is finished"
            raise LateWriteError(f"late result of trial {trial.k} ({trial.level}), attempt {attempt}: {state}")
        if result.predictions:
            arrays = {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in result.predictions.items()}
            write_atomic(folder / "predictions.safetensors", save(arrays))
        write_atomic(folder / "run.json", dump_checked_json({**run, "measured": result.measured}))
        write_atomic(folder / "record.json", encode_record(trial, result))
        return folder

    def attempts(self, level: str, k: int) -> list[Attempt]:
        """The attempts at a trial, by number; damaged ones are kept, but never used."""
        return [self._attempt(level, k, number, folder) for number, folder in self._folders(level, k)]

    def latest(self, level: str, k: int) -> Attempt | None:
        """The attempt with the highest number; None before the first."""
        folders = self._folders(level, k)
        return self._attempt(level, k, *folders[-1]) if folders else None

    def finished(self) -> dict[tuple[str, int], Attempt]:
        """The finished attempt that counts, for each trial that has one, by (level, k), sorted; see `attempt_rank`."""
        return self.survey()[0]

    def survey(self) -> tuple[dict[tuple[str, int], Attempt], list[str]]:
        """`finished`, and one sentence per damaged record of a trial without a complete one."""
        finished: dict[tuple[str, int], Attempt] = {}
        ranks: dict[tuple[str, int], tuple[bool, int]] = {}
        problems: dict[Path, str] = {}
        for folder in sorted(self.folder.glob("trials/*/*/attempt-*")):
            record, problem = _read_record(folder)
            number = _attempt_number(folder)
            if problem:
                problems[folder.parent] = problem
            if record and number and folder == self._attempt_folder(record.level, record.k, number):
                rank = attempt_rank(number, record.result.status)
                if record.key not in ranks or rank < ranks[record.key]:
                    finished[record.key], ranks[record.key] = Attempt(number, folder, record, None), rank
        complete = {attempt.folder.parent for attempt in finished.values()}
        return dict(sorted(finished.items())), [text for folder, text in problems.items() if folder not in complete]

    def records(self) -> dict[tuple[str, int], Record]:
        """The record of each finished trial, by (level, k), sorted."""
        return {key: attempt.record for key, attempt in self.finished().items() if attempt.record is not None}

    def run_file(self, level: str, k: int, attempt: int) -> dict[str, Any]:
        """The `run.json` of an attempt: when, where and with which code it ran; no result depends on it."""
        return dict(read_sealed(self._attempt_folder(level, k, attempt) / "run.json", "no result depends on it") or {})

    def predictions(self, attempt: Attempt) -> dict[str, np.ndarray]:
        """The predictions of a finished attempt, verified by the digest in its record."""
        assert attempt.record is not None, attempt
        path, mismatch = attempt.folder / "predictions.safetensors", "its arrays are not those of record.json beside it"
        way_out = f"move {str(attempt.folder)!r} away, and the command of its sweep trains it again"
        return decode_arrays(read_bytes(path), attempt.record, path, mismatch, way_out)

    def _attempt(self, level: str, k: int, number: int, folder: Path) -> Attempt:
        record, problem = _read_record(folder)
        if record and record.key != (level, k):
            problem = f"{str(folder)!r} holds the record of trial {record.k} ({record.level})"
            record = None
        return Attempt(number, folder, record, problem)

    def _attempt_folder(self, level: str, k: int, number: int) -> Path:
        return self._trial_folder(level, k) / f"attempt-{number}"

    def _trial_folder(self, level: str, k: int) -> Path:
        return self.folder / "trials" / _level_folder(level) / str(k)

    def _folders(self, level: str, k: int) -> list[tuple[int, Path]]:
        numbered = [(_attempt_number(path), path) for path in self._trial_folder(level, k).glob("attempt-*")]
        return sorted((number, path) for number, path in numbered if number)


def list_sweeps(directory: str | Path) -> dict[str, Specification]:
    """The specifications of all sweeps below `tracking.directory` by name, sorted; damaged ones are left out."""
    specifications: dict[str, Specification] = {}
    for folder in (Path(directory) / "sweeps").glob("*"):
        with contextlib.suppress(BrokenFileError):  # see `damaged_sweeps`
            if (specification := _read_specification(folder)) is not None:
                specifications[specification.name] = specification
    return dict(sorted(specifications.items()))


def damaged_sweeps(directory: str | Path, prefix: str = "") -> list[BrokenFileError]:
    """An error for each damaged specification in a folder whose name starts with `prefix`."""
    errors = []
    for folder in sorted((Path(directory) / "sweeps").glob("*")):
        try:
            _read_specification(folder)
        except BrokenFileError as error:
            errors += [error] if folder.name.startswith(prefix) else []
    return errors


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


def _attempt_number(folder: Path) -> int | None:
    match = re.fullmatch(r"attempt-([1-9][0-9]*)", folder.name)
    return int(match[1]) if match else None


def recipe_name(level: str) -> str:
    """The name of the file with a level's recipe in the folder of a sweep, without `.yaml`."""
    return f"best-{slug(level)}"


def _level_folder(level: str) -> str:
    return level if level == NO_LEVEL else slug(level)


def _sync_up_to(folder: Path, last: Path) -> None:
    with contextlib.suppress(OSError):  # only durability is lost: contents are verified when read
        sync_folder(folder)
        while folder not in (last, folder.parent):
            folder = folder.parent
            sync_folder(folder)
