"""Peak memory of a command and of the processes that it starts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

EVERY_S = 0.2
"""Between two samples: one walks through all processes of the machine, which takes milliseconds."""


@dataclass(slots=True)
class Peaks:
    """Resident memory in bytes, the largest of all samples.

    Attributes:
        driver: Of the command itself.
        worker: Of the largest of the others.
        tree: Of all together; pages that several share count for each.
    """

    driver: int = 0
    worker: int = 0
    tree: int = 0

    @contextmanager
    def watch(self, pid: int) -> Iterator[None]:
        """Samples while in the context."""
        ended = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(pid, ended), daemon=True)
        sampler.start()
        try:
            yield
        finally:
            ended.set()
            sampler.join()

    def add(self, driver: int, others: list[int]) -> None:
        """One sample: bytes of the command, and of each of the processes under it."""
        self.driver = max(self.driver, driver)
        self.worker = max(self.worker, *others, 0)
        self.tree = max(self.tree, driver + sum(others))

    def _sample(self, pid: int, ended: threading.Event) -> None:
        while not ended.wait(EVERY_S):
            with suppress(psutil.NoSuchProcess):
                command = psutil.Process(pid)
                self.add(_resident(command), [_resident(child) for child in command.children(recursive=True)])


def _resident(process: psutil.Process) -> int:
    """0 once it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
