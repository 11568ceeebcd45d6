"""Pruning of trials at rungs: successive halving, or any Optuna pruner.

All trials of a cohort are judged together, in the order of k, once the last one has reached the rung. Decisions depend
on their scores and those of earlier cohorts, never on timing.
"""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import optuna
from optuna.exceptions import ExperimentalWarning

from hpsearch.config import ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.search import REDUCTION, Search
from hpsearch.errors import HpsearchError
from hpsearch.import_path import import_named
from hpsearch.records import TrialResult
from hpsearch.store.optuna_journal import tell_result


class Judge(Protocol):
    """Decides which trials end at a rung."""

    def pruned(self, rung: int, scores: Mapping[int, float]) -> set[int]:
        """The trials of a cohort that end at a rung, by k.

        Args:
            rung: Number of epochs.
            scores: Score of each trial that reached the rung, by k, ascending.
        """

    def close(self, results: Mapping[int, TrialResult]) -> None:
        """Called with the results of all trials of a cohort, by k."""


class Halving:
    """Synchronous successive halving (Jamieson & Talwalkar, 2016): the best ceil(n / eta) of n trials continue."""

    def __init__(self, reduction_factor: float = REDUCTION) -> None:
        """Set eta, > 1 and finite."""
        if not 1 < reduction_factor < math.inf:
            raise ValueError(f"reduction_factor must be > 1 and finite, got {reduction_factor!r}")
        self._eta = reduction_factor

    def pruned(self, rung: int, scores: Mapping[int, float]) -> set[int]:
        """See `Judge`; ties go to the smaller k."""
        del rung
        ranked = sorted(scores, key=lambda k: (-scores[k], k))
        return set(ranked[math.ceil(len(ranked) / self._eta) :])

    def close(self, results: Mapping[int, TrialResult]) -> None:
        """See `Judge`; cohorts do not compete, so nothing is kept."""


class OptunaJudge:
    """An Optuna pruner, which sees all trials of the sweep as one study in memory.

    The step of an intermediate value is the rung's number of epochs.
    """

    def __init__(self, pruner: optuna.pruners.BasePruner) -> None:
        storage = optuna.storages.InMemoryStorage()  # the name decides about the brackets of Hyperband
        self._study = optuna.create_study(storage=storage, study_name="sweep", pruner=pruner, direction="maximize")
        self._cohort: dict[int, optuna.Trial] = {}

    def pruned(self, rung: int, scores: Mapping[int, float]) -> set[int]:
        """See `Judge`."""
        for k in scores:
            self._trial(k).report(scores[k], rung)
        try:
            return {k for k in scores if self._trial(k).should_prune()}
        except Exception as error:
            name = type(self._study.pruner).__qualname__
            raise HpsearchError(
                f"search.pruner: {name} failed after epoch {rung}: {type(error).__name__}: {error}"
            ) from error

    def close(self, results: Mapping[int, TrialResult]) -> None:
        """See `Judge`."""
        for k, result in sorted(results.items()):
            tell_result(self._study, self._trial(k), result)
        self._cohort.clear()

    def _trial(self, k: int) -> optuna.Trial:
        if k not in self._cohort:
            self._cohort[k] = self._study.ask()
        return self._cohort[k]


def judge_of(search: Search) -> Judge | None:
    """The judge of a search; None without pruning.

    Raises:
        ConfigError: If the pruner does not accept its options.
    """
    if not search.prunes:
        return None
    options = dict(search.pruner_options)
    try:
        if search.pruner == "halving":
            require_fitting("search.pruner", search.pruner, Halving, options)
            return Halving(**options)
        with warnings.catch_warnings():  # some Optuna pruners warn that they are experimental
            warnings.simplefilter("ignore", ExperimentalWarning)
            return OptunaJudge(_pruner(search.pruner, options))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"search.pruner_options must fit search.pruner={search.pruner}: {error}") from error


def _pruner(name: str, options: dict[str, Any]) -> optuna.pruners.BasePruner:
    make_pruner = optuna.pruners.MedianPruner if name == "median" else import_named("search.pruner", name)
    require_fitting("search.pruner", name, make_pruner, options)
    pruner = make_pruner(**options)
    if not isinstance(pruner, optuna.pruners.BasePruner):
        raise ConfigError(f"search.pruner must name a class of optuna.pruners.BasePruner, got {name}")
    return pruner


def require_fitting(key: str, name: str, make: Callable[..., object], options: Mapping[str, Any]) -> None:
    """Require that a pruner or sampler takes the options that are given, and is given those that it needs.

    Args:
        key: `search.pruner` or `search.sampler`.
        name: Its value.
        make: The class that it names.
        options: Keyword arguments.

    Raises:
        ConfigError: With a sentence for each option that is unknown or missing.
    """
    signature = inspect.signature(make).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature):
        return
    parameters = [p for p in signature if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [parameter.name for parameter in parameters]
    problems = [
        f"{key}_options.{option} is not an option of {name}: {nearest(option, names)}"
        for option in options
        if option not in names
    ]
    problems += [
        f"{key}={name} needs {key}_options.{parameter.name}"
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.name not in options
    ]
    if problems:
        raise ConfigError(*problems)
