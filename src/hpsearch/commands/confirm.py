"""The recipes of compared levels on fresh seeds, at the end of their search."""

from itertools import count

from hpsearch.commands.observer import Observer
from hpsearch.config import Config
from hpsearch.execution.interrupts import StopSignals
from hpsearch.formatting import number_of, plural
from hpsearch.search.driver import Driver, SchedulerFactory
from hpsearch.search.plan import Plan
from hpsearch.search.retraining import FrozenRecipe, RetrainingLog, Retrainings
from hpsearch.store.loader import load_from_disk
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SweepStore


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


def retrain(
    retrainings: Retrainings,
    log: RetrainingLog,
    scheduler_for: SchedulerFactory,
    signals: StopSignals,
    observer: Observer,
) -> list[list[Record]]:
    """Retrains what is missing; see `Retrainings.finish`."""
    total = len(retrainings.recipes) * retrainings.seeds
    done = count(total - len(retrainings.jobs) + 1)
    driver = Driver(log, scheduler_for, signals, lambda _: observer.seed_finished(next(done), total), observer.underway)
    return retrainings.finish(driver)


def confirm(
    retrainings: Retrainings,
    log: RetrainingLog,
    scheduler_for: SchedulerFactory,
    signals: StopSignals,
    observer: Observer,
) -> None:
    """Retrains what is missing of a comparison; it is in the stores afterwards."""
    if retrainings.jobs:
        recipes, seeds = _recipes(len(retrainings.recipes)), number_of(retrainings.seeds, "fresh seed")
        observer.line(f"confirm: {recipes} on {seeds}")
    # Also where nothing is left to train: a driver may have died between a record and the end of its run.
    records = retrain(retrainings, log, scheduler_for, signals, observer)
    failures = {record.result.failure for each in records for record in each if record.result.status.retried}
    for failure in sorted(map(str, failures))[:3]:
        observer.warn(f"a retraining failed: {failure} (the same command tries it again)")


def _recipes(levels: int) -> str:
    return f"the {plural(levels, 'recipe')} of {number_of(levels, 'level')}{', each' if levels > 1 else ''}"


def plan_retrainings(plan: Plan, store: SweepStore, seeds: int) -> Retrainings:
    """The recipe of each level of a finished search that has a trial with a score, on so many fresh seeds."""
    sweep = load_from_disk(store)
    recipes = []
    for level in plan.levels:
        record = sweep.recipe(level.name)
        if record is not None:
            trial = plan.realize(record.key, record.values)
            recipes.append(FrozenRecipe(trial, store.confirmation(level.name, record.k)))
    return Retrainings(recipes, seeds)
