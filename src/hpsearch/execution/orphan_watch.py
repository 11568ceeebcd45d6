"""Ends the server of workers between two of its imports, where its driver has ended meanwhile.

The server looks at nothing else before all is imported, which takes many seconds where torch is among it. This module
is what it imports first.
"""

import os
import sys
from collections.abc import Sequence
from types import ModuleType

from hpsearch.execution.worker_process import DRIVER


class _Watch:
    """The first of the finders that are asked for a module: it finds none."""

    def __init__(self, driver: int) -> None:
        self._server, self._driver = os.getpid(), driver

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """Ends this process if it is the server, and no child of the driver any more; workers are no servers."""
        del name, path, target
        if os.getpid() == self._server and os.getppid() != self._driver:
            os._exit(1)


if DRIVER in os.environ:
    watch = _Watch(int(os.environ[DRIVER]))
    watch.find_spec("")
    sys.meta_path.insert(0, watch)
