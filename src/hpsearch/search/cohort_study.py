"""Draws by any sampler of Optuna's kind, cohort by cohort.

Some samplers (CMA-ES, NSGA-II) keep what they have learned in the study. So the study lives as long as the process, and
what an earlier process drew is asked for once more, in the same order. A sampler is built anew for each trial, with the
trial's own seed, and sees only earlier cohorts and its own: a draw depends on the seed, k and these alone.
"""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, BruteForceSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from hpsearch.config import ConfigError
from hpsearch.config.search import OptunaSearch
from hpsearch.errors import HpsearchError
from hpsearch.import_path import described, import_named
from hpsearch.records import Status, Value, rung_scores
from hpsearch.search.pruning import require_fitting
from hpsearch.search.sampler import add_drawn_trial, new_study, suggester
from hpsearch.search.space import Space
from hpsearch.store.optuna_journal import tell_result
from hpsearch.store.record_json import Record

Values = dict[str, Value]

PROBES = 64
"""Random trials after which a sampler is asked which values it draws together."""


def build_sampler(search: OptunaSearch, seed: int) -> BaseSampler:
    """The sampler of a trial.

    Raises:
        ConfigError: If it cannot be imported, takes no seed, does not accept its options, or is no sampler.
    """
    make = import_named("search.sampler", search.sampler)
    if not callable(make):
        raise ConfigError(f"search.sampler must name a class of optuna.samplers.BaseSampler, got {search.sampler}")
    names = inspect.signature(make).parameters
    if "seed" not in names:
        raise ConfigError(
            f"search.sampler must take seed=, on which all that it draws depends, got {search.sampler}, which does not"
        )
    if "seed" in search.sampler_options:
        raise ConfigError("search.sampler_options.seed cannot be given, since each trial has its own: give seed=")
    require_fitting("search.sampler", search.sampler, make, search.sampler_options)
    # search.startup says when it begins
    startup = {"n_startup_trials": 1} if "n_startup_trials" in names else {}
    try:
        with warnings.catch_warnings():  # some samplers warn that they are experimental
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = make(**startup | search.sampler_options, seed=seed)
    except (TypeError, ValueError, ImportError) as error:
        message = f"search.sampler_options must fit search.sampler={search.sampler}: {error}"
        raise ConfigError(message) from error
    if not isinstance(sampler, BaseSampler):
        raise ConfigError(f"search.sampler must name a class of optuna.samplers.BaseSampler, got {search.sampler}")
    return sampler


def check_sampler(search: OptunaSearch, space: Space, chosen: Mapping[str, str]) -> None:
    """Require a sampler that learns all that is drawn, instead of leaving some of it to chance.

    Raises:
        ConfigError: If one of Optuna's would draw some values at random for ever.
    """
    sampler = build_sampler(search, 0)
    draws_one_by_one = (TPESampler, RandomSampler, BruteForceSampler, GridSampler)
    if isinstance(sampler, draws_one_by_one) or not type(sampler).__module__.startswith("optuna."):
        return
    study = new_study(RandomSampler(seed=0), search.objectives)
    for _ in range(PROBES):
        space.draw(suggester(study.ask()), chosen)
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        study.tell(trial.number, [float(trial.number)] * len(study.directions))
    several = {name for trial in trials for name, dimension in trial.distributions.items() if not dimension.single()}
    together = sampler.infer_relative_search_space(study, trials[0])
    if search.objectives:
        study.sampler = sampler
        _require_several_objectives(search, study, space, chosen)
    if left := sorted(several - together.keys()):
        raise ConfigError(
            f"search.sampler={search.sampler} would draw {', '.join(left)} at random for ever, since it "
            f"learns {_learns(sampler)}: give each of them one value, or take search=tpe, which learns all"
        )
    population = _population(search)
    if population is not None and search.trials <= search.begins + population:
        raise ConfigError(
            f"search.sampler={search.sampler} learns nothing before search.startup={search.startup} and one population "
            f"of {population} trials, got search.trials={search.trials}: give more, or a smaller "
            "search.sampler_options={population_size: ...}"
        )
    if isinstance(sampler, optuna.samplers.CmaEsSampler) and len(together) == 1:
        raise ConfigError(
            f"search.sampler={search.sampler} must have two values or more to draw, got {', '.join(together)}: take "
            "search=tpe"
        )


