"""Retrains the recipes of compared levels on fresh seeds, at the end of their search."""

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
    """Return the number of comparisons between levels: with the control, or of all pairs."""
    return levels - 1 if config.search.control is not None else levels * (levels - 1) // 2


def confirm_seeds(config: Config, levels: int) -> int:
    """Return the number of fresh seeds per level: `confirm.seeds`, or as many as a claim can need."""
    from hpsearch.statistics.paired_tests import auto_seeds  # noqa: PLC0415 (scipy, half a second that a search has no use for)

    if config.confirm.seeds is not None:
        return config.confirm.seeds
    return auto_seeds(comparisons(config, levels), config.search.alpha)


def too_few_seeds(config: Config, levels: int) -> str | None:
    """Return the warning that `confirm.seeds` cannot support any claim; None if it is unset or suffices."""
    from hpsearch.statistics.paired_tests import minimum_seeds  # noqa: PLC0415 (as above)

    seeds = config.confirm.seeds
    if not seeds or config.evaluation.kind not in ("holdout", "truth_table"):  # folds need fewer seeds
        return None
    needed = minimum_seeds(max(1, comparisons(config, levels)), config.search.alpha)
    if seeds >= needed:
        return None
    return (
        f"confirm.seeds={seeds} are too few for any claim about {number_of(levels, 'level')}, which needs {needed} "
        "(R07); more seeds later are another look, and share alpha (R20)"
    )


def retrain(
    retrainings: Retrainings,
    log: RetrainingLog,
    scheduler_for: SchedulerFactory,
    signals: StopSignals,
    observer: Observer,
) -> list[list[Record]]:
    """Run the missing retrainings; see `Retrainings.finish`."""
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
    """Run the missing retrainings of a comparison, and warn about those that failed."""
    if retrainings.jobs:
        levels, seeds = len(retrainings.recipes), number_of(retrainings.seeds, "fresh seed")
        recipes = f"the {plural(levels, 'recipe')} of {number_of(levels, 'level')}{', each' if levels > 1 else ''}"
        observer.line(f"confirm: {recipes} on {seeds}")
    # Also where no training is left: a driver may have died between writing a record and ending its run.
    records = retrain(retrainings, log, scheduler_for, signals, observer)
    failures = {record.result.failure for each in records for record in each if record.result.status.retried}
    for failure in sorted(map(str, failures))[:3]:
        observer.warn(f"a retraining failed: {failure} (the same command tries it again)")


def plan_retrainings(plan: Plan, store: SweepStore, seeds: int) -> Retrainings:
    """Return the retrainings of each level's recipe on fresh seeds; levels without a scored trial have none."""
    sweep = load_from_disk(store)
    records = [record for level in plan.levels if (record := sweep.recipe(level.name)) is not None]
    trials = [plan.realize(record.key, record.values) for record in records]
    return Retrainings([FrozenRecipe(trial, store.confirmation(trial.level, trial.k)) for trial in trials], seeds)
