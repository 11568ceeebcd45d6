"""Retraining of frozen recipes with fresh seeds; nothing is selected here."""

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
    """A trial to retrain.

    Attributes:
        trial: The trial.
        store: Store of its retrainings, in which trial number s is the retraining with seed s.
    """

    trial: Trial
    store: SweepStore

    def on_seed(self, seed: int) -> Trial:
        """The retraining as a trial of the same level, numbered by its seed."""
        return replace(self.trial, k=seed)


@dataclass(frozen=True, slots=True)
class Retrainings:
    """Recipes and their fresh seeds, which are the same for all recipes, so that results are paired.

    Attributes:
        recipes: At most one per level.
        seeds: Number of fresh seeds; they are numbered from 1.
    """

    recipes: Sequence[FrozenRecipe]
    seeds: int

    @property
    def trials(self) -> dict[Key, Trial]:
        """The retrainings by (level, seed), seed by seed."""
        seeds = range(1, self.seeds + 1)
        return {trial.key: trial for seed in seeds for trial in (recipe.on_seed(seed) for recipe in self.recipes)}

    @property
    def jobs(self) -> dict[Key, TrialJob]:
        """Jobs by (level, seed) of the retrainings without a record, or with a failure that is retried."""
        done = {
            (recipe.trial.level, seed)
            for recipe in self.recipes
            for (_, seed), record in recipe.store.records().items()
            if not record.result.status.retried
        }
        missing = {key: trial for key, trial in self.trials.items() if key not in done}
        return {key: TrialJob(trial.config, confirm_seed=trial.k) for key, trial in missing.items()}

    def finish(self, driver: Driver) -> list[list[Record]]:
        """Run the missing retrainings; even if there are none, commit what an earlier driver finished.

        Args:
            driver: A driver whose log is the `RetrainingLog` of the same recipes.

        Returns:
            For each recipe, its records in the order of the seeds.

        Raises:
            StoppedError: On a signal, after all open attempts were closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        with driver.resuming() as records:
            driver.train(self.trials, self.jobs)
        seeds = range(1, self.seeds + 1)
        return [[records[recipe.trial.level, seed] for seed in seeds] for recipe in self.recipes]


@dataclass
class RetrainingLog(CommitLog):
    """The only writer of the records and runs of retrainings.

    Attributes:
        recipes: At most one per level.
    """

    recipes: Sequence[FrozenRecipe]

    def reconcile(self) -> dict[Key, Record]:
        """See `CommitLog`; commits every complete record again, since only its run tells whether it was committed."""
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
