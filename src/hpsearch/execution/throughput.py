"""The worker processes of a sweep, and who hands out their work."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import joblib

from hpsearch.config import Config, ConfigError, Engine
from hpsearch.config.data import Data
from hpsearch.config.execution import Device
from hpsearch.config.schema import SEARCHABLE
from hpsearch.data.splits import split_sizes
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.errors import HpsearchError
from hpsearch.execution.executor import Raised
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.local import LocalExecutor
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.execution.worker_process import set_up, work
from hpsearch.jobs import CheckJob, FleetSettings, Job, JobResult, ProbeResult, TimingJob, TrialJob
from hpsearch.records import Key
from hpsearch.secrets import secret_texts
from hpsearch.store.atomic_files import write_atomic
from hpsearch.tracking.system_metrics import gpu_count

FILE = "paces.json"


def load_timings(directory: Path) -> dict[str, FleetSettings]:
    """What `save_timings` wrote, by key; nothing where there is no such file, or it is not whole.

    Losing it costs a second of measuring, and no result depends on it.
    """
    try:
        found = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return {key: _pace(**one) for key, one in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def save_timings(directory: Path, measured: Mapping[str, FleetSettings]) -> None:
    """Adds paces that were just measured."""
    if measured:
        fleet_settings = {key: _plain(pace) for key, pace in (load_timings(directory) | dict(measured)).items()}
        write_atomic(directory / FILE, json.dumps(fleet_settings, indent=1, sort_keys=True).encode())


def _plain(pace: FleetSettings) -> dict[str, float | None]:
    return {"width": pace.width, "member_step_ms": pace.member_step_ms, "processes": pace.processes}


def _pace(width: int, member_step_ms: float, processes: int | None) -> FleetSettings:
    return FleetSettings(
        Engine.FLEET, int(width), float(member_step_ms), processes=None if processes is None else int(processes)
    )


WORTH_S = 60.0
"""Seconds of one process's work from which on it is worth finding out how many processes get most done."""

TIMED_S = 0.3
"""Seconds of each measurement."""

NEARLY = 0.95
"""Processes that add less than the rest of this share are left out."""


@dataclass(slots=True)
class WorkerPool:
    """Worker processes that find out how configurations train before they train them.

    Attributes:
        executor: The processes.
        engine: What is asked for.
        signals: Are heeded meanwhile.
        rows: Development rows.
        checked: What was found out so far.
    """

    executor: LocalExecutor[Job, JobResult]
    engine: Engine
    signals: StopSignals
    rows: int
    checked: ProbeResult = field(default_factory=lambda: ProbeResult("", {}, {}))
    _known: set[str] = field(default_factory=set)

    @property
    def tags(self) -> dict[str, str]:
        """What the run of a sweep says about who trains it: widths of fleets, and numbers of processes."""
        fleet_settings = self.checked.fleet_settings.values()
        widths = sorted({pace.width for pace in fleet_settings if pace.engine is Engine.FLEET})
        counts = sorted({pace.processes or self.executor.free for pace in fleet_settings})
        found = {"fleet_width": widths, "processes": counts}
        return {name: ", ".join(map(str, numbers)) for name, numbers in found.items() if numbers}

    def probe(self, configs: Sequence[Config]) -> None:
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
        fleet_settings = {
            shape: self._with_processes(pace, shape, new, shapes[shape]) for shape, pace in found.fleet_settings.items()
        }
        missing = tuple(dict.fromkeys(self.checked.missing_signals + found.missing_signals))
        self.checked = ProbeResult(
            found.device, self.checked.fleet_settings | fleet_settings, self.checked.measured | found.measured, missing
        )
        self._known |= {name for config in new for name in (traits(config), shape_key(config))}

    def scheduler_for(self, jobs: Mapping[Key, TrialJob]) -> FleetScheduler:
        """Who has these jobs done; what was measured is remembered for other sweeps."""
        configs = [job.config for job in jobs.values()]
        self.probe(configs)
        named = {name: self.checked.fleet_settings[shape] for shape, name in self.checked.measured.items()}
        save_timings(Path(configs[0].tracking.directory), named)
        return build_scheduler(self.executor, self.checked, list(jobs.values()), self.rows)

    def _with_processes(self, pace: FleetSettings, shape: str, configs: Sequence[Config], trials: int) -> FleetSettings:
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
        self._rates(TimingJob(config, width, 0.0), everybody)
        rates = {count: self._rates(TimingJob(config, width, TIMED_S), count) for count in counts}
        return min(count for count, rate in rates.items() if rate >= NEARLY * max(rates.values()))

    def _rates(self, job: TimingJob, count: int) -> float:
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


