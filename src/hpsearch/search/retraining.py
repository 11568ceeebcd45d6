"""Frozen recipes on fresh seeds: retrained, never selected again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hpsearch.jobs import TrialJob
from hpsearch.records import NO_LEVEL, Key, Trial
from hpsearch.search.commit_and_resume import CommitLog, Place, record_of
from hpsearch.search.driver import Driver
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.run_format import Role


@dataclass(frozen=True, slots=True)
class FrozenRecipe:
    """A trial that is retrained.

    Attributes:
        trial: The trial.
        store: Its fresh-seed records: a store of its own, in which seed s is trial s.
    """

    trial: Trial
    store: SweepStore

    def on_seed(self, seed: int) -> Trial:
        """The retraining as a trial of the same level, whose number is its seed."""
        return replace(self.trial, k=seed)


@dataclass(frozen=True, slots=True)
class Retrainings:
    """Recipes on fresh seeds, all paired: a seed is the same for each of them.

    Attributes:
        recipes: One a level, at most.
        seeds: Fresh seeds of each, numbered from 1.
    """

    recipes: Sequence[FrozenRecipe]
    seeds: int

    @property
    def trials(self) -> dict[Key, Trial]:
        """The retrainings by (level, seed), all recipes for each seed."""
        seeds = range(1, self.seeds + 1)
        return {trial.key: trial for seed in seeds for trial in (recipe.on_seed(seed) for recipe in self.recipes)}

    @property
    def jobs(self) -> dict[Key, TrialJob]:
        """What is left to train by (level, seed): what has no record, or one of a failure that is tried again."""
        done = {
            (recipe.trial.level, seed)
            for recipe in self.recipes
            for (_, seed), record in recipe.store.records().items()
            if not record.result.status.retried
        }
        missing = {key: trial for key, trial in self.trials.items() if key not in done}
        return {key: TrialJob(trial.config, confirm_seed=trial.k) for key, trial in missing.items()}

    def finish(self, driver: Driver) -> list[list[Record]]:
        """Retrains what is left; what an earlier driver has left is adopted also where that is nothing.

        Args:
            driver: Writes to the `RetrainingLog` of the same recipes.

        Returns:
            For each recipe, the records of its seeds in order.

        Raises:
            StoppedError: By a signal, after everything open was closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        with driver.resuming() as records:
            driver.train(self.trials, self.jobs)
        seeds = range(1, self.seeds + 1)
        return [[records[recipe.trial.level, seed] for seed in seeds] for recipe in self.recipes]


@dataclass
class RetrainingLog(CommitLog):
    """The only writer of the records and runs of fresh seeds.

    Attributes:
        recipes: One a level, at most.
    """

    recipes: Sequence[FrozenRecipe]

    def reconcile(self) -> dict[Key, Record]:
        """See `CommitLog`; nothing but its run tells whether a whole record is committed: each is adopted again."""
        records = {}
        for recipe in self.recipes:
            for (_, seed), attempt in recipe.store.finished().items():
                self._adopt(recipe.on_seed(seed), attempt)
                records[recipe.trial.level, seed] = record_of(attempt)
        self._close_runs(Role.CONFIRM)
        return records

    def _place(self, trial: Trial) -> Place:
        recipe = next(recipe for recipe in self.recipes if recipe.trial.level == trial.level)
        return Place(recipe.store, replace(trial, level=NO_LEVEL), recipe.trial, Role.CONFIRM, f"seed {trial.k}")
