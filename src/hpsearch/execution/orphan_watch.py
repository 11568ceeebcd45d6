"""Ends the fork server between two of its imports if its driver has ended.

The server checks nothing until all imports are done, which takes many seconds with torch. It imports this module first.
"""

import os
import sys
from collections.abc import Sequence
from types import ModuleType

from hpsearch.execution.worker_process import DRIVER


class _Watch:
    """An import finder that finds nothing, and is called first for every import."""

    def __init__(self, driver: int) -> None:
        self._server, self._driver = os.getpid(), driver

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """End this process if it is the server (not a worker) and no longer a child of the driver."""
        del name, path, target
        if os.getpid() == self._server and os.getppid() != self._driver:
            os._exit(1)


if DRIVER in os.environ:
    watch = _Watch(int(os.environ[DRIVER]))
    watch.find_spec("")
    sys.meta_path.insert(0, watch)
