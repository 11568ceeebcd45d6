"""Builds what a driver works with: workers, tracker, parent run, study."""

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
from hpsearch.store.optuna_journal import JOURNAL
from hpsearch.store.specification import Specification, judgement_of, question_of
from hpsearch.tracking.connection import check, load, resolve_uri
from hpsearch.tracking.environment import describe
from hpsearch.tracking.reader import REQUESTED
from hpsearch.tracking.report_views import question_tags
from hpsearch.tracking.run_format import OURS, Dataset, Ending, SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


def load_tracking(config: Config) -> None:
    """Imports what `connect` needs, for a caller who has to wait for something else anyway."""
    load(_uri(config))


def check_tracking(config: Config) -> None:
    """Refuses a tracking store that cannot be used, before anything else is waited for.

    Raises:
        TrackingError: It cannot be used; within 10 s.
    """
    check(_uri(config))


def connect(config: Config, observer: Observer) -> Tracker:
    """The tracker that the configuration names; that its folder was moved is told."""
    tracker = Tracker.connect(config.tracking.uri, Path(config.tracking.directory))
    for place in tracker.moved_from:
        observer.warn(
            f"the artifacts in MLflow were moved or copied here from {place}: their paths in the store lead here now"
        )
    return tracker


def connect_reader(config: Config, observer: Observer) -> Tracker:
    """The tracker that the configuration names, of a store that is there: who only reads makes none.

    Raises:
        ConfigError: It is a SQLite store, and there is none.
        TrackingError: It cannot be used; within 10 s.
    """
    path = check(_uri(config))
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
    """The parent run of a sweep, made now or found again: it runs while in the context, and has ended after it.

    Args:
        tracker: Where.
        named: The sweep.
        columns: Params and metrics that MLflow's table of trials shows beside the score.
        tags: What else is known of it.
        own: Tags of the user's own.

    Raises:
        ConfigError: If one of those is a tag that hpsearch or MLflow sets.
    """
    run = _open_run(tracker, named, columns, tags or {}, own or {})
    try:
        yield run
    except BaseException as error:
        failed = isinstance(error, Exception) and not isinstance(error, StoppedError | OutputClosedError)
        # What cannot be closed now, because tracking is what failed, is closed by the next start.
        with suppress(Exception):
            tracker.close_sweep(run, Ending.FAILED if failed else Ending.KILLED, ended_ms=now_ms())
        raise
    tracker.close_sweep(run, Ending.FINISHED, ended_ms=now_ms())


@contextmanager
def stored(tracker: Tracker, named: SweepIdentity) -> Iterator[SweepRun]:
    """The parent run of a sweep left as it is, whatever becomes of its final; made if this store does not have it."""
    found = tracker.find_sweep(named.name, named.identity)
    with running(tracker, named, []) if found is None else nullcontext(found) as run:
        yield run


def _open_run(
    tracker: Tracker, named: SweepIdentity, columns: list[str], tags: Mapping[str, str], own: Mapping[str, str]
) -> SweepRun:
    specification = named.specification
    data, asked = specification.data, specification.fingerprinted
    test = {f"test_{key}": str(value) for key, value in asdict(data.test).items()} if data.test else {}
    kept = {key: str(getattr(specification, key)) for key in ("fingerprint", "engine", "device")}
    question = question_tags(question_of(asked), judgement_of(asked)) if asked.levels else {}
    ours = {
        **describe(),
        **kept,
        **test,
        **question,
        **tags,
        "data": data.name,
        REQUESTED: str(named.store.requested()),
    }
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
    """The development rows, and those that are sealed."""
    data, config = specification.data, specification.fingerprinted.config
    source = {"data": config["options"]["data"], **config["data"]}
    rows = {"rows": data.development_rows, "targets": data.targets}
    found = [Dataset(data.name, specification.fingerprinted.data, "development: train, val, report", source, rows)]
    if data.test:
        found.append(Dataset(data.name, data.test.digest, "sealed test", source, {"rows": data.test.rows}))
    return found


def journal_path(config: Config) -> Path:
    """Where Optuna's journal lies."""
    return Path(config.tracking.directory) / JOURNAL


def describe_sweep(named: SweepIdentity, result: str = "") -> str:
    """What stands on the pages of a sweep in MLflow, in Markdown: what it is, its result, the command that it is from.

    Args:
        named: The sweep.
        result: One sentence or more, once there is a result.
    """
    specification = named.specification
    data, command = specification.data.name, command_line(specification.overrides)
    what = (
        f"A sweep of hpsearch on `{data}`: one child run for each trial; `score` is the validation metric (higher is "
        f"better). {_to_quote(specification)}\n\n    {command}\n"
    )
    told = [specification.description, result and f"**Result.** {result}", what]
    return "\n\n".join(text for text in told if text)


def _to_quote(specification: Specification) -> str:
    """What a reader of the runs may quote: the highest of several scores flatters."""
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


def _uri(config: Config) -> str:
    return resolve_uri(config.tracking.uri, Path(config.tracking.directory))
