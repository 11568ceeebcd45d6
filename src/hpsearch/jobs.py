"""Jobs that the driver sends to workers, and the results that come back."""

from dataclasses import dataclass, field

from hpsearch.config import Config, Engine
from hpsearch.records import Baseline, FitResult, TrialResult


@dataclass(frozen=True, slots=True)
class TrialJob:
    """Train and score one configuration.

    Attributes:
        config: The configuration.
        confirm_seed: Number of the fresh seed when confirming, >= 1; 0 in the search.
        stop_after: Total number of epochs at which the rung stops training; None: train to the end.
        resume_from: The fits paused at the rung before; empty for a new trial.
    """

    config: Config
    confirm_seed: int = 0
    stop_after: int | None = None
    resume_from: tuple[FitResult, ...] = ()

    @property
    def epochs(self) -> int:
        """Number of epochs already run."""
        return max((result.epochs for result in self.resume_from), default=0)

    @property
    def epochs_to_run(self) -> int:
        """Number of epochs that this job runs, unless training stops early."""
        return (self.stop_after or self.config.training.epochs) - self.epochs


@dataclass(frozen=True, slots=True)
class Rung:
    """A trial that is paused at a rung.

    Attributes:
        result: Its result if it ended here.
        fits: `TrialJob.resume_from` of the job that continues it.
    """

    result: TrialResult
    fits: tuple[FitResult, ...]


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Train and score trials; returns for each a `TrialResult`, or a `Rung` if it pauses there.

    Attributes:
        trials: For the fleet engine, trials with equal `shape_key` at one rung; for the reference engine, one trial.
        engine: `reference` or `fleet`.
        width: Maximum number of members of a fleet.
    """

    trials: tuple[TrialJob, ...]
    engine: Engine
    width: int = 1


@dataclass(frozen=True, slots=True)
class PartialTrialJob:
    """Train every `shares`-th fit of a trial, starting with number `share`; returns their `FitResult` values.

    Attributes:
        trial: The trial.
        engine: `reference` or `fleet`.
        width: Maximum number of members of a fleet.
        share: Number of this part, in [0, shares).
        shares: Number of parts, >= 1.
    """

    trial: TrialJob
    engine: Engine
    width: int
    share: int
    shares: int


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """Score a trial whose fits were trained in parts; returns its `TrialResult`, or a `Rung` if it pauses there.

    Attributes:
        trial: The trial.
        results: The results of its `PartialTrialJob`s, in the order of `share`.
    """

    trial: TrialJob
    results: tuple[tuple[FitResult, ...], ...]


@dataclass(frozen=True, slots=True)
class RefitJob:
    """Train on all development rows; returns a `FitResult` with weights.

    Attributes:
        config: The configuration; schedules span its `training.epochs`.
        stop_after: Number of epochs to train.
        recorded: Plateau factor of each epoch, from fits that had monitor rows; None for other schedules.
        retrain: 0 for the network that is shipped, >= 1 for retrainings with seeds of their own.
    """

    config: Config
    stop_after: int
    recorded: tuple[float, ...] | None
    retrain: int = 0

    @property
    def name(self) -> str:
        """Its name in messages."""
        return f"retraining {self.retrain}" if self.retrain else "the refit"


@dataclass(frozen=True, slots=True)
class BaselineJob:
    """Train and score the baselines of a sweep; returns a `Baseline` for each.

    Attributes:
        config: A configuration of the sweep.
    """

    config: Config


@dataclass(frozen=True, slots=True)
class CheckJob:
    """Check whether configurations can be trained, and find the fastest settings; returns a `ProbeResult`.

    Attributes:
        configs: The distinct configurations of a sweep.
        shapes: One configuration per `shape_key`.
        engine: The configured engine.
        memory_gib: Memory for the fleets of one worker, in GiB; None: an equal share of the free memory.
        workers: Number of workers that share the memory.
        known: Settings measured earlier, by `autotune.key`.
        expected: Number of trials to come of each `shape_key`; unknown where missing.
    """

    configs: tuple[Config, ...]
    shapes: tuple[Config, ...] = ()
    engine: Engine = Engine.REFERENCE
    memory_gib: float | None = None
    workers: int = 1
    known: dict[str, "FleetSettings"] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """How the fits of one shape train fastest.

    Attributes:
        engine: `reference` or `fleet`.
        width: Members of a fleet; 1 for the reference engine.
        member_step_ms: Milliseconds per step and member at this width; 0 where not measured.
        problem: Why these fits cannot train in a fleet although that was requested; otherwise None.
        processes: Number of worker processes with the highest throughput; None: not measured, use all.
    """

    engine: Engine
    width: int
    member_step_ms: float
    problem: str | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a `CheckJob`.

    Attributes:
        device: Kind of device: `cpu` or `cuda`.
        fleet_settings: Fastest settings by `shape_key`.
        measured: For settings measured just now, by `shape_key`: the `autotune.key` under which to store them.
        missing_signals: What diagnostics the user's modules lack and why, one line each.
    """

    device: str
    fleet_settings: dict[str, FleetSettings]
    measured: dict[str, str]
    missing_signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimingJob:
    """Train a fleet for timing only; returns member-steps per second.

    Attributes:
        config: Configuration of all members.
        width: Number of members.
        seconds: Minimum duration; 0 only warms up.
    """

    config: Config
    width: int
    seconds: float


Job = TrainJob | PartialTrialJob | ScoreJob | RefitJob | BaselineJob | CheckJob | TimingJob

JobResult = (
    tuple[TrialResult | Rung, ...]
    | tuple[FitResult, ...]
    | tuple[Baseline, ...]
    | TrialResult
    | Rung
    | FitResult
    | ProbeResult
    | float
)
