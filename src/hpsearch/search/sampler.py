"""Sampling of trial values with Optuna."""

import json
import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpsearch.config import ConfigError
from hpsearch.config.search import AdaptiveSearch, Search
from hpsearch.records import Status, Value, rung_scores
from hpsearch.search.enqueued import given_values
from hpsearch.search.space import Choices, Dimension, Space
from hpsearch.seeding import Purpose, derive
from hpsearch.store.optuna_journal import directions_of, tell_result
from hpsearch.store.record_json import Record

optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it logs every study and trial

ATTEMPTS = 20
"""Draws of a trial, each a repeat, after which it takes one of the remaining points of a finite space."""


REDRAWS = 1000
"""Draws of a point, none of which keeps `search.constraints`, after which the search is refused."""

PROBES = 200
"""Random draws that the share of a space within `search.constraints` is estimated from."""

Holds: TypeAlias = Callable[[Mapping[str, Value]], bool]
"""Whether `search.constraints` hold for drawn values."""


class Sampler:
    """Random, quasi-random or adaptive draws from one space.

    A draw is a function of (seed, level, k) and, in an adaptive search, of the finished trials of earlier cohorts; it
    does not depend on order, time or workers. In a finite space, a repeated point is drawn again while others remain.
    """

    def __init__(self, search: Search, space: Space, seed: int, first: int = 0, holds: Holds | None = None) -> None:
        """Create a sampler.

        Args:
            search: Of kind `random` (independent draws), `qmc` (a scrambled Sobol sequence in each level) or `tpe`
                (independent draws, then the tree-structured Parzen estimator of Bergstra et al., 2011).
            space: The space.
            seed: The sweep seed.
            first: Number of the first trial that draws; it takes the first point of a quasi-random sequence.
            holds: Whether `search.constraints` hold for values; points for which they do not are drawn anew.
        """
        self._search, self._space, self._seed, self._first = search, space, seed, first
        self.holds = holds or (lambda _: True)
        self._drawn: dict[str, list[dict[str, Value]]] = {}  # finite spaces: by level, in order

    def draw(self, level: str, k: int, chosen: Mapping[str, str]) -> dict[str, Value]:
        """The values of trial k, drawn independently of all results, as far as `search.enqueue` does not give them.

        Args:
            level: Level of the compared factor.
            k: Number of the trial within the level.
            chosen: Options of the groups that do not vary, by group.
        """
        if math.isinf(self._space.size):
            return self._point(level, k, chosen)
        drawn = self._drawn.setdefault(level, [])
        for number in range(self._first + len(drawn), min(k + 1, self._first + int(self._space.size))):
            drawn.append(self._new_point({_label_of(values) for values in drawn}, level, number, chosen))
        if k - self._first >= len(drawn):
            return self._point(level, k, chosen)
        return dict(drawn[k - self._first])

    def _point(self, level: str, k: int, chosen: Mapping[str, str], attempt: int = 0) -> dict[str, Value]:
        for redraw in range(REDRAWS):
            if self.holds(values := self._drawn_once(level, k, chosen, attempt, redraw)):
                return values
        given = f", whose values search.enqueue{'_from' * bool(self._search.enqueue_from)} gives"
        raise ConfigError(
            f"search.constraints {', '.join(self._search.constraints)} must hold for one of {REDRAWS} draws, and holds "
            f"for none of trial {k}{given if k < len(self._search.enqueue) else ''}: loosen them, or change the space"
        )

    def _drawn_once(self, level: str, k: int, chosen: Mapping[str, str], attempt: int, redraw: int) -> dict[str, Value]:
        if self._search.kind == "qmc" and not attempt and not redraw:
            seed = derive(self._seed, Purpose.QMC, level)
            sampler = _sobol_sampler(self._space.names, seed, k - self._first)
        else:
            sampler = optuna.samplers.RandomSampler(seed=self.draw_seed(level, k, attempt, redraw))
        suggest = suggester(new_study(sampler).ask())
        if k >= len(self._search.enqueue):
            return self._space.draw(suggest, chosen)
        given = given_values(self._search.enqueue[k], self._space, chosen, f"search.enqueue[{k}]")

        def suggest_or_take(name: str, dimension: Dimension) -> Value:
            drawn = suggest(name, dimension)  # in any case, so that the others are what they are without it
            return given.get(name, drawn)

        return self._space.draw(suggest_or_take, chosen)

    def _new_point(self, taken: Container[str], level: str, k: int, chosen: Mapping[str, str]) -> dict[str, Value]:
        """The first draw of trial k that is not taken; any draw if all points are."""
        for attempt in range(ATTEMPTS):
            values = self._point(level, k, chosen, attempt)
            if _label_of(values) not in taken:
                return values
        if k < len(self._search.enqueue):
            return values  # given in full, and twice
        points = self._space.points(chosen)
        free = [values for values in points if _label_of(values) not in taken and self.holds(values)]
        return free[self.draw_seed(level, k, ATTEMPTS) % len(free)] if free else self._point(level, k, chosen)

    def draw_cohort(
        self, level: str, cohort: Sequence[int], chosen: Mapping[str, str], past: Sequence[Record]
    ) -> list[dict[str, Value]]:
        """The values of the trials of one cohort, in the order of k.

        Args:
            level: Level of the compared factor.
            cohort: Numbers of the trials, ascending.
            chosen: Options of the groups that do not vary, by group.
            past: Records of all earlier cohorts, in the order of k.
        """
        search = self._search
        if not isinstance(search, AdaptiveSearch) or cohort[-1] < search.begins:
            return [self.draw(level, k, chosen) for k in cohort]
        study = new_study(objectives=search.objectives)
        _tell_past(study, self._space, chosen, past, search.objectives)
        values: list[dict[str, Value]] = []
        for k in cohort:  # earlier trials of the cohort are running ones to the sampler, which avoids their points
            if k < search.begins:
                drawn = self.draw(level, k, chosen)
                add_drawn_trial(study, self._space, drawn, chosen)
            else:
                study.sampler = optuna.samplers.TPESampler(n_startup_trials=0, seed=self.draw_seed(level, k))
                drawn = self._space.draw(suggester(study.ask()), chosen)
                drawn = drawn if self.holds(drawn) else self._point(level, k, chosen)
                if math.isfinite(self._space.size):
                    taken = {_label_of(point) for point in (*(record.values for record in past), *values)}
                    drawn = self._new_point(taken, level, k, chosen) if _label_of(drawn) in taken else drawn
            values.append(drawn)
        return values

    def share_within(self, level: str, chosen: Mapping[str, str]) -> float:
        """The share of random draws for which `search.constraints` hold."""
        seeds = [self.draw_seed(level, k) for k in range(PROBES)]
        studies = [new_study(optuna.samplers.RandomSampler(seed=seed)) for seed in seeds]
        return sum(self.holds(self._space.draw(suggester(study.ask()), chosen)) for study in studies) / PROBES

    def draw_seed(self, level: str, k: int, attempt: int = 0, redraw: int = 0) -> int:
        """The seed of a trial's draw; that of an attempt of several, where a repeated point is drawn again.

        Args:
            level: Level of the compared factor.
            k: Number of the trial.
            attempt: Number of the point, where earlier ones are repeats.
            redraw: Number of the draw of that point, where `search.constraints` do not hold for earlier ones.
        """
        repeated = (attempt, redraw) if redraw else (attempt,) if attempt else ()
        return derive(self._seed, Purpose.PARAMETERS, level, k, *repeated) % 2**32


