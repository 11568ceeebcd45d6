"""The recipes of compared levels on fresh seeds, at the end of their search."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hpsearch.commands.observer import Observer
from hpsearch.config import Config
from hpsearch.execution.interrupts import StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.formatting import number_of, plural
from hpsearch.jobs import TrialJob
from hpsearch.records import Key
from hpsearch.search.plan import Plan
from hpsearch.search.retraining import FrozenRecipe, RetrainingDriver
from hpsearch.store.loader import load_from_disk
from hpsearch.store.provenance import Provenance
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.runs import SweepRun
from hpsearch.tracking.tracker import Tracker


def comparisons(config: Config, levels: int) -> int:
    """How many comparisons a family of so many levels holds: with the control, or all pairs."""
    return levels - 1 if config.search.control is not None else levels * (levels - 1) // 2


def confirm_seeds(config: Config, levels: int) -> int:
    """Fresh seeds of each level: as many as are asked for, or else as a claim of the family can need."""
    from hpsearch.statistics.paired_tests import auto_seeds  # noqa: PLC0415 (scipy, half a second that a search has no use for)

    if config.confirm.seeds is not None:
        return config.confirm.seeds
    return auto_seeds(comparisons(config, levels), config.search.alpha)


def too_few_seeds(config: Config, levels: int) -> str | None:
    """Why the seeds that were asked for cannot lead to any claim, if so; None where none is asked for."""
    from hpsearch.statistics.paired_tests import minimum_seeds  # noqa: PLC0415 (as above)

    asked = config.confirm.seeds
    if not asked or _in_folds(config):
        return None
    needed = minimum_seeds(max(1, comparisons(config, levels)), config.search.alpha)
    if asked >= needed:
        return None
    return (
        f"confirm.seeds={asked} are too few for any claim about {number_of(levels, 'level')}, which needs {needed} "
        "(R07); more seeds later are another look, and share alpha (R20)"
    )


def _in_folds(config: Config) -> bool:
    """Whether rows are scored in folds, of which fewer seeds are needed."""
    return config.evaluation.kind not in ("holdout", "truth_table")


@dataclass(frozen=True, slots=True)
class Confirming:
    """What is left to retrain of a comparison.

    Attributes:
        recipes: A trial for each level that has one with a score, with the store of its fresh seeds.
        seeds: Fresh seeds of each.
    """

    recipes: tuple[FrozenRecipe, ...]
    seeds: int

    @property
    def jobs(self) -> dict[Key, TrialJob]:
        """The trainings that no record is there for, by (level, seed)."""
        missing = {}
        for recipe in self.recipes:
            done = {seed for (_, seed), record in recipe.store.records().items() if not record.result.status.retried}
            for seed in range(1, self.seeds + 1):
                if seed not in done:
                    missing[recipe.trial.level, seed] = TrialJob(recipe.trial.config, redraw=seed)
        return missing

    def finish(
        self,
        scheduler_for: Callable[[Mapping[Key, TrialJob]], FleetScheduler],
        tracker: Tracker,
        run: SweepRun,
        signals: StopSignals,
        observer: Observer,
        provenance: Provenance,
    ) -> None:
        """Retrains what is missing, and adopts what an earlier command has left; it is in the stores afterwards."""
        jobs, total = self.jobs, len(self.recipes) * self.seeds
        if jobs:
            observer.line(f"confirm: {_recipes(len(self.recipes))} on {number_of(self.seeds, 'fresh seed')}")

        def told(done: int) -> None:
            observer.seed_finished(done, total)

        # Also where nothing is left to train: a driver may have died between a record and the end of its run.
        scheduler = scheduler_for(jobs) if jobs else None
        confirmation = RetrainingDriver(
            self.recipes, tracker, run, scheduler, signals, told, provenance, observer.underway
        )
        results = confirmation.finish(self.seeds)
        failures = {result.failure for each in results for result in each if result.status.retried}
        for failure in sorted(map(str, failures))[:3]:
            observer.warn(f"a retraining failed: {failure} (the same command tries it again)")


def _recipes(levels: int) -> str:
    return f"the {plural(levels, 'recipe')} of {number_of(levels, 'level')}{', each' if levels > 1 else ''}"


def plan_confirming(plan: Plan, store: SweepStore, seeds: int) -> Confirming:
    """The recipes of a finished search."""
    found = load_from_disk(store)
    recipes = []
    for level in plan.levels:
        record = found.recipe(level.name)
        if record is not None:
            trial = plan.realize(record.key, record.values)
            recipes.append(FrozenRecipe(trial, store.confirmation(level.name, record.k)))
    return Confirming(tuple(recipes), seeds)
