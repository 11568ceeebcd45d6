"""A pruner as a user would write it."""

import optuna


class Below(optuna.pruners.BasePruner):
    """Prunes what lies below a bar."""

    def __init__(self, bar):
        self.bar = bar

    def prune(self, study, trial):
        del study
        return trial.intermediate_values[trial.last_step] < self.bar


class Handed(optuna.pruners.MedianPruner):
    """Hands on what it is given."""

    def __init__(self, *given):
        super().__init__(*given)
