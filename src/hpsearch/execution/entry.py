"""Where a worker enters: the work itself, and with it torch, is loaded in workers only."""

from typing import Any

from hpsearch.config.data import Data
from hpsearch.config.machine import Device
from hpsearch.jobs import Answer, Job


def set_up(data: Data, device: Device) -> Any:
    """Loads the data in a worker; see `fitting.set_up`."""
    from hpsearch import fitting  # noqa: PLC0415 (see above)

    return fitting.set_up(data, device)


def work(bench: Any, job: Job) -> Answer:
    """Does one job in a worker; see `fitting.work`."""
    from hpsearch import fitting  # noqa: PLC0415 (see above)

    return fitting.work(bench, job)
