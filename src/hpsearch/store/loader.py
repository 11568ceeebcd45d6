"""Loads a sweep from disk or from MLflow, for reports."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hpsearch.errors import BrokenFileError, TrackingError
from hpsearch.records import Baseline, Key
from hpsearch.store.atomic_files import load_checked_json
from hpsearch.store.champion_selection import find_recipe
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record, attempt_rank, decode_arrays, decode_record, digest_arrays
from hpsearch.store.specification import Specification
from hpsearch.store.sweep_store import Attempt as StoredAttempt
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.reader import Child, StoredSweeps
from hpsearch.tracking.run_format import Role, SweepRun

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class LoadedSweep:
    """A stored sweep.

    Attributes:
        specification: Its specification.
        records: Records of its trials, by (level, k).
        confirmed: Records and predictions of the retrained recipes, by (level, seed).
        predictions: Reads the predictions of a trial.
        requested: Requested number of trials, default recipes included; 0 if unknown.
        made_with: Distinct provenances of trials and retrainings; None for those without one.
        damaged: One sentence per damaged file.
        looks: Numbers of fresh seeds after which levels are compared; empty if none are planned.
        searched: Start and end of each trial, ms since 1970; without those of which they are not known.
        retrained: Start and end of each retraining.
        baselines: What models that are no networks get on the same rows.
    """

    specification: Specification
    records: dict[Key, Record]
    predictions: Callable[[Key], Arrays]
    requested: int = 0
    confirmed: dict[Key, tuple[Record, Arrays]] = field(default_factory=dict)
    made_with: set[Provenance | None] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)
    looks: tuple[int, ...] = ()
    searched: list[tuple[int, int]] = field(default_factory=list)
    retrained: list[tuple[int, int]] = field(default_factory=list)
    baselines: tuple[Baseline, ...] = ()

    @property
    def retraining_s(self) -> float:
        """Seconds of one retraining, among those that ran beside it: the time in which any did by their number."""
        return _busy_s(self.retrained) / len(self.retrained) if self.retrained else math.nan

    @property
    def training_s(self) -> float:
        """Seconds in which any trial or retraining ran; NaN if they are not known of all."""
        known = len(self.searched) == len(self.records) and len(self.retrained) == len(self.confirmed)
        return _busy_s([*self.searched, *self.retrained]) if known else math.nan

    @property
    def compares(self) -> bool:
        """Whether levels are compared."""
        return bool(self.specification.fingerprinted.levels)

    @property
    def levels(self) -> list[str]:
        """Names of the levels, in the given order."""
        named = [level.name for level in self.specification.fingerprinted.levels]
        return named or sorted({level for level, _ in self.records})

    @property
    def lacking(self) -> str | None:
        """Sentence about missing trials; None if all requested ones are there."""
        if len(self.records) >= self.requested:
            return None
        each = Counter(level for level, _ in self.records)
        of = f" ({', '.join(f'{level} {each[level]}' for level in self.levels)})" if self.compares else ""
        return (
            f"{len(self.records)} of the {self.requested} trials that the sweep was asked for are here{of}: it has not "
            "come to its end, or runs were deleted, or their tags or files changed, in MLflow"
        )

    def recipe(self, level: str) -> Record | None:
        """The trial that is selected among the draws of a level."""
        draws = [r for (name, k), r in self.records.items() if name == level and not (self.compares and k == 0)]
        return find_recipe(draws)


def _busy_s(times: Iterable[tuple[int, int]]) -> float:
    """Seconds that lie between the start and the end, ms, of any."""
    busy, last = 0, 0
    for start, end in sorted(times):
        busy, last = busy + max(0, end - max(start, last)), max(last, end)
    return busy / 1000


def load_from_disk(store: SweepStore) -> LoadedSweep:
    """Load a sweep from its folder."""
    specification = store.specification()
    assert specification is not None, store.folder
    finished, damaged = store.survey()
    records = {key: attempt.record for key, attempt in finished.items() if attempt.record is not None}
    sweep = LoadedSweep(
        specification,
        records,
        lambda key: store.predictions(finished[key]),
        store.requested(),
        looks=store.seed_plan().looks,
        baselines=store.baselines() or (),
    )
    sweep.damaged.extend(damaged)
    runs = [_run_file(store, attempt, sweep.damaged) for attempt in finished.values()]
    sweep.made_with.update(map(Provenance.read, runs))
    sweep.searched.extend(_times(runs))
    retrained: dict[Key, Provenance | None] = {}
    for level in sweep.levels:
        recipe = sweep.recipe(level)
        if recipe is not None:
            fresh = store.confirmation(level, recipe.k)
            for (_, seed), attempt in fresh.finished().items():
                if attempt.record is not None:
                    sweep.confirmed[level, seed] = attempt.record, fresh.predictions(attempt)
                    run = _run_file(fresh, attempt, sweep.damaged)
                    retrained[level, seed] = Provenance.read(run)
                    sweep.retrained.extend(_times([run]))
    sweep.made_with.update(_of_pairs(retrained))
    return sweep


def _times(runs: Iterable[Mapping[str, Any]]) -> list[tuple[int, int]]:
    return [(run["started_ms"], run["ended_ms"]) for run in runs if {"started_ms", "ended_ms"} <= run.keys()]


def _of_pairs(retrained: Mapping[Key, Provenance | None]) -> list[Provenance | None]:
    """The provenances of seeds that several levels share; others, which a final retrained, are not compared."""
    levels = Counter(seed for _, seed in retrained)
    return [provenance for (_, seed), provenance in retrained.items() if levels[seed] > 1]


def _run_file(store: SweepStore, attempt: StoredAttempt, damaged: list[str]) -> dict[str, Any]:
    assert attempt.record is not None, attempt.folder
    try:
        return store.run_file(attempt.record.level, attempt.record.k, attempt.number)
    except BrokenFileError as error:
        damaged.append(str(error))
        return {}


class SpecificationError(TrackingError):
    """A tracked sweep has no valid specification: it was killed early, or its run was made by another tool."""


def tracked_specification(stored: StoredSweeps, sweep: SweepRun) -> Specification:
    """The specification of a sweep in a tracking store.

    Raises:
        SpecificationError: If it is missing or invalid.
    """
    of = f"run {sweep.run_id} of sweep {sweep.name!r}"
    try:
        return Specification.from_tree(load_checked_json(stored.artifact(sweep.run_id, "sweep.json"), "sweep.json"))
    except TrackingError as error:
        raise SpecificationError(f"{of} has no sweep.json") from error
    except BrokenFileError as error:
        raise SpecificationError(f"{of} has a sweep.json that is not whole") from error
    except ValueError as error:
        raise SpecificationError(f"{of} has a sweep.json {error}") from error


def load_from_mlflow(stored: StoredSweeps, sweep: SweepRun, specification: Specification) -> LoadedSweep:
    """Load a sweep from its runs in a tracking store, with the same result as from its folder.

    Args:
        stored: The sweeps of the store.
        sweep: The run of the sweep.
        specification: Its specification.
    """
    counted: dict[Key, tuple[Child, Record]] = {}
    children = [child for child in stored.children(sweep, Role.SEARCH, Role.CONFIRM) if child.has_record]
    for child in children:
        if child.attempt.role is Role.SEARCH:
            record = _record(stored, child)  # has a checksum, while users may edit tags
            _count(counted, record.key, child, record)
    records = {key: record for key, (_, record) in sorted(counted.items())}
    loaded = LoadedSweep(specification, records, lambda key: _arrays(stored, *counted[key]), stored.requested(sweep))
    fresh: dict[Key, tuple[Child, Record]] = {}
    recipes = {level: loaded.recipe(level) for level in loaded.levels}
    for child in children:
        recipe = recipes.get(child.attempt.level)
        if child.attempt.role is Role.CONFIRM and recipe is not None and recipe.k == child.attempt.k:
            seed = int(child.attempt.part.removeprefix("seed "))
            _count(fresh, (child.attempt.level, seed), child, _record(stored, child))
    confirmed = {key: (record, _arrays(stored, child, record)) for key, (child, record) in sorted(fresh.items())}
    searched = {Provenance.read(child.tags) for child, _ in counted.values()}
    retrained = {key: Provenance.read(child.tags) for key, (child, _) in fresh.items()}
    return replace(
        loaded,
        confirmed=confirmed,
        made_with={*searched, *_of_pairs(retrained)},
        looks=stored.looks(sweep),
        baselines=stored.baselines(sweep),
        searched=[child.times for child, _ in counted.values()],
        retrained=[child.times for child, _ in fresh.values()],
    )


def _count(counted: dict[Key, tuple[Child, Record]], key: Key, child: Child, record: Record) -> None:
    """Keep the attempt at a trial that counts."""
    attempts = [*([counted[key]] if key in counted else []), (child, record)]
    counted[key] = min(attempts, key=lambda each: attempt_rank(each[0].attempt.attempt, each[1].result.status))


def _record(stored: StoredSweeps, child: Child) -> Record:
    name = f"record.json of run {child.attempt.run_id}"
    return decode_record(stored.artifact(child.attempt.run_id, "record.json"), name)


def _arrays(stored: StoredSweeps, child: Child, record: Record) -> Arrays:
    if record.predictions_sha256 == digest_arrays({}):
        return {}
    name, run_id = "predictions.safetensors", child.attempt.run_id
    mismatch = "its arrays are not those of record.json"
    return decode_arrays(stored.artifact(run_id, name), record, f"{name} of run {run_id}", mismatch)