def build_executor(config: Config, data: Data, fits: int) -> LocalExecutor[Job, JobResult]:
    """Worker processes for so many fits: as many as `execution.workers` says, or else one a core, or one on a GPU."""
    on_gpu = config.execution.device is not Device.CPU and gpu_count() > 0
    workers = max(1, min(config.execution.workers or (1 if on_gpu else core_count()), fits))
    secrets = secret_texts(config.to_tree())
    return LocalExecutor(partial(set_up, data, config.execution.device), work, workers=workers, secrets=secrets)


def core_count() -> int:
    """Processor cores that this process may use: those of its affinity mask, and of its container's quota."""
    count: int = joblib.cpu_count()
    return count


def check_configs(
    executor: LocalExecutor[Job, JobResult], configs: list[Config], engine: Engine, signals: StopSignals
) -> ProbeResult:
    """Finds out in a worker whether configurations can be trained, and how, before anything is written.

    Args:
        executor: Its workers are free.
        configs: All that are going to be trained, at least one.
        engine: What is asked for.
        signals: Are heeded meanwhile.

    Raises:
        ConfigError: With what does not fit together.
        StoppedError: By a signal.
    """
    distinct = {traits(config): config for config in configs}
    keys = [shape_key(config) for config in configs]
    shapes = dict(zip(keys, configs, strict=True))
    execution, directory = configs[0].execution, configs[0].tracking.directory
    job = CheckJob(
        tuple(distinct.values()),
        tuple(shapes.values()),
        engine,
        execution.memory_gib,
        executor.free,
        load_timings(Path(directory)),
        dict(Counter(keys)),
    )
    executor.submit("check", job)
    while True:
        if signals.number is not None:
            raise StoppedError(signals.number)
        for done in executor.wait(0.2):
            if isinstance(done.value, ProbeResult):
                return done.value
            assert done.failure is not None, done
            if isinstance(done.failure, Raised) and done.failure.kind == ConfigError.__name__:
                raise ConfigError(*done.failure.message.splitlines())
            raise HpsearchError(f"a worker could not check the configurations: {done.failure.cause}")


def build_scheduler(
    executor: LocalExecutor[Job, JobResult], checked: ProbeResult, jobs: Sequence[TrialJob], n: int
) -> FleetScheduler:
    """Who has these jobs done on n development rows."""
    configs = [job.config for job in jobs]
    steps = max(steps_of_epoch(job.config, n) * job.epochs_to_run for job in jobs)
    return FleetScheduler(executor, checked.fleet_settings, fits_of(configs[0], n), steps, configs)


def steps_of_epoch(config: Config, n: int) -> int:
    """Minibatches of one epoch of one fit on n development rows."""
    rows = split_sizes(config.evaluation, n).train
    return -(-min(rows, config.data.limit or rows) // config.training.batch_size)


def steps_of(config: Config, n: int) -> int:
    """Member-steps of one trial on n development rows."""
    return fits_of(config, n) * steps_of_epoch(config, n) * config.training.epochs


def fits_of(config: Config, n: int) -> int:
    """Trainings of one trial on n development rows: folds times replicates."""
    return split_sizes(config.evaluation, n).folds * config.evaluation.replicates


def traits(config: Config) -> str:
    """What decides whether a configuration can be trained; values such as learning rates do not."""
    kinds = [getattr(config, group).kind for group in SEARCHABLE]
    training = config.training
    trained = (training.patience is None, training.batch_size, training.precision)
    return repr((config.model, config.loss, config.evaluation, kinds, trained))
