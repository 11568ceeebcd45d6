"""The program under test, with all its processes watched: who opens which file of an IDX set."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from hpsearch.data.datasets import find_source
from tests.end_to_end import seal_watch
from tests.program import Program


@dataclass
class Watched(Program):
    """The program, with all its processes watched."""

    @property
    def pids(self):
        return [process.pid for process in self.processes]

    @property
    def log(self):
        return Path(self.environment["WATCH_LOG"])

    def opened(self):
        """(pid, file, callers) of every IDX file that was opened by the last command."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        self.log.write_text("")
        return [(line["pid"], line["file"], [tuple(caller) for caller in line["callers"]]) for line in lines]

    def call(self, *overrides, status=0):
        """Watched too, in this process."""
        seal_watch.install()
        with mock.patch.dict(find_source.__kwdefaults__, sets=seal_watch.made_sets(self.environment["WATCH_FILES"])):
            return super().call(*overrides, status=status)

    def copied(self, folder):
        """The same state in another folder."""
        shutil.copytree(self.folder, folder)
        watched = Watched(folder, self.environment | {"WATCH_LOG": str(folder / "log")})
        watched.log.write_text("")
        return watched
