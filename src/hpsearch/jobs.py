"""What a driver asks of a worker, and what comes back."""

from dataclasses import dataclass, field

from hpsearch.config import Config, Engine
from hpsearch.records import FitResult, TrialResult


@dataclass(frozen=True, slots=True)
class TrialJob:
    """Train and score one configuration.

    Attributes:
        config: The configuration.
        redraw: >= 1 is a fresh seed of `confirm`, 0 the search.
        stop_after: The rung: epochs in all after which to stop; None: not before the end.
        resume_from: Where the fits stand that go on from the rung before; empty at the beginning.
    """

    config: Config
    redraw: int = 0
    stop_after: int | None = None
    resume_from: tuple[FitResult, ...] = ()

    @property
    def epochs(self) -> int:
        """Epochs that were run before."""
        return max((result.epochs for result in self.resume_from), default=0)

    @property
    def epochs_to_run(self) -> int:
        """Epochs that this job takes, unless training stops early."""
        return (self.stop_after or self.config.training.epochs) - self.epochs


@dataclass(frozen=True, slots=True)
class Rung:
    """A trial that has stopped at a rung.

    Attributes:
        result: What it would be if it ended here.
        fits: `TrialJob.so_far` of the job by which it goes on.
    """

    result: TrialResult
    fits: tuple[FitResult, ...]


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Train all fits of some trials, and score them; answers with a `TrialResult` each, or a `Rung` if it stops there.

    Attributes:
        trials: Of one `shape_key`, at one rung, for the fleet engine; one alone for the reference engine.
        engine: `reference` or `fleet`.
        width: Most members of a fleet.
    """

    trials: tuple[TrialJob, ...]
    engine: Engine
    width: int = 1


@dataclass(frozen=True, slots=True)
class PartialTrialJob:
    """Train every `shares`-th fit of one trial, from number `share` on; answers with their `FitResult`s."""

    trial: TrialJob
    engine: Engine
    width: int
    share: int
    shares: int


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """Score a trial whose fits were trained in shares; answers with its `TrialResult`, or a `Rung` if it stopped there.

    Attributes:
        trial: The trial.
        results: The answers to its `PartialTrialJob`s, in the order of `share`.
    """

    trial: TrialJob
    results: tuple[tuple[FitResult, ...], ...]


@dataclass(frozen=True, slots=True)
class RefitJob:
    """Train on all development rows, and give the weights back.

    Attributes:
        config: The configuration; schedules span its `training.epochs`.
        stop_after: Epochs to train.
        recorded: Plateau factor of each epoch, from runs that had monitor rows; None for other schedules.
        retrain: 0 is the network that ships, >= 1 the same recipe with fit seeds of its own.
    """

    config: Config
    stop_after: int
    recorded: tuple[float, ...] | None
    retrain: int = 0

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"retraining {self.retrain}" if self.retrain else "the refit"


@dataclass(frozen=True, slots=True)
class CheckJob:
    """Find out, without training, whether configurations can be trained at all, and how; answers with a `ProbeResult`.

    Attributes:
        configs: The distinct ones of a sweep.
        shapes: One of each `shape_key`.
        engine: What is asked for.
        memory_gib: What the fleets of one worker may take; None: its share of what is free.
        workers: That share is one in so many.
        known: Paces that were measured before, by `autotune.key`.
        expected: How many trials of each `shape_key` are to come; not known if it is missing.
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
    """How the fits of one shape train best.

    Attributes:
        engine: `reference` or `fleet`.
        width: Members of a fleet; 1 for the reference engine.
        member_step_ms: Milliseconds of one step of one member at this width; 0 where it was not measured.
        problem: Why they cannot train in a fleet although they should; None if there is no such reason.
        processes: Workers that get most done side by side; None: all there are, it was not measured.
    """

    engine: Engine
    width: int
    member_step_ms: float
    problem: str | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a worker found out.

    Attributes:
        device: Kind of device: `cpu`, `cuda`.
        fleet_settings: By `shape_key`.
        measured: Of those that were timed just now, by `shape_key`, the name to remember them by: of shape, device and
            torch version.
        missing_signals: What the user's own modules lack of signals and why, a line each.
    """

    device: str
    fleet_settings: dict[str, FleetSettings]
    measured: dict[str, str]
    missing_signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimingJob:
    """Train a fleet that leads nowhere for a while; answers with member-steps a second.

    Attributes:
        config: Of all members.
        width: Members.
        seconds: How long, at least; 0 gets everything ready.
    """

    config: Config
    width: int
    seconds: float


Job = TrainJob | PartialTrialJob | ScoreJob | RefitJob | CheckJob | TimingJob

JobResult = (
    tuple[TrialResult | Rung, ...] | tuple[FitResult, ...] | TrialResult | Rung | FitResult | ProbeResult | float
)
