"""Any fits, trained in as many fleets as they need."""

from collections.abc import Sequence

from hpsearch.engine.device_data import DeviceData
from hpsearch.engine.fleet import train_fleet
from hpsearch.engine.muster import muster
from hpsearch.records import Fit, FitResult


def train_fits(
    fits: Sequence[Fit],
    data: DeviceData,
    width: int,
    *,
    stop_after: int | None = None,
    resume: Sequence[FitResult] | None = None,
) -> list[FitResult]:
    """Trains any fits, in fleets of at most `width` members; one result a fit, in their order."""
    results: dict[int, FitResult] = {}
    for places in muster(fits, width, data.inputs[0].numel()):
        together = [fits[place] for place in places]
        starts = None if resume is None else [resume[place] for place in places]
        trained = train_fleet(together, data, stop_after=stop_after, resume=starts)
        results |= zip(places, trained, strict=True)
    return [results[place] for place in range(len(fits))]
