"""Optuna's part: which values a trial draws."""

import itertools
import json
import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from hpsearch.config.search import AdaptiveSearch, Search
from hpsearch.records import Status, Value, rung_scores
from hpsearch.search.space import Choices, Dimension, Space
from hpsearch.seeding import Purpose, derive
from hpsearch.store.record_json import Record

optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study that is made, and every trial

ATTEMPTS = 20
"""Draws of a trial that repeat others, after which it takes one of the points that are left."""


class Sampler:
    """Random, quasi-random or adaptive draws from one space.

    What a trial draws is a function of (seed, level, k) and, where the search is adaptive, of the finished trials of
    earlier cohorts: never of order, time or workers. In a finite space no trial repeats a point while there are others:
    what repeats one is drawn again.
    """

    def __init__(self, search: Search, space: Space, seed: int, first: int = 0) -> None:
        """Keeps what a draw depends on.

        Args:
            search: Its `kind` is `random` for independent draws, `qmc` for a scrambled Sobol sequence in each level,
                or `tpe`: independent draws first, then by the tree-structured Parzen estimator (Bergstra et al., 2011).
            space: The space.
            seed: The sweep seed.
            first: Number of the first trial that draws: its point is the first of a quasi-random sequence.
        """
        self._search, self._space, self._seed, self._first = search, space, seed, first
        self._drawn: dict[str, dict[str, dict[str, Value]]] = {}  # by level and point, in order; of a finite space

    def draw(self, level: str, k: int, chosen: Mapping[str, str]) -> dict[str, Value]:
        """The values of trial k as they are drawn whatever came out before.

        Args:
            level: Level of the compared factor.
            k: Number of the trial within the level.
            chosen: Group to option, for the groups that do not vary.
        """
        if math.isinf(self._space.size):
            return self._point(level, k, chosen)
        drawn = self._drawn.setdefault(level, {})
        for number in range(self._first + len(drawn), min(k + 1, self._first + int(self._space.size))):
            values = self._unlike(drawn, level, number, chosen)
            drawn[_label_of(values)] = values
        at = k - self._first
        return (
            dict(next(itertools.islice(drawn.values(), at, None))) if at < len(drawn) else self._point(level, k, chosen)
        )

    def _point(self, level: str, k: int, chosen: Mapping[str, str], attempt: int = 0) -> dict[str, Value]:
        study = _study(self._independent(level, k, attempt))
        return self._space.draw(suggester(study.ask()), chosen)

    def _unlike(self, taken: Container[str], level: str, k: int, chosen: Mapping[str, str]) -> dict[str, Value]:
        """The first draw of trial k that is none of these points; any draw if the space holds no other."""
        for attempt in range(ATTEMPTS):
            values = self._point(level, k, chosen, attempt)
            if _label_of(values) not in taken:
                return values
        free = [values for values in self._space.points(chosen) if _label_of(values) not in taken]
        return free[self._draw_seed(level, k, ATTEMPTS) % len(free)] if free else self._point(level, k, chosen)

    def draw_cohort(
        self, level: str, cohort: Sequence[int], chosen: Mapping[str, str], past: Sequence[Record]
    ) -> list[dict[str, Value]]:
        """The values of the trials of one cohort, in the order of k.

        Args:
            level: Level of the compared factor.
            cohort: Numbers of its trials, ascending.
            chosen: Group to option, for the groups that do not vary.
            past: The finished trials of all cohorts before, in the order of k.
        """
        search = self._search
        if not isinstance(search, AdaptiveSearch) or cohort[-1] < search.startup:
            return [self.draw(level, k, chosen) for k in cohort]
        study = _study(_GivenSampler({}))
        _tell_past(study, self._space, chosen, past)
        values: list[dict[str, Value]] = []
        for k in cohort:  # what was drawn before k in this cohort is a running trial to the sampler, which keeps away
            if k < search.startup:
                drawn = self.draw(level, k, chosen)
                add_drawn_trial(study, self._space, drawn, chosen)
            else:
                study.sampler = self._adaptive(level, k)
                drawn = self._space.draw(suggester(study.ask()), chosen)
                if math.isfinite(self._space.size):
                    taken = {_label_of(point) for point in (*(record.values for record in past), *values)}
                    drawn = self._unlike(taken, level, k, chosen) if _label_of(drawn) in taken else drawn
            values.append(drawn)
        return values

    def _independent(self, level: str, k: int, attempt: int = 0) -> optuna.samplers.BaseSampler:
        if self._search.kind == "qmc" and not attempt:
            return _SobolSampler(self._space.names, derive(self._seed, Purpose.QMC, level), k - self._first)
        return optuna.samplers.RandomSampler(seed=self._draw_seed(level, k, attempt))

    def _adaptive(self, level: str, k: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(n_startup_trials=0, seed=self._draw_seed(level, k))

    def _draw_seed(self, level: str, k: int, attempt: int = 0) -> int:
        repeated = (attempt,) if attempt else ()
        return derive(self._seed, Purpose.PARAMETERS, level, k, *repeated) % 2**32


def add_drawn_trial(
    study: optuna.Study, space: Space, values: Mapping[str, Value], chosen: Mapping[str, str]
) -> optuna.Trial:
    """Adds a trial with these values to a study of Optuna's, and returns it.

    Args:
        study: Takes the trial.
        space: What the values were drawn from.
        values: Of the trial, flat.
        chosen: Group to option, for the groups that do not vary.
    """
    study.sampler = _GivenSampler(values)
    trial = study.ask()
    drawn = space.draw(suggester(trial), chosen)
    assert drawn == dict(values), (drawn, values)
    return trial


def _tell_past(study: optuna.Study, space: Space, chosen: Mapping[str, str], past: Sequence[Record]) -> None:
    """Finished trials, as an adaptive sampler is to see them.

    A diverged trial ranks below all others, as one that was pruned before it was judged: left out, as Optuna leaves out
    what failed, the region that it diverged in would look as if nobody had been there. What machine or foreign code
    failed says nothing.
    """
    for record in past:
        trial = add_drawn_trial(study, space, record.values, chosen)
        result = record.result
        if result.status is Status.PRUNED:
            for rung, value in rung_scores(result).items():
                trial.report(value, rung)
        if result.status in (Status.PRUNED, Status.DIVERGED):
            study.tell(trial, state=TrialState.PRUNED)
        elif result.score is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, result.score)


