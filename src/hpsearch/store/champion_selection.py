"""Selection of the champion and of recipes."""

from collections.abc import Iterable

from hpsearch.records import Status
from hpsearch.store.record_json import Record


def find_champion(records: Iterable[Record]) -> Record | None:
    """The best of `ranked`: the record with the highest score among trials of status `ok`; None if there are none."""
    return next(iter(ranked(records)), None)


def ranked(records: Iterable[Record]) -> list[Record]:
    """The trials of status `ok` by their score, the highest first, ties to lower costs, then to the smaller k.

    In a coarse-to-fine search only the longest trainings count. Only the score is read, which comes from `val` rows.
    """
    scored = [record for record in records if record.result.status is Status.OK and record.result.score is not None]
    longest = max((rounds_epochs(record) for record in scored), default=0)
    scored = [record for record in scored if rounds_epochs(record) == longest]
    return sorted(scored, key=lambda record: (-(record.result.score or 0.0), costs_of(record), record.k, record.level))


def pareto_front(records: Iterable[Record]) -> list[Record]:
    """The trials among `ranked` that no other dominates: is as good by score and all costs, and better by one."""
    best = ranked(records)
    points = [(-(record.result.score or 0.0), *costs_of(record)) for record in best]
    return [record for record, own in zip(best, points, strict=True) if not any(_dominates(p, own) for p in points)]


def costs_of(record: Record) -> list[float]:
    """The values of `search.objectives`, of which lower ones are better."""
    return [record.result.summary[name] for name in record.config_tree.get("search", {}).get("objectives", ())]


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def find_recipe(draws: Iterable[Record]) -> Record | None:
    """The record to retrain for a level: the champion of its draws, or the best stalled one if none is `ok`.

    So a level that only stalls is still compared. None if no draw has a score.
    """
    records = list(draws)
    scored = [record for record in records if record.result.score is not None]
    best_stalled = min(scored, key=lambda record: (-(record.result.score or 0.0), record.k), default=None)
    return find_champion(records) or best_stalled


def rounds_epochs(record: Record) -> int:
    """Number of epochs of a trial of a coarse-to-fine search, whose rounds differ in length; 0 for other searches."""
    search = record.config_tree.get("search", {})
    return int(record.config_tree["training"]["epochs"]) if search.get("kind") == "coarse_to_fine" else 0
