"""The worker processes of a sweep, and who hands out their work."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpsearch.cli.building import build_foreman, check_configs, steps_of, traits
from hpsearch.config import Config, Engine
from hpsearch.engine.muster import shape_key
from hpsearch.errors import HpsearchError
from hpsearch.execution.local import LocalExecutor
from hpsearch.jobs import Answer, Checked, Job, Pace, PaceJob, TrialJob
from hpsearch.search.foreman import Foreman
from hpsearch.search.paces import remember_paces
from hpsearch.search.plan import Key
from hpsearch.search.stop import StoppedError, StopSignals

WORTH_S = 60.0
"""Seconds of one process's work from which on it is worth finding out how many processes get most done."""
TIMED_S = 0.3
"""Seconds of each measurement."""
NEARLY = 0.95
"""Processes that add less than the rest of this share are left out."""


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

    @property
    def tags(self) -> dict[str, str]:
        """What the run of a sweep says about who trains it: widths of fleets, and numbers of processes."""
        paces = self.checked.paces.values()
        widths = sorted({pace.width for pace in paces if pace.engine is Engine.FLEET})
        counts = sorted({pace.processes or self.executor.free for pace in paces})
        found = {"fleet_width": widths, "processes": counts}
        return {name: ", ".join(map(str, numbers)) for name, numbers in found.items() if numbers}

    def look_at(self, configs: Sequence[Config]) -> None:
        """Checks those of them that are of another kind than all before.

        Raises:
            ConfigError: With what does not fit together.
            StoppedError: By a signal.
        """
        new = [config for config in configs if {traits(config), shape_key(config)} - self._known]
        if not new:
            return
        found = check_configs(self.executor, new, self.engine, self.signals)
        shapes = Counter(map(shape_key, configs))
        paces = {shape: self._with_processes(pace, shape, new, shapes[shape]) for shape, pace in found.paces.items()}
        missing = tuple(dict.fromkeys(self.checked.missing_signals + found.missing_signals))
        self.checked = Checked(
            found.device, self.checked.paces | paces, self.checked.measured | found.measured, missing
        )
        self._known |= {name for config in new for name in (traits(config), shape_key(config))}

    def hire(self, jobs: Mapping[Key, TrialJob]) -> Foreman:
        """Who has these jobs done; what was measured is remembered for other sweeps."""
        configs = [job.config for job in jobs.values()]
        self.look_at(configs)
        named = {name: self.checked.paces[shape] for shape, name in self.checked.measured.items()}
        remember_paces(Path(configs[0].tracking.directory), named)
        return build_foreman(self.executor, self.checked, list(jobs.values()), self.rows)

    def _with_processes(self, pace: Pace, shape: str, configs: Sequence[Config], trials: int) -> Pace:
        """With the number of processes that get most done, if that was not known and is worth the time to find out."""
        config = next(config for config in configs if shape_key(config) == shape)
        work_s = trials * steps_of(config, self.rows) * pace.member_step_ms / 1000
        if config.execution.workers is not None:
            return replace(pace, processes=None)  # so many were asked for, whatever was measured once
        if pace.processes is not None or pace.engine is not Engine.FLEET or work_s < WORTH_S or self.executor.free == 1:
            return pace
        return replace(pace, processes=self._best_count(config, pace.width))

    def _best_count(self, config: Config, width: int) -> int:
        """The fewest processes that get nearly as much done side by side as any other number of them."""
        everybody = self.executor.free
        counts = [everybody]
        while counts[-1] > 1:
            counts.append(counts[-1] // 2)
        self._rates(PaceJob(config, width, 0.0), everybody)
        rates = {count: self._rates(PaceJob(config, width, TIMED_S), count) for count in counts}
        return min(count for count, rate in rates.items() if rate >= NEARLY * max(rates.values()))

    def _rates(self, job: PaceJob, count: int) -> float:
        """Member-steps a second of so many workers together."""
        for number in range(count):
            self.executor.submit(("pace", number), job)
        rates: list[float] = []
        while len(rates) < count:
            if self.signals.number is not None:
                raise StoppedError(self.signals.number)
            for done in self.executor.wait(0.2):
                if done.failure is not None and not done.failure.out_of_memory:
                    raise HpsearchError(f"a worker could not time its steps: {done.failure.cause}")
                rates.append(done.value if isinstance(done.value, float) else 0.0)  # no memory for so many at once
        return sum(rates)
