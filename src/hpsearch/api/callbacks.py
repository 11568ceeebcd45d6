"""Functions that are called after each trial, given as objects or by import path."""

import inspect
import signal
from collections.abc import Sequence
from typing import Any

from hpsearch.api.results import Callback, Sweep, Trial, trial_of
from hpsearch.commands.observer import Observer, ObserverGroup
from hpsearch.compose.overrides import Command
from hpsearch.config import ConfigError
from hpsearch.errors import HpsearchError
from hpsearch.execution.interrupts import StoppedError
from hpsearch.import_path import described, import_named
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.record_json import Record


class CallbackError(HpsearchError):
    """A function of `search.callbacks` raised an exception, which ended the search."""

    exit_status = 1


def load_callbacks(paths: Sequence[str]) -> list[Callback]:
    """The functions of `search.callbacks`, whose exceptions become `CallbackError`.

    Args:
        paths: Import paths, `package.module:function`.

    Raises:
        ConfigError: If one cannot be imported, or takes no sweep and trial.
    """
    return list(map(_load, paths))


def _load(path: str) -> Callback:
    function = import_named("search.callbacks", path)
    rule = "search.callbacks must name functions of a sweep and a trial"
    if not callable(function):
        raise ConfigError(f"{rule}, got {path}, a {type(function).__name__}")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise ConfigError(f"{rule}, got {path}: {error}") from error

    def call(sweep: Sweep, trial: Trial) -> None:
        try:
            function(sweep, trial)
        except KeyboardInterrupt:
            raise StoppedError(signal.SIGINT) from None
        except Exception as error:
            message = f"search.callbacks {path} failed after trial {trial.number}: {described(error)}"
            raise CallbackError(f"{message}; finished trials are kept") from error

    return call


def with_callbacks(observer: Observer, callbacks: Sequence[Callback], command: Command) -> Observer:
    """An observer that calls functions after each trial, beside this one.

    Args:
        observer: Receives all events first, and those of the methods of the sweep that the functions get.
        callbacks: The functions.
        command: The command that runs the sweep.
    """
    return ObserverGroup(observer, _CallbackObserver(callbacks, command, observer)) if callbacks else observer


class _CallbackObserver(Observer):
    def __init__(self, callbacks: Sequence[Callback], command: Command, observer: Observer) -> None:
        self._callbacks, self._command, self._observer = callbacks, command, observer

    def sweep_started(self, identity: SweepIdentity, plan: Any, score: Any, finished: int, extra_trials: int) -> None:
        del finished, extra_trials
        self._identity, self._config, self._metric = identity, plan.base.config, score.metric.name

    def trial_finished(self, record: Record) -> None:
        store = self._identity.store
        attempt = store.latest(record.level, record.k)
        assert attempt is not None, record.name  # it was committed just now
        sweep = Sweep(self._identity, self._config, self._command, self._observer)
        trial = trial_of(store, record, attempt.number, self._config, self._metric)
        for callback in self._callbacks:
            callback(sweep, trial)
