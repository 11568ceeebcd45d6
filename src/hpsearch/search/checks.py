"""Checks of a whole sweep, made before anything is written."""

from collections.abc import Iterable, Mapping, Sequence

from hpsearch.config import Config, ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.search import CoarseToFine, OptunaSearch
from hpsearch.data.dataset import Development
from hpsearch.data.seal import SealedTest
from hpsearch.errors import NotFoundError
from hpsearch.formatting import number_of
from hpsearch.records import NO_LEVEL, Value
from hpsearch.search.enqueued import given_values
from hpsearch.search.levels import Level
from hpsearch.search.space import Space
from hpsearch.store.specification import Specification
from hpsearch.store.sweep_store import SweepStore, list_sweeps


def check_trials(config: Config, levels: Sequence[Level]) -> None:
    """Require that several trials differ in something.

    Raises:
        ConfigError: If nothing varies, or too little for the first round of a coarse-to-fine search.
    """
    search = config.search
    if search.trials > 1 and not any(level.space.names for level in levels):
        tuned = f"every value of search.tune={search.tune} is given" if search.tune else "nothing is tuned"
        raise ConfigError(
            f"search.trials is {search.trials} and nothing varies ({tuned}): name groups in search.tune, or options in "
            "search.choose.<group>; from Python, ranges in space=, or options in choose="
        )
    if isinstance(search, CoarseToFine) and levels[0].space.size < search.rounds[0].trials:
        raise ConfigError(
            f"search.rounds: the first round must not have more trials than the space has configurations, got "
            f"{search.rounds[0].trials} of {levels[0].space.size:g}: search=random trains each of them once"
        )


def exhausted(levels: Sequence[Level], trials: int) -> list[str]:
    """A sentence for each level whose space holds fewer configurations than the requested trials."""
    return [
        f"the space{'' if level.name == NO_LEVEL else f' of {level.name}'} has "
        f"{number_of(int(level.space.size), 'configuration')}: each is trained once, not search.trials={trials}"
        for level in levels
        if level.space.size < trials
    ]


def check_truth_table(config: Config, development: Development, sealed: SealedTest | None) -> None:
    """Raise `ConfigError` if a truth table is evaluated on data with sealed rows."""
    if config.evaluation.kind == "truth_table" and sealed is not None:
        raise ConfigError(
            "evaluation=truth_table trains and scores on the same rows: it must be used with data=xor, got "
            f"{development.name}"
        )


def check_enqueued(config: Config, space: Space) -> None:
    """Raise `ConfigError` unless `search.enqueue` gives values that trials of this space draw."""
    search = config.search
    if len(search.enqueue) > search.trials:
        raise ConfigError(
            f"search.enqueue must not have more trials than search.trials={search.trials}, got {len(search.enqueue)}"
        )
    chosen = {group: option for group, option in config.options.items() if group not in space.options}
    given: list[dict[str, Value]] = []
    for number, point in enumerate(search.enqueue):
        values = given_values(point, space, chosen, f"search.enqueue[{number}]")
        if values in given:
            raise ConfigError(f"search.enqueue[{number}] must not repeat an earlier one, got {point!r}")
        given.append(values)


def check_warm_start(config: Config) -> None:
    """Require an earlier sweep, or one that began with its trials, and no more first trials than there are in all.

    Raises:
        ConfigError: If `search.enqueue_from` gives more trials than the sweep has.
        NotFoundError: If there is no such sweep.
    """
    search = config.search
    if search.enqueue_from is None:
        return
    if (most := search.trials - len(search.enqueue)) < search.enqueue_best:
        key = "search.enqueue_best"
        way_out = f"{key}={most} takes fewer" if most > 0 else "drop search.enqueue_from, or give more trials"
        raise ConfigError(
            f"{key} must not be more than the {most} of search.trials={search.trials} that search.enqueue leaves, got "
            f"{search.enqueue_best}: {way_out}"
        )
    sweeps = list_sweeps(config.tracking.directory)
    if not any(began_with(specification) == search.enqueue_from for specification in sweeps.values()):
        earlier_sweep(config, sweeps)


def began_with(specification: Specification) -> str | None:
    """The name of the sweep whose trials a stored sweep began with; None if there is none."""
    name: str | None = specification.fingerprinted.config.get("search", {}).get("enqueue_from")
    return name


def earlier_sweep(config: Config, sweeps: Iterable[str]) -> SweepStore:
    """The sweep that `search.enqueue_from` names among these, or `NotFoundError`."""
    name, directory = str(config.search.enqueue_from), config.tracking.directory
    store = SweepStore(directory, name)
    if store.specification() is None:  # raises if it is damaged
        raise NotFoundError(f"search.enqueue_from={name} is no sweep in {directory}: {nearest(name, sweeps)}")
    return store


def check_cohorts(config: Config, space: Space) -> None:
    """Raise `ConfigError` unless cohorts, rungs and pruner fit each other and the rest of the configuration."""
    search, epochs = config.search, config.training.epochs
    size = search.cohort_size
    if size is None:
        _refuse_without_effect({"cohort": search.cohort}, "add search.pruner=halving or search=tpe")
    if not search.prunes:
        useless = {"rungs": search.rungs, "pruner_options": search.pruner_options}
        _refuse_without_effect(useless, "add search.pruner=halving")
    if size is not None and search.trials % size:
        lower = search.trials // size * size
        near = f"{lower} or {lower + size}" if lower else str(size)
        raise ConfigError(
            f"search.trials must be whole cohorts of search.cohort={size}, since trials are judged by cohort or learn "
            f"from the one before, got {search.trials}: take {near}"
        )
    rungs = search.rungs_below(epochs)
    if search.prunes and (not rungs or rungs[-1] >= epochs):
        given = f"search.rungs={rungs}" if rungs else "none"
        raise ConfigError(
            f"search.pruner={search.pruner} must have rungs below training.epochs={epochs}, got {given}: "
            "give more epochs or other rungs, or search.pruner=none"
        )
    if isinstance(search, CoarseToFine) and search.rounds[-1].epochs > epochs:
        raise ConfigError(
            f"search.rounds must not be longer than training.epochs={epochs}, got {search.rounds[-1].epochs} epochs"
        )
    if search.prunes and any(
        "epochs" in names for key, names in space.dimensions.items() if key.startswith("training.")
    ):
        raise ConfigError(
            f"search.pruner={search.pruner} compares trials after equally many of equally many epochs, and "
            "training.epochs varies: give training.epochs one value, or search.pruner=none"
        )
    if search.prunes:
        from hpsearch.search.pruning import judge_of  # noqa: PLC0415 (imports Optuna, which most refusals do not need)

        judge_of(search)
    if isinstance(search, OptunaSearch):
        from hpsearch.search.cohort_study import check_sampler  # noqa: PLC0415 (imports Optuna)

        chosen = {group: option for group, option in config.options.items() if group not in space.options}
        check_sampler(search, space, chosen)


def _refuse_without_effect(given: Mapping[str, object], way_out: str) -> None:
    for key, value in given.items():
        if value:
            raise ConfigError(f"search.{key}={value} has no effect: {way_out}, or drop it")
