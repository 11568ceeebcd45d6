"""Which action a command line asks for."""

from argparse import Namespace

from hpsearch.cli.compose import Composer
from hpsearch.cli.sweep import run_sweep
from hpsearch.config import ConfigError
from hpsearch.execution.processes import preload, stop_server
from hpsearch.space import Composed
from hpsearch.terminal import Terminal


def run_action(composer: Composer, command: Namespace) -> int:
    """Runs the action; returns the exit status."""
    preload("hpsearch.fitting", "torch._dynamo")  # torch loads while the driver composes and checks
    try:
        return _run(composer, composer.compose(), command, Terminal())
    finally:
        stop_server()


def _run(composer: Composer, base: Composed, command: Namespace, terminal: Terminal) -> int:
    if len(base.actions) > 1:
        given = " and ".join(f"+{group}={option}" for group, option in base.actions.items())
        raise ConfigError(f"{given} are two actions: give one")
    if "final" in base.actions:
        # Evaluating loads torch into this process, which a sweep does not need.
        from hpsearch.cli.final import run_final  # noqa: PLC0415

        return run_final(composer, base, terminal)
    return run_sweep(composer, base, command, terminal)
