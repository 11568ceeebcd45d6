"""What a driver asks of a worker, and what comes back."""

from dataclasses import dataclass, field

from hpsearch.config import Config, Engine
from hpsearch.records import FitResult, TrialResult


@dataclass(frozen=True, slots=True)
class TrialJob:
    """Train and score one configuration; `redraw` >= 1 is a fresh seed of `confirm`, 0 the search."""

    config: Config
    redraw: int = 0


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Train all fits of some trials, and score them; answers with a `TrialResult` each.

    Attributes:
        trials: Of one `shape_key` for the fleet engine; one alone for the reference engine.
        engine: `reference` or `fleet`.
        width: Most members of a fleet.
    """

    trials: tuple[TrialJob, ...]
    engine: Engine
    width: int = 1


@dataclass(frozen=True, slots=True)
class ShareJob:
    """Train every `shares`-th fit of one trial, from number `share` on; answers with their `FitResult`s."""

    trial: TrialJob
    engine: Engine
    width: int
    share: int
    shares: int


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """Score a trial whose fits were trained in shares; answers with its `TrialResult`.

    Attributes:
        trial: The trial.
        results: The answers to its `ShareJob`s, in the order of `share`.
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
    """

    config: Config
    stop_after: int
    recorded: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class CheckJob:
    """Find out, without training, whether configurations can be trained at all, and how; answers with a `Checked`.

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
    known: dict[str, "Pace"] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the fits of one shape train best.

    Attributes:
        engine: `reference` or `fleet`.
        width: Members of a fleet; 1 for the reference engine.
        member_step_ms: Milliseconds of one step of one member at this width; 0 where it was not measured.
        problem: Why they cannot train in a fleet although they should; None if there is no such reason.
    """

    engine: Engine
    width: int
    member_step_ms: float
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a worker found out.

    Attributes:
        device: Kind of device: `cpu`, `cuda`.
        paces: By `shape_key`.
        measured: What was timed just now, by a key of shape, device and torch version, to be remembered.
    """

    device: str
    paces: dict[str, Pace]
    measured: dict[str, Pace]


Job = TrainJob | ShareJob | ScoreJob | RefitJob | CheckJob
Answer = tuple[TrialResult, ...] | tuple[FitResult, ...] | TrialResult | FitResult | Checked
