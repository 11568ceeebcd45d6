"""Warm start: the best trials of an earlier sweep are the first ones of another (`search.enqueue_from`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpsearch.config import ConfigError
from hpsearch.config.bounds import shown
from hpsearch.config.schema import with_defaults
from hpsearch.formatting import number_of
from hpsearch.records import Value
from hpsearch.search.checks import began_with, check_cohorts, earlier_sweep
from hpsearch.search.enqueued import given_values
from hpsearch.search.levels import Level
from hpsearch.search.plan import Plan
from hpsearch.search.sampler import Holds
from hpsearch.store.champion_selection import ranked
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import list_sweeps

SHOWN = 3
"""Maximum number of trials that a message tells of why they do not fit."""


def warm_start(plan: Plan) -> tuple[Plan, list[str]]:
    """The plan whose `search.enqueue` ends with trials of the earlier sweep, and sentences on which were taken.

    They are part of what identifies the sweep: one that began so goes on with the trials that it began with, whatever
    the earlier sweep has come to since. Without `search.enqueue_from`, the plan is returned as it is.

    Raises:
        ConfigError: If no trial of the earlier sweep fits.
        NotFoundError: If there is no such sweep.
    """
    config, search = plan.base.config, plan.search
    if search.enqueue_from is None:
        return plan, []
    sweeps = list_sweeps(config.tracking.directory)
    for specification in sweeps.values():
        by_default = specification.is_default_of(plan.base.actions.get("sweep"))
        same = by_default if config.name is None else specification.name == config.name
        if same and began_with(specification) == search.enqueue_from:
            begun = _enqueue(plan, specification.fingerprinted.config["search"].get("enqueue", []))
            if begun.fingerprinted().fingerprint == specification.fingerprint:
                return begun, []
    (level,) = plan.levels
    records = earlier_sweep(config, sweeps).records().values()
    taken, unfit = fitting_trials(ranked(records), level, search.enqueue, search.enqueue_best, plan.holds(level))
    if not taken:
        reasons = f": {_listed(unfit)}" if unfit else ", since none of them has a score that counts"
        raise ConfigError(f"search.enqueue_from={search.enqueue_from}: none of its trials fits{reasons}")
    warm = _enqueue(plan, [*search.enqueue, *taken.values()])
    check_cohorts(warm.base.config, level.space)
    names = ", ".join(taken)
    sentences = [f"the values of {number_of(len(taken), 'trial')} of sweep {search.enqueue_from}: {names}"]
    if unfit:
        sentences.append(f"not of better ones, which do not fit: {_listed(unfit)}")
    return warm, sentences


def _enqueue(plan: Plan, points: Sequence[dict[str, Any]]) -> Plan:
    return plan.with_configs(lambda config: replace(config, search=replace(config.search, enqueue=list(points))))


def _listed(unfit: Sequence[str]) -> str:
    more = f"; and {len(unfit) - SHOWN} more" if len(unfit) > SHOWN else ""
    return "; ".join(unfit[:SHOWN]) + more


def fitting_trials(
    best: Iterable[Record],
    level: Level,
    given: Sequence[Mapping[str, Any]],
    count: int,
    holds: Holds | None,
) -> tuple[dict[str, dict[str, Value]], list[str]]:
    """The values of the first trials that fit, by their names, and for each better one that does not, why.

    Args:
        best: The trials of the earlier sweep, the best first.
        level: The single level of this sweep.
        given: Trials that come before them, which none of them repeats.
        count: Maximum number of trials.
        holds: Whether `search.constraints` hold for values; None without constraints.
    """
    seen = [given_values(point, level.space, level.chosen, "search.enqueue") for point in given]
    taken: dict[str, dict[str, Value]] = {}
    unfit: list[str] = []
    for record in best:
        if len(taken) == count:
            break
        try:
            values = values_here(record, level)
        except ConfigError as error:
            unfit.append(error.problems[0])
            continue
        if holds is not None and _is_complete(values, level) and not holds(values):
            unfit.append(f"trial {record.name}: search.constraints do not hold for it")
        elif values not in seen:
            seen.append(values)
            taken[record.name] = values
    return taken, unfit


def _is_complete(values: Mapping[str, Value], level: Level) -> bool:
    """Whether nothing is left to draw beside these values."""
    options = {**level.chosen, **{group: values[group] for group in level.space.options}}
    keys = [f"{group}.{option}" for group, option in options.items()]
    return all(f"{key}.{name}" in values for key in keys for name in level.space.dimensions.get(key, {}))


def values_here(record: Record, level: Level) -> dict[str, Value]:
    """The values of an earlier trial, drawn or not, that trials of this sweep draw, by their full names.

    What the earlier trial does not have, such as the width of another model, is not among them.

    Raises:
        ConfigError: If one lies outside of the space, or was drawn and is fixed at another value here.
    """
    tree, space, name = with_defaults(record.config_tree), level.space, f"trial {record.name}"
    options = {**level.chosen, **{group: tree["options"][group] for group in space.options}}
    if problem := next(_contradictions(record, tree, options, level), None):
        raise ConfigError(f"{name}: {problem}")
    point: dict[str, Any] = {group: options[group] for group in space.options}
    for group, option in options.items():
        if tree["options"][group] == option:
            drawn = space.dimensions.get(f"{group}.{option}", {})
            point |= {f"{group}.{option}.{key}": _value(tree[group], key) for key in drawn}
    if not point:
        raise ConfigError(f"{name}: it has none of the values that are drawn here")
    return given_values(point, space, level.chosen, name)


def _contradictions(record: Record, tree: Mapping[str, Any], options: Mapping[str, str], level: Level) -> Iterator[str]:
    """What an earlier trial drew and this sweep does not leave open, one sentence each.

    Args:
        record: The trial.
        tree: Its complete configuration.
        options: The options that it would have here, by group.
        level: The level of this sweep.
    """
    varied = level.space.options
    for group in varied:
        if options[group] not in varied[group]:
            yield f"{group}={options[group]}, which is {' or '.join(varied[group])} here"
    here = level.compose({group: options[group] for group in varied}) if varied else level.base
    for name in record.values:
        group, _, rest = name.partition(".")
        drawn = level.space.dimensions.get(f"{group}.{options[group]}", {})
        key = rest.partition(".")[2]
        if tree["options"][group] != options[group]:
            yield f"{group}={tree['options'][group]}, which is {options[group]} here"
        elif key and key not in drawn:
            there, fixed = (_value(option, key) for option in (tree[group], here.config.to_tree()[group]))
            if there != fixed:
                yield f"{group}.{key}={shown(there)}, which is {shown(fixed)} here"
    for group, option in options.items():
        drawn = level.space.dimensions.get(f"{group}.{option}", {})
        for key, replaced in getattr(here.config, group).replaces.items():
            value = tree[group].get(key)
            if value is not None and drawn.keys() & set(replaced):
                yield f"{group}.{key}={shown(value)}, in place of which {' and '.join(replaced)} are drawn here"


def _value(tree: Mapping[str, Any], key: str) -> Any:
    """A value of an option, or a keyword argument of the user's own code."""
    return tree[key] if key in tree else tree.get("kwargs", {}).get(key)
