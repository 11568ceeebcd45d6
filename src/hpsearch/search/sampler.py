"""Optuna's part: which values trial k draws, as a pure function of (sweep seed, level, k, space)."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpsearch.records import Value
from hpsearch.seeding import Purpose, derive
from hpsearch.space import Choices, Dimension, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study that is made, and every trial


class Sampler:
    """Random or quasi-random draws from one space."""

    def __init__(self, kind: str, space: Space, seed: int) -> None:
        """Keeps what a draw depends on.

        Args:
            kind: `random` for independent draws, `qmc` for a scrambled Sobol sequence in each level.
            space: The space.
            seed: The sweep seed.
        """
        self._kind, self._space, self._seed = kind, space, seed

    def ask(
        self, study: optuna.Study, level: str, k: int, chosen: Mapping[str, str]
    ) -> tuple[optuna.Trial, dict[str, Value]]:
        """Asks `study` for trial k; the values do not depend on what the study holds.

        Args:
            study: Takes the new trial.
            level: Level of the compared factor.
            k: Number of the trial within the level, from 0.
            chosen: Group to option, for the groups that do not vary.

        Returns:
            The study's trial and its values, flat.
        """
        study.sampler = self._sampler(level, k)
        trial = study.ask()
        return trial, self._space.draw(_suggester(trial), chosen)

    def draw(self, level: str, k: int, chosen: Mapping[str, str]) -> dict[str, Value]:
        """The values of trial k, without a study that lasts."""
        return self.ask(optuna.create_study(storage=optuna.storages.InMemoryStorage()), level, k, chosen)[1]

    def _sampler(self, level: str, k: int) -> optuna.samplers.BaseSampler:
        if self._kind == "qmc":
            return _SobolSampler(self._space.names, derive(self._seed, Purpose.QMC, level), k)
        seed = derive(self._seed, Purpose.PARAMETERS, level, k)
        return optuna.samplers.RandomSampler(seed=seed % 2**32)


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
    """The value below which the share u in [0, 1) of the distribution lies."""
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
    return low + step * int(u * (round((high - low) / step) + 1))


def _suggester(trial: optuna.Trial) -> Callable[[str, Dimension], Value]:
    def suggest(name: str, dimension: Dimension) -> Value:
        if isinstance(dimension, Choices):
            labels = {_label(value): value for value in dimension.values}
            return labels[trial.suggest_categorical(name, list(labels))]
        if dimension.whole:
            step = int(dimension.step) if dimension.step is not None else 1
            return trial.suggest_int(name, int(dimension.low), int(dimension.high), step=step, log=dimension.log)
        return trial.suggest_float(name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)

    return suggest


def _label(value: Value) -> Any:
    """Optuna stores scalars; lists are spelled as JSON."""
    return json.dumps(value) if isinstance(value, list) else value
