"""The functions of hpsearch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.api.arguments import as_overrides
from hpsearch.api.results import Callback, Sweep, Trial, trial_of
from hpsearch.api.run_command import run_action
from hpsearch.commands.observer import Observer, ObserverGroup
from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import Command, key_of
from hpsearch.config import ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.errors import NotFoundError
from hpsearch.metrics import METRICS
from hpsearch.quoting import hydra_quoted
from hpsearch.search.sweep_identity import SweepIdentity, find_sweep
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import list_sweeps

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    option: str | None = None,
    *overrides: str,
    name: str | None = None,
    data: Any = None,
    target: str | None = None,
    model: Any = None,
    loss: Any = None,
    trials: int | None = None,
    space: Mapping[str, Any] | None = None,
    choose: Mapping[str, Sequence[str]] | None = None,
    metric: str | None = None,
    evaluation: str | None = None,
    seed: int | None = None,
    workers: int | None = None,
    tracking_uri: str | None = None,
    config_dir: str | Path | None = None,
    progress: bool = True,
    observer: Observer | None = None,
    callbacks: Sequence[Callback] = (),
) -> Sweep:
    """Runs a sweep, goes on with it, or finds it finished: as `python -m hpsearch +sweep=<option> …` does.

    Args:
        option: The option of `+sweep=`, such as `mnist`; None: everything is said by what follows.
        overrides: In the words of the command line, such as `"data=digits"` or `"optimizer.lr=0.1"`.
        name: The name of the sweep; None: that of the option.
        data: An option (`"digits"`), a file (CSV or NPZ), a pandas DataFrame with `target`, a pair of arrays or tensors
            (X (N, ...), y (N,)), or a torch `Dataset` of (inputs, target) pairs. Rows in memory are kept once, below
            the folder of runs, by a digest of their content: the same rows go on with the same sweep.
        target: The column to predict, where `data` is a file or a DataFrame.
        model: An option (`"mlp"`), `"package.module:Class"`, or a class or function that builds a `torch.nn.Module`;
            one that is defined in a notebook's cell is kept as a module with what it uses.
        loss: An option (`"mse"`), `"package.module:function"`, or a function of outputs and targets that returns the
            loss of each row.
        trials: The number of trials; in a comparison, of each level.
        space: What is searched, by key: `(low, high)`, `(low, high, "log")`, `(low, high, step)`, or a list of choices.
        choose: The options that a trial may take, by group: `{"optimizer": ["adam", "sgd"]}`.
        metric: What trials are scored by, such as `macro_f1`; None: accuracy for classes, else the mean squared error.
        evaluation: How rows are split: `holdout`, `kfold`, `stratified_kfold`, ….
        seed: The seed from which every random number is derived.
        workers: The number of worker processes; None: one a core.
        tracking_uri: The address of an MLflow store; None: a SQLite file below `mlruns`.
        config_dir: A folder of option files of your own.
        progress: Whether a progress bar and warnings are shown.
        observer: An observer of your own, which is told what happens.
        callbacks: Functions that are called as `callback(sweep, trial)` after each trial.

    Returns:
        The sweep; `sweep.best`, `sweep.trials`, `sweep.report()`, `sweep.final()`.

    Raises:
        ConfigError: With every key that is wrong, and the way out; nothing is written then.
        RefusedError: If another sweep has the name, or is being run by another process.
        KeyboardInterrupt: By Ctrl-C, after what is open was closed; the same call goes on where it was.

    Examples:
        >>> import hpsearch
        >>> sweep = hpsearch.sweep(  # doctest: +SKIP
        ...     name="mine", data="houses.csv", target="price", model="mlp", trials=30,
        ...     space={"optimizer.lr": (1e-4, 1e-1, "log"), "model.width": [32, 64, 128]},
        ... )
    """
    if option is not None and "=" in option:
        overrides, option = (option, *overrides), None
    given = as_overrides(
        overrides=overrides,
        name=name,
        data=data,
        target=target,
        model=model,
        loss=loss,
        trials=trials,
        space=space,
        choose=choose,
        metric=metric,
        evaluation=evaluation,
        seed=seed,
        workers=workers,
        tracking_uri=tracking_uri,
        config_dir=None if config_dir is None else Path(config_dir),
    )
    if actions := [each for each in overrides if key_of(each) in ("final", "report")]:
        raise ConfigError(f"{actions[0]} is another action: call sweep.final() or sweep.report() of what is returned")
    started = () if option is None else (f"+sweep={option}",)
    command = Command((*started, *given), None if config_dir is None else Path(config_dir))
    shown = _observer(observer, progress=progress)
    told = ObserverGroup(shown, _Callbacks(callbacks, command, shown)) if callbacks else shown
    result = run_action(command, told)
    return Sweep(result.identity, result.config, command, shown)


def train(*overrides: str, **arguments: Any) -> Trial:
    """Trains, scores and logs one configuration, as `python -m hpsearch` without an action does.

    Args:
        overrides: In the words of the command line, such as `"model.width=300"`.
        arguments: Those of `sweep`, except `trials`, `space` and `choose`.

    Returns:
        Its trial, the stored one if this configuration was trained before; `failure` says why if it has no score.

    Raises:
        ConfigError: As from `sweep`.
    """
    known = {"trials", "space", "choose"} & arguments.keys()
    if known:
        raise ConfigError(f"train: {', '.join(sorted(known))} belong to a search: use hpsearch.sweep")
    return sweep(None, *overrides, **arguments).trial(0)


def compare(group: str, *overrides: str, options: Sequence[str] | None = None, **arguments: Any) -> Sweep:
    """Compares the options of a group: searches each, retrains the winners on fresh seeds, and writes a report.

    The spaces of the group and of the optimizer are searched, unless `space` or `search.tune` says otherwise.

    Args:
        group: A config group, such as `optimizer` or `init`.
        overrides: In the words of the command line.
        options: The options that are compared; None: all of the group.
        arguments: Those of `sweep`; `trials` is the number for each option.

    Returns:
        The sweep; `sweep.report()` says what was found.

    Raises:
        ConfigError: As from `sweep`.
    """
    chosen = {} if options is None else {group: options}
    arguments["choose"] = {**(arguments.get("choose") or {}), **chosen}
    tuned = "search.tune" in map(key_of, overrides) or arguments.get("space")
    tune = [] if tuned else [f"search.tune=[{','.join(dict.fromkeys((group, 'optimizer')))}]"]
    return sweep(None, f"search.compare={group}", *tune, *overrides, **arguments)


def load(
    name: str, *, directory: str | Path = "mlruns", tracking_uri: str | None = None, progress: bool = True
) -> Sweep:
    """A sweep that was run before, in this process or any other.

    Args:
        name: The name of the sweep.
        directory: The folder of runs.
        tracking_uri: The address of the MLflow store, if the sweep was given one.
        progress: Whether its methods show progress and warnings.

    Raises:
        NotFoundError: If there is no such sweep, with the names of those that there are.
    """
    known = list_sweeps(directory)
    if name not in known:
        raise NotFoundError(f"{name!r} is no sweep in {directory}: {nearest(name, known)}")
    where = [] if str(directory) == "mlruns" else [f"tracking.directory={hydra_quoted(str(directory))}"]
    where += [] if tracking_uri is None else [f"tracking.uri={hydra_quoted(tracking_uri)}"]
    asked = Composer(["+report=sweep", f"report.sweep={hydra_quoted(name)}", *where]).compose_uncovered().config
    identity = find_sweep(asked, name, "report")
    command = Command((*identity.specification.overrides, *where))
    return Sweep(identity, asked, command, _observer(None, progress=progress))


def sweeps(directory: str | Path = "mlruns") -> "pd.DataFrame":
    """A table of the sweeps in a folder, one row each.

    Args:
        directory: The folder of runs.

    Returns:
        The columns `name`, `data`, `created`, `trials` (finished ones), `best` (the metric of the best trial) and
        `metric`.
    """
    import pandas as pd  # noqa: PLC0415 (half a second that a search has no use for)

    rows = []
    for name, specification in list_sweeps(directory).items():
        found = load(name, directory=directory, progress=False)
        best = found.best
        rows.append({
            "name": name,
            "data": specification.data.name,
            "created": pd.Timestamp(specification.created_ms, unit="ms", tz="UTC").floor("s"),
            "trials": len(found),
            "best": None if best is None or best.score is None else METRICS[found.metric].score(best.score),
            "metric": found.metric,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["name", "data", "created", "trials", "best", "metric"])


def _observer(observer: Observer | None, *, progress: bool) -> Observer:
    found = [] if observer is None else [observer]
    if progress:
        from hpsearch.terminal.notebook_progress import ProgressBar  # noqa: PLC0415 (not needed without one)

        found.append(ProgressBar())
    return ObserverGroup(*found)


class _Callbacks(Observer):
    """Calls functions after each trial."""

    def __init__(self, callbacks: Sequence[Callback], command: Command, observer: Observer) -> None:
        self._callbacks, self._command, self._observer = callbacks, command, observer

    def sweep_started(self, identity: SweepIdentity, plan: Any, score: Any, finished: int, extra_trials: int) -> None:
        del finished, extra_trials
        self._identity, self._config, self._metric = identity, plan.base.config, score.metric

    def trial_finished(self, record: Record) -> None:
        store = self._identity.store
        attempt = store.latest(record.level, record.k)
        assert attempt is not None, record.name  # it was committed just now
        sweep = Sweep(self._identity, self._config, self._command, self._observer)
        trial = trial_of(store, record, attempt.number, self._config, self._metric)
        for callback in self._callbacks:
            callback(sweep, trial)