def add_drawn_trial(
    study: optuna.Study, space: Space, values: Mapping[str, Value], chosen: Mapping[str, str]
) -> optuna.Trial:
    """Add a trial with values drawn from the space to an Optuna study, and return it."""
    study.sampler = _OwnSampler(lambda name, _: _label(values[name]))
    trial = study.ask()
    drawn = space.draw(suggester(trial), chosen)
    assert drawn == dict(values), (drawn, values)
    return trial


def _tell_past(
    study: optuna.Study, space: Space, chosen: Mapping[str, str], past: Sequence[Record], objectives: Sequence[str]
) -> None:
    """Add finished trials to the study of an adaptive sampler.

    A diverged trial counts as pruned without a value, which ranks last. Optuna ignores failed trials, so that the
    region where it diverged would look unexplored. Failures of the machine or of the user's code carry no information.
    """
    for record in past:
        trial = add_drawn_trial(study, space, record.values, chosen)
        if record.result.status is Status.PRUNED:
            for rung, value in rung_scores(record.result).items():
                trial.report(value, rung)
        tell_result(study, trial, record.result, (Status.PRUNED, Status.DIVERGED), objectives)


def new_study(sampler: optuna.samplers.BaseSampler | None = None, objectives: Sequence[str] = ()) -> optuna.Study:
    """A study in memory; higher scores and lower costs are better."""
    return optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        study_name="draws",
        sampler=sampler,
        directions=directions_of(objectives),
    )


class _OwnSampler(optuna.samplers.BaseSampler):
    """Takes each value from a function of its name and distribution."""

    def __init__(self, value_of: Callable[[str, BaseDistribution], Any]) -> None:
        self._value_of = value_of

    def infer_relative_search_space(self, *_: Any, **__: Any) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        del study, trial
        return self._value_of(param_name, param_distribution)


def _sobol_sampler(names: list[str], seed: int, k: int) -> optuna.samplers.BaseSampler:
    """Point k of a scrambled Sobol sequence (Owen, 1998) with one coordinate per name of the space.

    Optuna's QMCSampler counts its points in the study and takes the space from the first trial, so its draws depend on
    order.
    """
    from scipy.stats import qmc  # noqa: PLC0415 (half a second that random search does not need)

    engine = qmc.Sobol(len(names), scramble=True, rng=np.random.default_rng(seed))
    if k > 0:
        engine.fast_forward(k)
    coordinates = dict(zip(names, map(float, engine.random(1)[0]), strict=True))
    return _OwnSampler(lambda name, distribution: _quantile(distribution, coordinates[name]))


def _quantile(distribution: BaseDistribution, u: float) -> Any:
    """The quantile of a distribution at u in [0, 1)."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        # An integer n covers [n - 1/2, n + 1/2) on the log axis, as in Optuna's samplers.
        margin = 0.5 if isinstance(distribution, IntDistribution) else 0.0
        value = math.exp(math.log(low - margin) + u * (math.log(high + margin) - math.log(low - margin)))
        return min(max(round(value), low), high) if margin else min(value, high)
    if step is None:
        return low + u * (high - low)
    return min(low + step * int(u * (round((high - low) / step) + 1)), high)  # 0.01 + 5 * 0.01 is above 0.06


def suggester(trial: optuna.Trial) -> Callable[[str, Dimension], Value]:
    """The `suggest` argument of `Space.draw` that takes each value from an Optuna trial."""

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
    """A point as text, equal for equal points."""
    return json.dumps(values, sort_keys=True)


def _label(value: Value) -> Any:
    """A value as Optuna can store it; lists become JSON."""
    return json.dumps(value) if isinstance(value, list) else value
