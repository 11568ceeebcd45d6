"""The worker processes of a sweep, and who hands out their work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpsearch.cli.building import build_foreman, check_configs, traits
from hpsearch.config import Config, Engine
from hpsearch.engine.muster import shape_key
from hpsearch.execution.local import LocalExecutor
from hpsearch.jobs import Answer, Checked, Job, TrialJob
from hpsearch.search.foreman import Foreman
from hpsearch.search.paces import remember_paces
from hpsearch.search.stop import StopSignals


@dataclass(slots=True)
class Workforce:
    """Worker processes that find out how configurations train before they train them.

    Attributes:
        executor: The processes.
        engine: What is asked for.
        signals: Are heeded meanwhile.
        rows: Development rows.
        checked: What was found out so far.
    """

    executor: LocalExecutor[Job, Answer]
    engine: Engine
    signals: StopSignals
    rows: int
    checked: Checked = field(default_factory=lambda: Checked("", {}, {}))
    _known: set[str] = field(default_factory=set)

    def look_at(self, configs: Sequence[Config]) -> None:
        """Checks those of them that are of another kind than all before.

        Raises:
            ConfigError: With what does not fit together.
            StoppedError: By a signal.
        """
        new = [config for config in configs if {traits(config), shape_key(config)} - self._known]
        if new:
            found = check_configs(self.executor, new, self.engine, self.signals)
            paces, measured = self.checked.paces | found.paces, self.checked.measured | found.measured
            self.checked = replace(found, paces=paces, measured=measured)
            self._known |= {name for config in new for name in (traits(config), shape_key(config))}

    def hire(self, jobs: Mapping[int, TrialJob]) -> Foreman:
        """Who has these jobs done; what was measured is remembered for other sweeps."""
        configs = [job.config for job in jobs.values()]
        self.look_at(configs)
        remember_paces(Path(configs[0].tracking.directory), self.checked.measured)
        return build_foreman(self.executor, self.checked, list(jobs.values()), self.rows)
