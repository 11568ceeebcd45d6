"""Retrains the recipes of compared levels on fresh seeds, at the end of their search."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from hpsearch.commands.observer import Observer
from hpsearch.config import Config
from hpsearch.execution.interrupts import StopSignals
from hpsearch.formatting import number_of, plural
from hpsearch.search.driver import Driver, SchedulerFactory
from hpsearch.search.plan import Plan
from hpsearch.search.retraining import FrozenRecipe, RetrainingLog, Retrainings, retrain
from hpsearch.store.loader import LoadedSweep, load_from_disk
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SeedPlan, SweepStore
from hpsearch.tracking.run_format import SweepRun
from hpsearch.tracking.tracker import Tracker


def comparisons(config: Config, levels: int) -> int:
    """Return the number of comparisons between levels: with the control, or of all pairs."""
    return levels - 1 if config.search.control is not None else levels * (levels - 1) // 2


def planned_seeds(config: Config, sweep: LoadedSweep) -> tuple[int, ...]:
    """Return the numbers of fresh seeds of a level after which the levels are compared, ascending; empty for none.

    `confirm.seeds=until_decided` ends at `confirm.max_seeds`, or where all levels together would have trained
    `confirm.budget` times the epochs of the search, but not below what a claim can need. Cells of crossed factors have
    as many in one look, since effects need all of them on the same seeds.
    """
    from hpsearch.statistics.group_sequential import planned_looks  # noqa: PLC0415 (scipy, half a second that a search has no use for)
    from hpsearch.statistics.paired_tests import auto_seeds  # noqa: PLC0415 (as above)

    given, pairs, alpha = config.confirm.seeds, comparisons(config, len(sweep.levels)), config.search.alpha
    if given is not None:
        return (given,) if given else ()
    most = auto_seeds(pairs, alpha)
    if config.search.cross:
        return (most,)
    recipes = [recipe for level in sweep.levels if (recipe := sweep.recipe(level)) is not None]
    if config.confirm.max_seeds is not None:
        most = config.confirm.max_seeds
    elif recipes:
        most = max(most, int(config.confirm.budget * _epochs(sweep.records.values()) / _epochs(recipes)))
    return planned_looks(most, max(1, pairs), alpha)


def _epochs(records: Iterable[Record]) -> int:
    return sum(max(1, len(record.result.curves.get("train/loss", ()))) for record in records)


def too_few_seeds(config: Config, levels: int) -> str | None:
    """Return the warning that the given number of seeds cannot support any claim; None if it is unset or suffices."""
    from hpsearch.statistics.paired_tests import minimum_seeds  # noqa: PLC0415 (as above)

    key = "seeds" if config.confirm.seeds is not None else "max_seeds"
    seeds = getattr(config.confirm, key)
    if not seeds or config.evaluation.kind not in ("holdout", "truth_table"):  # folds need fewer seeds
        return None
    needed = minimum_seeds(max(1, comparisons(config, levels)), config.search.alpha)
    if seeds >= needed:
        return None
    return (
        f"confirm.{key}={seeds} are too few for any claim about {number_of(levels, 'level')}, which needs {needed} "
        "(R07); more seeds later are another look, and share alpha (R20)"
    )


def _recipes(plan: Plan, store: SweepStore, sweep: LoadedSweep) -> list[FrozenRecipe]:
    """Return the recipe of each level, as found so far; levels without a scored trial have none."""
    records = [record for level in plan.levels if (record := sweep.recipe(level.name)) is not None]
    trials = [plan.realize(record.key, record.values) for record in records]
    return [FrozenRecipe(trial, store.confirmation(trial.level, trial.k)) for trial in trials]


def retrainings_left(config: Config, plan: Plan, store: SweepStore) -> Retrainings:
    """Return the retrainings that a finished search may still need: none once the comparison has come to its end."""
    sweep = load_from_disk(store)
    recipes, looks = _recipes(plan, store, sweep), planned_seeds(config, sweep)
    ended = _ended(recipes, looks, store)
    return ended or Retrainings(recipes, {recipe.level: max(looks, default=0) for recipe in recipes})


def _ended(recipes: Sequence[FrozenRecipe], looks: Sequence[int], store: SweepStore) -> Retrainings | None:
    """The retrainings of a comparison that came to its end by the same looks at the same recipes; None if none did."""
    plan = store.seed_plan()
    if plan.looks != tuple(looks) or set(plan.seeds) != {recipe.level for recipe in recipes}:
        return None
    asked = Retrainings(recipes, plan.seeds)
    return None if asked.jobs else asked


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Retrains the recipes of a comparison until it is decided, or all planned seeds are used.

    Attributes:
        config: The configuration of the sweep.
        plan: Its levels and trials.
        store: Its store.
        tracker: Writes to MLflow.
        run: The run of the sweep.
        provenance: Device and code that train.
        observer: Receives events.
    """

    config: Config
    plan: Plan
    store: SweepStore
    tracker: Tracker
    run: SweepRun
    provenance: Provenance
    observer: Observer

    def finish(self, scheduler_for: SchedulerFactory, signals: StopSignals) -> None:
        """Run the missing retrainings, and warn about those that failed."""
        sweep = load_from_disk(self.store)
        recipes, looks = _recipes(self.plan, self.store, sweep), planned_seeds(self.config, sweep)
        ended = _ended(recipes, looks, self.store)
        if ended is None:
            self.store.plan_seeds(SeedPlan(looks))
            self.tracker.plan_looks(self.run, looks)
        progress = SeedProgress(self.observer)
        log = RetrainingLog(self.tracker, self.run, self.provenance, recipes)
        driver = Driver(log, scheduler_for, signals, progress.seed_done, self.observer.underway)

        def begin_look(asked: Retrainings) -> None:
            progress.expect(asked)
            self._tell(asked)

        # Also where no training is left: a driver may have died between writing a record and ending its run.
        asked = retrain(recipes, looks if ended is None else (), driver, self._undecided, begin_look)
        asked = asked if ended is None else ended
        self.store.plan_seeds(SeedPlan(looks, asked.seeds))
        failures = {record.result.failure for record in asked.records if record.result.status.retried}
        for failure in sorted(map(str, failures))[:3]:
            self.observer.warn(f"a retraining failed: {failure} (the same command tries it again)")

    def _tell(self, asked: Retrainings) -> None:
        """Say what is about to be retrained, and why."""
        seeds = max(asked.seeds.values())
        names = [level for level, wanted in asked.seeds.items() if wanted == seeds]
        if not asked.jobs:
            return
        if len(names) < len(asked.seeds) or seeds > min(self.store.seed_plan().looks):
            self.observer.line(f"confirm: not told apart yet, on to {seeds} fresh seeds: {', '.join(names)}")
        else:
            levels, each = number_of(len(names), "level"), ", each" if len(names) > 1 else ""
            recipes = f"the {plural(len(names), 'recipe')} of {levels}{each}"
            self.observer.line(f"confirm: {recipes} on {number_of(seeds, 'fresh seed')}")

    def _undecided(self, seeds: int) -> list[str]:
        from hpsearch.analysis.analyse import levels_to_retrain  # noqa: PLC0415 (matplotlib and scipy, a second)
        from hpsearch.commands.publish import known_at  # noqa: PLC0415 (as above)

        evidence, _ = known_at(load_from_disk(self.store), self.config, self.tracker, self.run, seeds)
        return levels_to_retrain(evidence)


class SeedProgress:
    """Tells an observer what is retrained.

    Args:
        observer: Receives the events.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer, self._done, self._total = observer, count(1), 0

    def expect(self, asked: Retrainings) -> None:
        """These retrainings are about to be run, as far as they are missing."""
        self._total = len(asked.trials)
        self._done = count(self._total - len(asked.jobs) + 1)

    def seed_done(self, record: Record) -> None:
        """A retraining has its record."""
        del record
        self._observer.seed_finished(next(self._done), self._total)
