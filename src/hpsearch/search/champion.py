"""The selection rule."""

from collections.abc import Iterable

from hpsearch.records import Status
from hpsearch.search.trial_records import Record


def find_champion(records: Iterable[Record]) -> Record | None:
    """The record with the highest score among trials of status `ok`, ties to the smaller k; None without any.

    The rule reads the score alone, which comes from `val` rows; `report` and test rows have no say.
    """
    scored = [record for record in records if record.result.status is Status.OK and record.result.score is not None]
    return min(scored, key=lambda record: (-(record.result.score or 0.0), record.k, record.level), default=None)
