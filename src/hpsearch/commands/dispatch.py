"""Selects the action of a command, with all checks that need neither rows nor torch nor a tracking store."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from hpsearch.commands.final_target import plan_final
from hpsearch.commands.observer import Observer
from hpsearch.commands.report_target import refuse_settings, require_known
from hpsearch.compose.comparison import on_each_data_set, plan_levels
from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import DATA_CHECK, Command
from hpsearch.compose.search_space import adamw_without_decay
from hpsearch.config import ConfigError
from hpsearch.data.datasets import require_file
from hpsearch.execution.interrupts import StopSignals
from hpsearch.search.checks import check_cohorts, check_enqueued, check_trials, check_warm_start
from hpsearch.search.space import Composed

if TYPE_CHECKING:
    from hpsearch.commands.across_data_sets import PublishedAcrossDataSets
    from hpsearch.commands.data_check import DataCheck
    from hpsearch.commands.final import FinalResult
    from hpsearch.commands.leaderboard import PublishedLeaderboard
    from hpsearch.commands.publish import PublishedReport
    from hpsearch.commands.sweep import SweepResult

    Result: TypeAlias = (
        SweepResult | FinalResult | PublishedReport | PublishedLeaderboard | PublishedAcrossDataSets | DataCheck
    )

SweepAction: TypeAlias = Callable[[Observer, StopSignals], "SweepResult"]
"""Runs a checked sweep."""


@dataclass(frozen=True, slots=True)
class Action:
    """The action of a command.

    Attributes:
        name: `sweep`, `across_data_sets`, `final`, `report`, `leaderboard` or `data_check`.
        run: Runs it, with an observer and stop signals, and returns its result.
        trains: Whether it may need workers.
        callbacks: Import paths of functions that are called after each trial.
    """

    name: str
    run: Callable[[Observer, StopSignals], "Result"]
    trains: bool = True
    callbacks: tuple[str, ...] = ()


def plan_action(composer: Composer) -> Action:
    """Return the action; its modules are imported when it runs.

    Raises:
        ConfigError: If the command is inconsistent; most refusals come from here, within a second.
    """
    # Finals and reports take their options from the stored sweep, and compare those of the command line with it.
    stored = {"final", "report"} & composer.overrides.options.keys()
    base = composer.compose_uncovered() if stored else composer.compose()
    asked = [f"+{group}={option}" for group, option in base.actions.items()]
    if stored and composer.overrides.checks_data:
        asked.append(DATA_CHECK)
    if len(asked) > 1:
        raise ConfigError(f"{' and '.join(asked)} are two actions: give one")
    if composer.overrides.checks_data:
        return _plan_data_check(composer, base)
    if "final" in base.actions:
        return _plan_final(composer, base)
    if "report" in base.actions:
        return _plan_report(composer, base)
    return _plan_sweep(composer, base)


def _plan_final(composer: Composer, base: Composed) -> Action:
    chosen = plan_final(composer, base)

    def run(observer: Observer, signals: StopSignals) -> "Result":
        from hpsearch.commands.final import run_final  # noqa: PLC0415 (torch)

        return run_final(composer, base, chosen, observer, signals)

    return Action("final", run)


def _plan_report(composer: Composer, base: Composed) -> Action:
    refuse_settings(composer.overrides, base.actions["report"])
    require_known(base.config, base.actions["report"])

    def run(observer: Observer, signals: StopSignals) -> "Result":
        from hpsearch.commands.report import run_report  # noqa: PLC0415 (matplotlib and scipy)

        del signals  # nothing is trained
        return run_report(composer.overrides, base, observer)

    name = "leaderboard" if base.actions["report"] == "leaderboard" else "report"
    return Action(name, run, trains=False)


def _plan_data_check(composer: Composer, base: Composed) -> Action:
    require_file(base.config.data)

    def run(observer: Observer, signals: StopSignals) -> "Result":
        from hpsearch.commands.data_check import check_data  # noqa: PLC0415 (half a second)

        del observer, signals  # nothing is trained
        return check_data(base.config, composer.command)

    return Action("data_check", run, trains=False)


def _plan_sweep(composer: Composer, base: Composed) -> Action:
    for key in (key for key in composer.overrides.values if key.startswith("final.")):
        action = "run" if key == "final.run" else "sweep"
        raise ConfigError(f"{key} has no effect without an action: add +final={action}")
    callbacks = tuple(base.config.search.callbacks)
    if not base.config.search.datasets:
        return Action("sweep", _checked_sweep(composer, base), callbacks=callbacks)
    name, commands = on_each_data_set(composer, base)
    sweeps = {data: _on(data, command) for data, command in commands.items()}

    def run(observer: Observer, signals: StopSignals) -> "Result":
        from hpsearch.commands.across_data_sets import run_on_each  # noqa: PLC0415 (half a second)

        return run_on_each(name, base.config, sweeps, observer, signals)

    return Action("across_data_sets", run, callbacks=callbacks)


def _on(data: str, command: Command) -> SweepAction:
    composer = Composer(command.overrides, command.config_dir, command.config_name)
    try:
        return _checked_sweep(composer, composer.compose())
    except ConfigError as error:
        raise ConfigError(*(f"on {data}: {problem}" for problem in error.problems)) from error


def _checked_sweep(composer: Composer, base: Composed) -> SweepAction:
    """The sweep of a command, after all checks that need no rows."""
    check_warm_start(base.config)
    levels = plan_levels(composer, base)
    check_trials(base.config, levels)
    for level in levels:
        check_enqueued(base.config, level.space)
        check_cohorts(base.config, level.space)
    require_file(base.config.data)
    note = adamw_without_decay(base, partial(_options_of, composer, base))

    def run(observer: Observer, signals: StopSignals) -> "SweepResult":
        from hpsearch.commands.sweep import run_sweep  # noqa: PLC0415 (half a second)

        if note:
            observer.warn(note)
        return run_sweep(base, levels, composer.command, observer, signals)

    return run


def _options_of(composer: Composer, base: Composed, group: str) -> list[Composed]:
    names = base.config.search.chosen(group)
    if not names or group in composer.overrides.options:
        return [base]
    # Unknown names are refused elsewhere.
    return [composer.compose({group: name}) for name in names if name in composer.known_options(group)]