def _study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    return optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), study_name="draws", sampler=sampler, direction="maximize"
    )


class _GivenSampler(optuna.samplers.BaseSampler):
    """Gives each name the value that it is to have."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def infer_relative_search_space(self, *_: Any, **__: Any) -> dict[str, BaseDistribution]:
        """None: every value is given by its own name."""
        return {}

    def sample_relative(self, *_: Any, **__: Any) -> dict[str, Any]:
        """None: every value is given by its own name."""
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """The value of this name."""
        del study, trial, param_distribution
        return _label(self._values[param_name])


class _SobolSampler(optuna.samplers.BaseSampler):
    """Point k of a scrambled Sobol sequence (Owen, 1998) with one coordinate for each name of the space.

    Optuna's own QMCSampler counts its points in the study and learns the space from the first trial, so that its
    draws depend on order; here point k is point k.
    """

    def __init__(self, names: list[str], seed: int, k: int) -> None:
        from scipy.stats import qmc  # noqa: PLC0415 (half a second that random search does not need)

        engine = qmc.Sobol(len(names), scramble=True, rng=np.random.default_rng(seed))
        if k > 0:
            engine.fast_forward(k)
        self._coordinates = dict(zip(names, engine.random(1)[0], strict=True))

    def infer_relative_search_space(self, *_: Any, **__: Any) -> dict[str, BaseDistribution]:
        """None: every value is drawn by its own coordinate."""
        return {}

    def sample_relative(self, *_: Any, **__: Any) -> dict[str, Any]:
        """None: every value is drawn by its own coordinate."""
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """The value at this name's coordinate."""
        del study, trial
        return _quantile(param_distribution, float(self._coordinates[param_name]))


def _quantile(distribution: BaseDistribution, u: float) -> Any:
    """The value below which the share `u` of a distribution lies, with 0 <= u < 1."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        # A whole number n stands for [n - 1/2, n + 1/2) on the logarithmic axis, as in Optuna's own samplers.
        margin = 0.5 if isinstance(distribution, IntDistribution) else 0.0
        value = math.exp(math.log(low - margin) + u * (math.log(high + margin) - math.log(low - margin)))
        return min(max(round(value), low), high) if margin else min(value, high)
    if step is None:
        return low + u * (high - low)
    return min(low + step * int(u * (round((high - low) / step) + 1)), high)  # 0.01 + 5 * 0.01 is above 0.06


def suggester(trial: optuna.Trial) -> Callable[[str, Dimension], Value]:
    """The `suggest` of `Space.draw` that asks a trial of Optuna's for each value."""

    def suggest(name: str, dimension: Dimension) -> Value:
        if isinstance(dimension, Choices):
            labels = {_label(value): value for value in dimension.values}
            return labels[trial.suggest_categorical(name, list(labels))]
        if dimension.whole:
            step = int(dimension.step) if dimension.step is not None else 1
            return trial.suggest_int(name, int(dimension.low), int(dimension.high), step=step, log=dimension.log)
        return trial.suggest_float(name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)

    return suggest


def _label_of(values: Mapping[str, Value]) -> str:
    """A point as text: equal for equal points."""
    return json.dumps(values, sort_keys=True)


def _label(value: Value) -> Any:
    """A value as Optuna can store it: scalars as they are, lists as JSON."""
    return json.dumps(value) if isinstance(value, list) else value
