"""Runs a command in the caller's process."""

import atexit
import functools
import signal
import warnings
from typing import Any

from tqdm import TqdmWarning

from hpsearch.commands.dispatch import plan_action
from hpsearch.commands.observer import Observer
from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import Command
from hpsearch.config import ConfigError
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.worker_process import preload, stop_server

with warnings.catch_warnings():
    warnings.simplefilter("ignore", TqdmWarning)  # raised in a notebook without ipywidgets, by the first import
    import tqdm.auto  # noqa: F401 (Optuna imports it too)


def run_action(command: Command, observer: Observer) -> Any:
    """Run the action of a command and return its result.

    Raises:
        KeyboardInterrupt: On Ctrl-C, after everything open was closed; the same call resumes.
        HpsearchError: If it cannot be run.
    """
    composer = Composer(command.overrides, command.config_dir, command.config_name)
    action = plan_action(composer)
    if action.name == "across_data_sets":
        raise ConfigError("search.datasets is for the command line: in Python, sweep each data set by itself, data=…")
    for old, new in composer.overrides.replaced:
        observer.line(f"{old} is given before {new}: the last one counts")
    if action.callbacks:
        from hpsearch.api.callbacks import load_callbacks, with_callbacks  # noqa: PLC0415 (it imports this module)

        observer = with_callbacks(observer, load_callbacks(action.callbacks), command)
    if action.trains:
        _start_server()
    try:
        return action.run(observer, StopSignals(exits=False))
    except StoppedError as stopped:
        if stopped.number != signal.SIGINT:
            raise
        raise KeyboardInterrupt("stopped; the same call goes on where it was") from None


@functools.cache
def _start_server() -> None:
    preload("sklearn.model_selection", "hpsearch.execution.run_job", "torch._dynamo")
    atexit.register(stop_server)