def _require_several_objectives(
    search: OptunaSearch, study: optuna.Study, space: Space, chosen: Mapping[str, str]
) -> None:
    try:
        space.draw(suggester(study.ask()), chosen)
    except (ValueError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(
            f"search.sampler={search.sampler} does not take search.objectives ({error}): take "
            "optuna.samplers:NSGAIISampler or search=tpe, or drop search.objectives"
        ) from error


def _population(search: OptunaSearch) -> int | None:
    parameter = inspect.signature(import_named("search.sampler", search.sampler)).parameters.get("population_size")
    return None if parameter is None else search.sampler_options.get("population_size", parameter.default)


def _learns(sampler: BaseSampler) -> str:
    numbers = "ranges of numbers" if isinstance(sampler, optuna.samplers.CmaEsSampler) else "values"
    return f"only {numbers} that every trial draws"


class CohortStudy:
    """The study of one level, of which its trials are drawn."""

    def __init__(
        self,
        search: OptunaSearch,
        space: Space,
        chosen: Mapping[str, str],
        seed_of: Callable[[int], int],
        random: Callable[[int], Values],
        holds: Callable[[Values], bool] = lambda _: True,
    ) -> None:
        """Create a study without trials.

        Args:
            search: Sampler, its options, size of cohorts, and the number of random trials before it begins.
            space: The space.
            chosen: Options of the groups that do not vary, by group.
            seed_of: Seed of trial k.
            random: Values of trial k in a random search.
            holds: Whether `search.constraints` hold for values; trials for which they do not are drawn at random.
        """
        self._search, self._space, self._chosen = search, space, chosen
        self._seed_of, self._random, self._holds = seed_of, random, holds
        self._study = new_study(objectives=search.objectives)
        self._asked: list[tuple[Values, optuna.Trial]] = []  # by k
        self._told = 0

    def draw(self, cohort: Sequence[int], past: Sequence[Record]) -> list[Values]:
        """The values of the trials of a cohort; see `Sampler.draw_cohort`."""
        size = self._search.cohort_size
        assert size is not None
        assert len(past) >= cohort[0], (cohort, len(past))
        while self._told < cohort[0]:
            self._ask_until(self._told + size)
            end = self._told + size
            scores = [record.result.score for record in past[:end] if record.result.score is not None]
            self._tell(past[self._told : end], scores)
        self._ask_until(cohort[-1] + 1)
        return [self._asked[k][0] for k in cohort]

    def _ask_until(self, end: int) -> None:
        for k in range(len(self._asked), end):
            self._asked.append(self._ask(k))

    def _ask(self, k: int) -> tuple[Values, optuna.Trial]:
        if k < self._search.begins:
            return self._add(self._random(k))
        self._study.sampler = build_sampler(self._search, self._seed_of(k))
        from hpsearch.engine.precision import one_thread  # noqa: PLC0415 (torch, a second)

        try:
            with one_thread():
                trial = self._study.ask()
                values = self._space.draw(suggester(trial), self._chosen)
        except Exception as error:
            name = self._search.sampler
            raise HpsearchError(f"search.sampler={name} failed at trial {k}: {described(error)}") from error
        taken = [asked for asked, _ in self._asked]
        kept = self._holds(values)
        if kept and (values not in taken or math.isinf(self._space.size)):
            return values, trial
        self._study.tell(trial, state=TrialState.FAIL)
        values = values if kept else self._random(k)
        if values not in taken or math.isinf(self._space.size):
            return self._add(values)
        points = self._space.points(self._chosen)
        free = [point for point in points if point not in taken and self._holds(point)]
        return self._add(free[self._seed_of(k) % len(free)] if free else values)

    def _add(self, values: Values) -> tuple[Values, optuna.Trial]:
        return values, add_drawn_trial(self._study, self._space, values, self._chosen)

    def _tell(self, cohort: Sequence[Record], scores: Sequence[float]) -> None:
        """Tell the results of a cohort; a diverged trial has the lowest of all scores.

        Most samplers ignore trials without a value, so that the region where they diverge would look unexplored.
        """
        for record in cohort:
            values, trial = self._asked[record.k]
            if values != record.values:  # drawn by another version of the sampler
                self._study.tell(trial, state=TrialState.FAIL)
                _, trial = self._asked[record.k] = self._add(record.values)
            for rung, value in rung_scores(record.result).items():
                trial.report(value, rung)
            result = record.result
            if result.status is Status.DIVERGED and scores:
                result = replace(result, score=min(scores))
            tell_result(self._study, trial, result, objectives=self._search.objectives)
        self._told += len(cohort)
