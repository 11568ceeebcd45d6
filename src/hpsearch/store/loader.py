"""Everything that is known of a sweep, wherever it is kept: what a report is made from."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from hpsearch.store.atomic_files import BrokenFileError, load_checked_json
from hpsearch.store.champion_selection import find_recipe
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record, counts_before, decode_record, digest_arrays
from hpsearch.store.specification import Specification
from hpsearch.store.sweep_store import Attempt as StoredAttempt
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.connection import TrackingError
from hpsearch.tracking.reader import Child, StoredSweeps
from hpsearch.tracking.run_format import Role, SweepRun

Key = tuple[str, int]

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class LoadedSweep:
    """A sweep as it was found.

    Attributes:
        specification: What it is.
        records: Of its trials, by (level, k).
        confirmed: Of the levels' recipes, by (level, seed): the record, and the arrays beside it.
        predictions: The arrays beside the record of a trial, read when asked for.
        requested: How many trials the sweep says that it is to have, default recipes included; 0 if it does not say.
        made_with: What trials and retrainings were done with, each once; None of those where it was not written down.
        damaged: One sentence for each file that could not be used.
    """

    specification: Specification
    records: dict[Key, Record]
    predictions: Callable[[Key], Arrays]
    requested: int = 0
    confirmed: dict[Key, tuple[Record, Arrays]] = field(default_factory=dict)
    made_with: set[Provenance | None] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)

    @property
    def compares(self) -> bool:
        """Whether levels are compared."""
        return bool(self.specification.fingerprinted.levels)

    @property
    def levels(self) -> list[str]:
        """Names of the levels, in the order given."""
        named = [level.name for level in self.specification.fingerprinted.levels]
        return named or sorted({level for level, _ in self.records})

    @property
    def lacking(self) -> str | None:
        """What is said where there are fewer trials than the sweep is to have; None where all are there."""
        if len(self.records) >= self.requested:
            return None
        each = Counter(level for level, _ in self.records)
        of = f" ({', '.join(f'{level} {each[level]}' for level in self.levels)})" if self.compares else ""
        return (
            f"{len(self.records)} of the {self.requested} trials that the sweep was asked for are here{of}: it has not "
            "come to its end, or runs were deleted, or their tags or files changed, in MLflow"
        )

    def recipe(self, level: str) -> Record | None:
        """The trial of a level that selection picks among its draws."""
        draws = [r for (name, k), r in self.records.items() if name == level and not (self.compares and k == 0)]
        return find_recipe(draws)


def load_from_disk(store: SweepStore) -> LoadedSweep:
    """A sweep from its folder."""
    specification = store.specification()
    assert specification is not None, store.folder
    finished, damaged = store.survey()
    records = {key: attempt.record for key, attempt in finished.items() if attempt.record is not None}
    found = LoadedSweep(specification, records, lambda key: store.predictions(finished[key]), store.requested())
    found.damaged.extend(damaged)
    found.made_with.update(_provenance(store, attempt, found.damaged) for attempt in finished.values())
    retrained: dict[Key, Provenance | None] = {}
    for level in found.levels:
        recipe = found.recipe(level)
        if recipe is not None:
            fresh = store.confirmation(level, recipe.k)
            for (_, seed), attempt in fresh.finished().items():
                if attempt.record is not None:
                    found.confirmed[level, seed] = attempt.record, fresh.predictions(attempt)
                    retrained[level, seed] = _provenance(fresh, attempt, found.damaged)
    found.made_with.update(_of_pairs(retrained))
    return found


def _of_pairs(retrained: Mapping[Key, Provenance | None]) -> list[Provenance | None]:
    """Of the seeds that several levels have: what a final has retrained of one alone is compared with nothing."""
    levels = Counter(seed for _, seed in retrained)
    return [one for (_, seed), one in retrained.items() if levels[seed] > 1]


def _provenance(store: SweepStore, attempt: StoredAttempt, damaged: list[str]) -> Provenance | None:
    assert attempt.record is not None, attempt.folder
    try:
        return Provenance.read(store.run_file(attempt.record.level, attempt.record.k, attempt.number))
    except BrokenFileError as error:
        damaged.append(str(error))
        return None


class SpecificationError(TrackingError):
    """A sweep of which a tracking store does not say what it is: it was killed before, or another tool made its run."""


def tracked_specification(stored: StoredSweeps, sweep: SweepRun) -> Specification:
    """What a sweep in a tracking store is.

    Raises:
        SpecificationError: There is none, or it is not ours.
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
    """A sweep from its runs in a tracking store: the same as from its folder.

    Args:
        stored: The sweeps of the store.
        sweep: Its run.
        specification: What it is.
    """
    counted: dict[Key, tuple[Child, Record]] = {}
    children = [child for child in stored.children(sweep, Role.SEARCH, Role.CONFIRM) if child.has_record]
    for child in children:
        if child.attempt.role is Role.SEARCH:
            record = _record(stored, child)  # which is sealed, while people may change tags
            _count(counted, record.key, child, record)
    records = {key: record for key, (_, record) in sorted(counted.items())}
    found = LoadedSweep(specification, records, lambda key: _arrays(stored, *counted[key]), stored.requested(sweep))
    fresh: dict[Key, tuple[Child, Record]] = {}
    recipes = {level: found.recipe(level) for level in found.levels}
    for child in children:
        recipe = recipes.get(child.attempt.level)
        if child.attempt.role is Role.CONFIRM and recipe is not None and recipe.k == child.attempt.k:
            seed = int(child.attempt.part.removeprefix("seed "))
            _count(fresh, (child.attempt.level, seed), child, _record(stored, child))
    confirmed = {key: (record, _arrays(stored, child, record)) for key, (child, record) in sorted(fresh.items())}
    searched = {Provenance.read(child.tags) for child, _ in counted.values()}
    retrained = {key: Provenance.read(child.tags) for key, (child, _) in fresh.items()}
    return replace(found, confirmed=confirmed, made_with={*searched, *_of_pairs(retrained)})


def _count(counted: dict[Key, tuple[Child, Record]], key: Key, child: Child, record: Record) -> None:
    """Keeps the attempt that counts of those at one trial."""
    if key not in counted:
        counted[key] = child, record
        return
    known, its = counted[key]
    if counts_before((child.attempt.attempt, record.result.status), (known.attempt.attempt, its.result.status)):
        counted[key] = child, record


def _record(stored: StoredSweeps, child: Child) -> Record:
    name = f"record.json of run {child.attempt.run_id}"
    return decode_record(stored.artifact(child.attempt.run_id, "record.json"), name)


def _arrays(stored: StoredSweeps, child: Child, record: Record) -> Arrays:
    if record.predictions_sha256 == digest_arrays({}):
        return {}
    name = "predictions.safetensors"
    try:
        arrays: dict[str, np.ndarray] = load(stored.artifact(child.attempt.run_id, name))
    except SafetensorError as error:
        raise BrokenFileError(f"{name} of run {child.attempt.run_id}", str(error)) from error
    if digest_arrays(arrays) != record.predictions_sha256:
        raise BrokenFileError(f"{name} of run {child.attempt.run_id}", "its arrays are not those of record.json")
    return arrays
