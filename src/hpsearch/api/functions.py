"""The public functions of hpsearch."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.api.arguments import (
    choose_overrides,
    data_overrides,
    option_overrides,
    refuse_given_twice,
    runs_folder,
    space_overrides,
    value_overrides,
)
from hpsearch.api.callbacks import with_callbacks
from hpsearch.api.notebook_code import import_path_of
from hpsearch.api.results import Callback, Sweep, Trial
from hpsearch.api.run_command import run_action
from hpsearch.commands.observer import Observer, ObserverGroup
from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import Command, key_of
from hpsearch.config import ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.errors import NotFoundError
from hpsearch.search.checks import exhausted
from hpsearch.search.sweep_identity import SweepIdentity, find_sweep
from hpsearch.store.sweep_store import list_sweeps

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    option: str | None = None,
    *overrides: str,
    name: str | None = None,
    data: Any = None,
    target: str | int | Sequence[str | int] | None = None,
    model: Any = None,
    loss: Any = None,
    trials: int | None = None,
    space: Mapping[str, Any] | None = None,
    choose: Mapping[str, Sequence[str]] | None = None,
    metric: str | Callable[..., Any] | None = None,
    evaluation: str | None = None,
    seed: int | None = None,
    workers: int | None = None,
    tracking_uri: str | None = None,
    config_dir: str | Path | None = None,
    progress: bool = True,
    observer: Observer | None = None,
    callbacks: Callback | Sequence[Callback] = (),
) -> Sweep:
    """Start a sweep, resume it, or load it if it is complete, as `python -m hpsearch +sweep=<option> …` does.

    Args:
        option: The option of `+sweep=`, such as `mnist`; None: the other arguments configure the sweep.
        overrides: Overrides as on the command line, such as `"data=digits"` or `"optimizer.lr=0.1"`; none that says
            something else than an argument below.
        name: The name of the sweep; None: that of the option.
        data: An option (`"digits"`), a file (CSV or NPZ), a pandas DataFrame with `target`, a pair of arrays or tensors
            (X (N, ...), y (N,)) whose X may be a DataFrame, what `sklearn.datasets.load_iris()` returns, or a torch
            `Dataset` of (inputs, target) pairs. Rows in memory are stored once, in the folder of runs, under a digest
            of their content: the same rows resume the same sweep.
        target: The column to predict, or a list of several columns of numbers, where `data` is a file or a DataFrame.
        model: An option (`"mlp"`), `"package.module:Class"`, or a class or function that builds a `torch.nn.Module`;
            the source of one defined in a notebook cell is stored as a module, with the names it uses.
        loss: An option (`"mse"`), `"package.module:function"`, or a function of outputs and targets that returns the
            loss of each row.
        trials: The number of trials; in a comparison, of each level.
        space: Search space by key: `(low, high)`, `(low, high, "log")`, `(low, high, step)`, or a list of choices. It
            changes the shipped space of the key's group, all of which is searched; a value given as an override, such
            as `"model.depth=2"`, is not.
        choose: The options that a trial may take, by group: `{"optimizer": ["adam", "sgd"]}`.
        metric: The metric that trials are scored by, such as `macro_f1`, or a function `f(y_true, y_pred)` of yours,
            with `"search.direction=maximize"` or `minimize`; None: accuracy for classification, mean squared error for
            regression.
        evaluation: How rows are split: `holdout`, `kfold`, `stratified_kfold`, ….
        seed: The seed from which every random number is derived.
        workers: The number of worker processes; None: one per core.
        tracking_uri: The address of an MLflow store; None: a SQLite file in `mlruns`.
        config_dir: A folder of your own option files.
        progress: Whether to show a progress bar and warnings; without both, and without an observer, a space of fewer
            configurations than `trials` is a Python warning.
        observer: An observer of your own.
        callbacks: Functions, or a single one, called as `callback(sweep, trial)` after each trial; those of
            `"search.callbacks=[package.module:function]"` are called after them.

    Returns:
        The sweep, with `best`, `trials`, `report()` and `final()`.

    Raises:
        ConfigError: With every invalid key and how to fix it; nothing has been written.
        RefusedError: If another sweep has the name, or another process is running this one.
        KeyboardInterrupt: On Ctrl-C, after everything open was closed; the same call resumes the sweep.

    Examples:
        >>> import hpsearch
        >>> sweep = hpsearch.sweep(  # doctest: +SKIP
        ...     name="mine", data="houses.csv", target="price", model="mlp", trials=30,
        ...     space={"optimizer.lr": (1e-4, 1e-1, "log"), "model.width": [32, 64, 128]},
        ... )
    """
    if wrong := [each for each in (option, *overrides) if each is not None and not isinstance(each, str)]:
        raise ConfigError(f"options and overrides must be texts, such as 'mnist' or 'seed=1', got {wrong[0]!r}")
    if option is not None and "=" in option:
        overrides, option = (option, *overrides), None
    runs, folder = runs_folder(overrides), None if config_dir is None else Path(config_dir)
    called = _called(callbacks)
    display = _observer(observer, progress=progress)
    measure = import_path_of("metric", metric, runs) if callable(metric) else metric
    scalars = {"search.trials": trials, "search.metric": measure, "seed": seed, "execution.workers": workers}
    arguments = (
        *([] if option is None else [f"+sweep={option}"]),
        *value_overrides({"name": name}),
        *data_overrides(data, target, runs, folder),
        *option_overrides("model", model, runs),
        *option_overrides("loss", loss, runs),
        *value_overrides(scalars),
        *value_overrides({"evaluation": evaluation}),
        *value_overrides({"tracking.uri": tracking_uri}),
        *choose_overrides(choose),
        *space_overrides(space, overrides),
    )
    refuse_given_twice(arguments, overrides)
    command = Command((*arguments, *overrides), folder)
    if actions := [override for override in overrides if key_of(override) in ("final", "report")]:
        raise ConfigError(f"{actions[0]} is another action: call sweep.final() or sweep.report() of what is returned")
    result = run_action(command, with_callbacks(display, called, command))
    return Sweep(result.identity, result.config, command, display)


def train(*overrides: str, **arguments: Any) -> Trial:
    """Train, score and log one configuration, as `python -m hpsearch` without an action does.

    Args:
        overrides: Overrides as on the command line, such as `"model.width=300"`.
        arguments: Those of `sweep`, except `trials`, `space` and `choose`.

    Returns:
        The trial, loaded if this configuration was trained before; without a score, its `failure` gives the reason.

    Raises:
        ConfigError: As from `sweep`.
    """
    if refused := {"trials", "space", "choose"} & arguments.keys():
        raise ConfigError(f"train: {', '.join(sorted(refused))} belong to a search: use hpsearch.sweep")
    return sweep(None, *overrides, **arguments).trial(0)


def compare(group: str, *overrides: str, options: Sequence[str] | None = None, **arguments: Any) -> Sweep:
    """Compare the options of a group: search each, retrain the winners on fresh seeds, and write a report.

    The spaces of the group and of the optimizer are searched, unless `space` or `search.tune` is given.

    Args:
        group: A config group, such as `optimizer` or `init`.
        overrides: Overrides as on the command line.
        options: The options to compare; None: all options of the group.
        arguments: Those of `sweep`; `trials` is the number for each option.

    Returns:
        The sweep; `sweep.report()` gives the results.

    Raises:
        ConfigError: As from `sweep`.
    """
    if options is not None:
        arguments["choose"] = {**(arguments.get("choose") or {}), group: options}
    tuned = "search.tune" in map(key_of, overrides) or arguments.get("space")
    tune = [] if tuned else [f"search.tune=[{','.join(dict.fromkeys((group, 'optimizer')))}]"]
    return sweep(None, f"search.compare={group}", *tune, *overrides, **arguments)


def load(
    name: str, *, directory: str | Path = "mlruns", tracking_uri: str | None = None, progress: bool = True
) -> Sweep:
    """Load a sweep that was run before, in this process or another.

    Args:
        name: The name of the sweep.
        directory: The folder of runs.
        tracking_uri: The address of the MLflow store, if the sweep was given one.
        progress: Whether its methods show progress and warnings.

    Raises:
        NotFoundError: If there is no such sweep.
    """
    if not isinstance(name, str):
        raise ConfigError(f"name must be the name of a sweep, got {name!r}: hpsearch.sweeps() lists them")
    names = list_sweeps(directory)
    if name not in names:
        raise NotFoundError(f"{name!r} is no sweep in {directory}: {nearest(name, names)}")
    folder = None if str(directory) == "mlruns" else str(directory)
    location = value_overrides({"tracking.directory": folder, "tracking.uri": tracking_uri})
    report = ["+report=sweep", *value_overrides({"report.sweep": name}), *location]
    config = Composer(report).compose_uncovered().config
    identity = find_sweep(config, name, "report")
    command = Command((*identity.specification.overrides, *location))
    return Sweep(identity, config, command, _observer(None, progress=progress))


def sweeps(directory: str | Path = "mlruns") -> "pd.DataFrame":
    """Return a table of the sweeps in a folder of runs, one row each.

    Its columns are `name`, `data`, `created`, `trials` (the finished ones), `best` (the best trial's metric) and
    `metric`.
    """
    import pandas as pd  # noqa: PLC0415 (half a second that a search has no use for)

    rows = []
    for name, specification in list_sweeps(directory).items():
        loaded = load(name, directory=directory, progress=False)
        best = loaded.best
        rows.append({
            "name": name,
            "data": specification.data.name,
            "created": pd.Timestamp(specification.created_ms, unit="ms", tz="UTC").floor("s"),
            "trials": len(loaded),
            "best": None if best is None else best.value,
            "metric": loaded.metric,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["name", "data", "created", "trials", "best", "metric"])


def _observer(observer: Observer | None, *, progress: bool) -> Observer:
    if observer is not None and not isinstance(observer, Observer):
        raise ConfigError(f"observer must be an instance of a subclass of hpsearch.Observer, got {observer!r}")
    observers = [] if observer is None else [observer]
    if progress:
        from hpsearch.terminal.notebook_progress import ProgressBar  # noqa: PLC0415 (not needed without one)

        observers.append(ProgressBar())
    if not observers:
        observers.append(_Exhaustion())
    return ObserverGroup(*observers)


class _Exhaustion(Observer):
    def sweep_started(self, identity: SweepIdentity, plan: Any, score: Any, finished: int, extra_trials: int) -> None:
        del identity, score, finished, extra_trials
        for sentence in exhausted(plan.levels, plan.base.config.search.trials):
            warnings.warn(sentence, stacklevel=2)


def _called(callbacks: Callback | Sequence[Callback]) -> Sequence[Callback]:
    listed = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(listed, Sequence) or not all(map(callable, listed)):
        raise ConfigError(f"callbacks must be functions of a sweep and a trial, got {callbacks!r}")
    return listed
