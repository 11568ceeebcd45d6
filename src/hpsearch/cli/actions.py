"""Which action a command line asks for."""

from argparse import Namespace
from functools import partial

from hpsearch.cli.compose import Composer
from hpsearch.cli.sweep import run_sweep
from hpsearch.cli.unread import adamw_without_decay
from hpsearch.config import ConfigError
from hpsearch.space import Composed
from hpsearch.terminal import Terminal


def run_action(composer: Composer, command: Namespace) -> int:
    """Runs the action; returns the exit status."""
    # Finals and reports have their options from the stored sweep; those of the command line are compared with it.
    stored = {"final", "report"} & composer.overrides.options.keys()
    base = composer.compose_uncovered() if stored else composer.compose()
    terminal = Terminal()
    for old, new in composer.overrides.replaced:
        terminal.line(f"{old} is given before {new}: the last one counts")
    return _run(composer, base, command, terminal)


def _run(composer: Composer, base: Composed, command: Namespace, terminal: Terminal) -> int:
    if len(base.actions) > 1:
        given = " and ".join(f"+{group}={option}" for group, option in base.actions.items())
        raise ConfigError(f"{given} are two actions: give one")
    if "final" in base.actions:
        # Evaluating loads torch into this process, which a sweep does not need.
        from hpsearch.cli.final import run_final  # noqa: PLC0415

        return run_final(composer, base, terminal)
    if "report" in base.actions:
        from hpsearch.cli.report import run_report  # noqa: PLC0415 (matplotlib and scipy, which a sweep does not need)

        return run_report(composer.overrides, base, terminal)
    for key in (key for key in composer.overrides.values if key.startswith("final.")):
        action = "run" if key == "final.run" else "sweep"
        raise ConfigError(f"{key} has no effect without an action: add +final={action}")
    if note := adamw_without_decay(base, partial(_options_of, composer, base)):
        terminal.warn(note)
    return run_sweep(composer, base, command, terminal)


def _options_of(composer: Composer, base: Composed, group: str) -> list[Composed]:
    """Each option that a trial may take, composed; names that no option has are refused elsewhere."""
    names = getattr(base.config.search.choose, group)
    if not names or group in composer.overrides.options:
        return [base]
    return [composer.compose({group: name}) for name in names if name in composer.known_options(group)]
