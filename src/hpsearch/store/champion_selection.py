"""The selection rule."""

from collections.abc import Iterable

from hpsearch.records import Status
from hpsearch.store.record_json import Record


def find_champion(records: Iterable[Record]) -> Record | None:
    """The record with the highest score among trials of status `ok`, ties to the smaller k; None without any.

    Of a search from coarse to fine only the longest trainings count: the short ones were made to narrow the ranges. The
    rule reads the score alone, which comes from `val` rows; `report` and test rows have no say.
    """
    scored = [record for record in records if record.result.status is Status.OK and record.result.score is not None]
    longest = max((rounds_epochs(record) for record in scored), default=0)
    scored = [record for record in scored if rounds_epochs(record) == longest]
    return min(scored, key=lambda record: (-(record.result.score or 0.0), record.k, record.level), default=None)


def find_recipe(draws: Iterable[Record]) -> Record | None:
    """The record that is retrained for a level: the champion of its draws, or of its stalled ones where none is `ok`.

    A level that does nothing but stall is compared as it is, and not left out. None if no draw has a score.
    """
    known = list(draws)
    scored = [record for record in known if record.result.score is not None]
    worst_case = min(scored, key=lambda record: (-(record.result.score or 0.0), record.k), default=None)
    return find_champion(known) or worst_case


def rounds_epochs(record: Record) -> int:
    """Epochs of a trial whose search trains in rounds of different length; 0 of any other."""
    search = record.config_tree.get("search", {})
    return int(record.config_tree["training"]["epochs"]) if search.get("kind") == "coarse_to_fine" else 0
