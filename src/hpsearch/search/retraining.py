"""Retraining of frozen recipes with fresh seeds; nothing is selected here."""

from collections.abc import Callable, Mapping, Sequence
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

    @property
    def level(self) -> str:
        """The level that it is of."""
        return self.trial.level

    def on_seed(self, seed: int) -> Trial:
        """The retraining as a trial of the same level, numbered by its seed."""
        return replace(self.trial, k=seed)


@dataclass(frozen=True, slots=True)
class Retrainings:
    """Recipes and their fresh seeds, which are the same for all recipes, so that results are paired.

    Attributes:
        recipes: At most one per level.
        seeds: Number of fresh seeds of each level; they are numbered from 1.
    """

    recipes: Sequence[FrozenRecipe]
    seeds: Mapping[str, int]

    @property
    def trials(self) -> dict[Key, Trial]:
        """The retrainings by (level, seed), seed by seed."""
        seeds = range(1, max(self.seeds.values(), default=0) + 1)
        wanted = [(recipe, seed) for seed in seeds for recipe in self.recipes if seed <= self.seeds[recipe.level]]
        return {trial.key: trial for trial in (recipe.on_seed(seed) for recipe, seed in wanted)}

    @property
    def jobs(self) -> dict[Key, TrialJob]:
        """Jobs by (level, seed) of the retrainings without a record, or with a failure that is retried."""
        done = {
            (recipe.level, seed)
            for recipe in self.recipes
            for (_, seed), record in recipe.store.records().items()
            if not record.result.status.retried
        }
        missing = {key: trial for key, trial in self.trials.items() if key not in done}
        return {key: TrialJob(trial.config, confirm_seed=trial.k) for key, trial in missing.items()}

    @property
    def records(self) -> list[Record]:
        """The records that there are, in the order of the levels and seeds."""
        known = [(recipe, record) for recipe in self.recipes for record in recipe.store.records().values()]
        return [record for recipe, record in known if record.k <= self.seeds[recipe.level]]


def retrain(
    recipes: Sequence[FrozenRecipe],
    looks: Sequence[int],
    driver: Driver,
    undecided: Callable[[int], Sequence[str]],
    on_look: Callable[[Retrainings], None],
) -> Retrainings:
    """Run the missing retrainings, look by look; even if there are none, commit what an earlier driver finished.

    Args:
        recipes: At most one per level.
        looks: Numbers of fresh seeds, ascending.
        driver: A driver whose log is the `RetrainingLog` of the same recipes.
        undecided: Called with the number of seeds of each look but the last, returns the levels that need those of the
            next one.
        on_look: Called with the retrainings of each look before they are run.

    Returns:
        The retrainings that were asked for, which have a record now.

    Raises:
        StoppedError: On a signal, after all open attempts were closed.
        ConfigError: If a configuration turns out not to be trainable.
    """
    asked = Retrainings(recipes, {recipe.level: 0 for recipe in recipes})
    with driver.resuming():
        wanted: Sequence[str] = list(asked.seeds)
        for seeds in looks if recipes else ():
            asked = Retrainings(recipes, {**asked.seeds, **dict.fromkeys(wanted, seeds)})
            on_look(asked)
            driver.train(asked.trials, asked.jobs)
            wanted = undecided(seeds) if seeds != looks[-1] else ()
            if not wanted:
                break
    return asked


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
                records[recipe.level, seed] = record_of(attempt)
        self._close_runs(Role.CONFIRM)
        return records

    def _place(self, trial: Trial) -> Place:
        recipe = next(recipe for recipe in self.recipes if recipe.level == trial.level)
        return Place(recipe.store, replace(trial, level=NO_LEVEL), recipe.trial, Role.CONFIRM, f"seed {trial.k}")
