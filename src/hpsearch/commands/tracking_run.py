"""Connects to the tracking store and keeps the parent run of a sweep."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

from hpsearch.commands.observer import Observer
from hpsearch.config import Config, ConfigError
from hpsearch.errors import OutputClosedError
from hpsearch.execution.interrupts import StoppedError
from hpsearch.quoting import command_line, hydra_quoted
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.specification import Specification, judgement_of, question_of
from hpsearch.tracking.connection import check, resolve_uri
from hpsearch.tracking.environment import describe
from hpsearch.tracking.reader import REQUESTED
from hpsearch.tracking.report_views import question_tags
from hpsearch.tracking.run_format import OURS, Dataset, Ending, SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


def tracking_uri(config: Config) -> str:
    """Return the address of the tracking store."""
    return resolve_uri(config.tracking.uri, Path(config.tracking.directory))


def connect(config: Config, observer: Observer) -> Tracker:
    """Connect to the tracking store, and warn if its folder was moved."""
    tracker = Tracker.connect(config.tracking.uri, Path(config.tracking.directory))
    for place in tracker.moved_from:
        observer.warn(
            f"the artifacts in MLflow were moved or copied here from {place}: their paths in the store lead here now"
        )
    return tracker


def connect_reader(config: Config, observer: Observer) -> Tracker:
    """Connect to an existing tracking store, for readers, which do not create one.

    Raises:
        ConfigError: If it is a SQLite store that does not exist.
        TrackingError: If it cannot be used; within 10 s.
    """
    path = check(tracking_uri(config))
    if path is not None and not path.exists():
        raise ConfigError(
            f"there is no tracking store at {path}: run a sweep first, in this folder, or give tracking.uri"
        )
    return connect(config, observer)


@contextmanager
def running(
    tracker: Tracker,
    named: SweepIdentity,
    columns: list[str],
    tags: Mapping[str, str] | None = None,
    own: Mapping[str, str] | None = None,
) -> Iterator[SweepRun]:
    """Keep the parent run of a sweep running within the context, and end it afterwards.

    Args:
        tracker: The tracker.
        named: The sweep.
        columns: Params and metrics that MLflow's table of trials shows beside the score.
        tags: Further tags.
        own: The user's own tags.

    Raises:
        ConfigError: If one of the user's tags is set by hpsearch or MLflow.
    """
    run = _open_run(tracker, named, columns, tags or {}, own or {})
    try:
        yield run
    except BaseException as error:
        failed = isinstance(error, Exception) and not isinstance(error, StoppedError | OutputClosedError)
        # If tracking itself failed, the run is closed by the next start.
        with suppress(Exception):
            tracker.close_sweep(run, Ending.FAILED if failed else Ending.KILLED, ended_ms=now_ms())
        raise
    tracker.close_sweep(run, Ending.FINISHED, ended_ms=now_ms())


@contextmanager
def stored(tracker: Tracker, named: SweepIdentity) -> Iterator[SweepRun]:
    """Yield the parent run of a sweep without changing it; it is created if this store lacks it."""
    existing = tracker.find_sweep(named.name, named.identity)
    with running(tracker, named, []) if existing is None else nullcontext(existing) as run:
        yield run


def _open_run(
    tracker: Tracker, named: SweepIdentity, columns: list[str], tags: Mapping[str, str], own: Mapping[str, str]
) -> SweepRun:
    specification = named.specification
    data, frozen = specification.data, specification.fingerprinted
    ours = describe() | {key: str(getattr(specification, key)) for key in ("fingerprint", "engine", "device")}
    ours |= {f"test_{key}": str(value) for key, value in asdict(data.test).items()} if data.test else {}
    ours |= question_tags(question_of(frozen), judgement_of(frozen)) if frozen.levels else {}
    ours |= {**tags, "data": data.name, REQUESTED: str(named.store.requested())}
    taken = [key for key in own if key in {*ours, *OURS} or key.startswith("mlflow.")]
    if taken:
        raise ConfigError(*(f"tracking.tags.{key} is set by hpsearch or MLflow: give it another name" for key in taken))
    return tracker.open_sweep(
        named.name,
        identity=named.identity,
        started_ms=now_ms(),
        description=describe_sweep(named),
        tags={**own, **ours},
        columns=columns,
        datasets=_datasets(specification),
    )


def _datasets(specification: Specification) -> list[Dataset]:
    data, config = specification.data, specification.fingerprinted.config
    source = {"data": config["options"]["data"], **config["data"]}
    rows = {"rows": data.development_rows, "targets": data.targets}
    datasets = [Dataset(data.name, specification.fingerprinted.data, "development: train, val, report", source, rows)]
    if data.test:
        datasets.append(Dataset(data.name, data.test.digest, "sealed test", source, {"rows": data.test.rows}))
    return datasets


def describe_sweep(named: SweepIdentity, result: str = "") -> str:
    """Return the description of a sweep for its pages in MLflow, in Markdown, with its result once there is one."""
    specification = named.specification
    data, command = specification.data.name, command_line(specification.overrides)
    summary = (
        f"A sweep of hpsearch on `{data}`: one child run for each trial; `score` is the validation metric (higher is "
        f"better). {_what_to_quote(specification)}\n\n    {command}\n"
    )
    paragraphs = [specification.description, result and f"**Result.** {result}", summary]
    return "\n\n".join(text for text in paragraphs if text)


def _what_to_quote(specification: Specification) -> str:
    if specification.fingerprinted.levels:
        again = command_line(["+report=sweep", f"report.sweep={hydra_quoted(specification.name)}"])
        return (
            "Levels are compared: not what the search found is to quote, but the retrainings on fresh seeds, child "
            "runs of the role `confirm`. The place to read is the report, `report/report.html` among the artifacts of "
            f"the sweep's run, which is made again by\n\n    {again}\n\nThe sweep itself:"
        )
    if specification.fingerprinted.config["evaluation"]["kind"] == "holdout":
        return "`report/…` is what to quote."
    return "There are no report rows, and the highest of several scores flatters."
