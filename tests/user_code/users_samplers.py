"""Samplers as a user would write them."""

import numpy as np
import optuna


class Around(optuna.samplers.BaseSampler):
    """Draws each number close to that of the best trial."""

    def __init__(self, width=0.1, seed=None):
        self._width, self._draw = width, np.random.default_rng(seed)

    def infer_relative_search_space(self, study, trial):
        del study, trial
        return {}

    def sample_relative(self, study, trial, search_space):
        del study, trial, search_space
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        del trial
        best = study.best_trial.params[param_name] + self._width * self._draw.normal()
        return min(max(best, param_distribution.low), param_distribution.high)


class Seedless(optuna.samplers.RandomSampler):
    """Takes no seed."""

    def __init__(self):
        super().__init__()
