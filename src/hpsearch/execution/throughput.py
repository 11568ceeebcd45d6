"""Worker processes of a sweep, with settings chosen for the highest throughput."""

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
from hpsearch.jobs import BaselineJob, CheckJob, FleetSettings, Job, JobResult, ProbeResult, TimingJob, TrialJob
from hpsearch.records import Baseline, Key
from hpsearch.secrets import secret_texts
from hpsearch.store.atomic_files import write_atomic
from hpsearch.tracking.system_metrics import gpu_count

FILE = "paces.json"


def load_timings(directory: Path) -> dict[str, FleetSettings]:
    """The settings that `save_timings` wrote, by key; empty if the file is missing or damaged.

    Without it, settings are measured again, which takes about a second; no result depends on it.
    """
    try:
        stored = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return {
            key: FleetSettings(
                Engine.FLEET,
                int(each["width"]),
                float(each["member_step_ms"]),
                processes=None if each["processes"] is None else int(each["processes"]),
            )
            for key, each in stored.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def save_timings(directory: Path, measured: Mapping[str, FleetSettings]) -> None:
    """Add newly measured settings to the file in `directory`."""
    if measured:
        fields = ("width", "member_step_ms", "processes")
        settings = load_timings(directory) | dict(measured)
        stored = {key: {name: getattr(each, name) for name in fields} for key, each in settings.items()}
        write_atomic(directory / FILE, json.dumps(stored, indent=1, sort_keys=True).encode())


WORTH_S = 60.0
"""Expected seconds of work from which on it is worth measuring the best number of processes."""

TIMED_S = 0.3
"""Duration of each measurement in seconds."""

NEARLY = 0.95
"""Share of the highest throughput that is sufficient for a smaller number of processes."""


@dataclass(slots=True)
class WorkerPool:
    """Worker processes that check and time configurations before they train them.

    Attributes:
        executor: The executor.
        engine: The configured engine.
        signals: Stop signals.
        rows: Number of development rows.
        checked: Results of all checks so far.
    """

    executor: LocalExecutor[Job, JobResult]
    engine: Engine
    signals: StopSignals
    rows: int
    checked: ProbeResult = field(default_factory=lambda: ProbeResult("", {}, {}))
    _known: set[str] = field(default_factory=set)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of a sweep's run: fleet widths and numbers of processes."""
        fleet_settings = self.checked.fleet_settings.values()
        widths = sorted({settings.width for settings in fleet_settings if settings.engine is Engine.FLEET})
        counts = sorted({settings.processes or self.executor.free for settings in fleet_settings})
        tags = {"fleet_width": widths, "processes": counts}
        return {name: ", ".join(map(str, numbers)) for name, numbers in tags.items() if numbers}

    def probe(self, configs: Sequence[Config]) -> None:
        """Check the configurations that differ in kind or shape from all earlier ones.

        Raises:
            ConfigError: If a configuration cannot be trained.
            StoppedError: On a signal.
        """
        new = [config for config in configs if {traits(config), shape_key(config)} - self._known]
        if not new:
            return
        checked, before = check_configs(self.executor, new, self.engine, self.signals), self.checked
        shapes = Counter(map(shape_key, configs))
        fleet_settings = {
            shape: self._with_processes(settings, shape, new, shapes[shape])
            for shape, settings in checked.fleet_settings.items()
        }
        self.checked = ProbeResult(
            checked.device,
            before.fleet_settings | fleet_settings,
            before.measured | checked.measured,
            tuple(dict.fromkeys(before.missing_signals + checked.missing_signals)),
        )
        self._known |= {name for config in new for name in (traits(config), shape_key(config))}

    def scheduler_for(self, jobs: Mapping[Key, TrialJob]) -> FleetScheduler:
        """The scheduler of these jobs; new measurements are stored for other sweeps."""
        configs = [job.config for job in jobs.values()]
        self.probe(configs)
        named = {name: self.checked.fleet_settings[shape] for shape, name in self.checked.measured.items()}
        save_timings(Path(configs[0].tracking.directory), named)
        return build_scheduler(self.executor, self.checked, list(jobs.values()), self.rows)

    def _with_processes(
        self, settings: FleetSettings, shape: str, configs: Sequence[Config], trials: int
    ) -> FleetSettings:
        """The settings with the best number of processes, measured unless it is known or not worth the time."""
        config = next(config for config in configs if shape_key(config) == shape)
        steps = trials * fits_of(config, self.rows) * steps_of_epoch(config, self.rows) * config.training.epochs
        worth = steps * settings.member_step_ms / 1000 >= WORTH_S
        if config.execution.workers is not None:
            return replace(settings, processes=None)  # the configured number counts
        known = settings.processes is not None or self.executor.free == 1
        if known or settings.engine is not Engine.FLEET or not worth:
            return settings
        return replace(settings, processes=self._best_count(config, settings.width))

    def _best_count(self, config: Config, width: int) -> int:
        """The smallest number of processes with nearly the highest throughput."""
        counts = [self.executor.free]
        while counts[-1] > 1:
            counts.append(counts[-1] // 2)
        self._rate(TimingJob(config, width, 0.0), counts[0])
        rates = {count: self._rate(TimingJob(config, width, TIMED_S), count) for count in counts}
        return min(count for count, rate in rates.items() if rate >= NEARLY * max(rates.values()))

    def _rate(self, job: TimingJob, count: int) -> float:
        """Member-steps per second of this many workers together."""
        for number in range(count):
            self.executor.submit(("pace", number), job)
        rates: list[float] = []
        while len(rates) < count:
            if self.signals.number is not None:
                raise StoppedError(self.signals.number)
            for done in self.executor.wait(0.2):
                if done.failure is not None and not done.failure.out_of_memory:
                    raise HpsearchError(f"a worker could not time its steps: {done.failure.cause}")
                rates.append(done.value if isinstance(done.value, float) else 0.0)  # 0: out of memory
        return sum(rates)


def build_executor(config: Config, data: Data, fits: int) -> LocalExecutor[Job, JobResult]:
    """An executor with at most `fits` workers: `execution.workers`, or else one per core, or one on a GPU."""
    on_gpu = config.execution.device is not Device.CPU and gpu_count() > 0
    # joblib counts the cores of the affinity mask and of the container's quota
    workers = max(1, min(config.execution.workers or (1 if on_gpu else joblib.cpu_count()), fits))
    secrets = secret_texts(config.to_tree())
    return LocalExecutor(partial(set_up, data, config.execution.device), work, workers=workers, secrets=secrets)


def check_configs(
    executor: LocalExecutor[Job, JobResult], configs: list[Config], engine: Engine, signals: StopSignals
) -> ProbeResult:
    """Check configurations in a worker, before anything is written.

    Args:
        executor: An executor with free workers.
        configs: All configurations to train, at least one.
        engine: The configured engine.
        signals: Stop signals.

    Raises:
        ConfigError: If a configuration cannot be trained.
        StoppedError: On a signal.
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
    checked = _answer(executor, job, "check the configurations", signals)
    assert isinstance(checked, ProbeResult), checked
    return checked


def train_baselines(
    executor: LocalExecutor[Job, JobResult], config: Config, signals: StopSignals
) -> tuple[Baseline, ...]:
    """Train and score the baselines of a sweep in a worker, see `scoring.baselines`.

    Raises:
        HpsearchError: If the worker failed.
        StoppedError: On a signal.
    """
    scored = _answer(executor, BaselineJob(config), "train the baselines", signals)
    assert isinstance(scored, tuple), scored
    return tuple(each for each in scored if isinstance(each, Baseline))


def _answer(executor: LocalExecutor[Job, JobResult], job: Job, what: str, signals: StopSignals) -> JobResult:
    """The result of the only job of an executor with free workers."""
    executor.submit(what, job)
    while True:
        if signals.number is not None:
            raise StoppedError(signals.number)
        for done in executor.wait(0.2):
            if done.failure is None:
                assert done.value is not None, done
                return done.value
            if isinstance(done.failure, Raised) and done.failure.kind == ConfigError.__name__:
                raise ConfigError(*done.failure.message.splitlines())
            raise HpsearchError(f"a worker could not {what}: {done.failure.cause}")


def build_scheduler(
    executor: LocalExecutor[Job, JobResult], checked: ProbeResult, jobs: Sequence[TrialJob], n: int
) -> FleetScheduler:
    """The scheduler of these jobs on n development rows."""
    configs = [job.config for job in jobs]
    steps = max(steps_of_epoch(job.config, n) * job.epochs_to_run for job in jobs)
    return FleetScheduler(executor, checked.fleet_settings, fits_of(configs[0], n), steps, configs)


def steps_of_epoch(config: Config, n: int) -> int:
    """Number of minibatches of one epoch of one fit on n development rows."""
    rows = split_sizes(config.evaluation, n).train
    return -(-min(rows, config.data.limit or rows) // config.training.batch_size)


def fits_of(config: Config, n: int) -> int:
    """Number of fits of one trial on n development rows: folds times replicates."""
    return split_sizes(config.evaluation, n).folds * config.evaluation.replicates


def traits(config: Config) -> str:
    """Everything that decides whether a configuration can be trained, unlike values such as learning rates."""
    kinds = [getattr(config, group).kind for group in SEARCHABLE]
    training = config.training
    trained = (training.patience is None, training.batch_size, training.precision)
    own = [(option.import_path, option.kwargs) for option in config.own_code]
    augmented = list(config.augmentation.in_use)
    return repr((config.model, config.loss, config.evaluation, kinds, augmented, trained, own))
