"""Options of `evaluation` and `search`."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch import metrics
from hpsearch.config import augmentation, model, preprocess, training
from hpsearch.config.bounds import (
    AUTO,
    BETWEEN_0_AND_1,
    IMPORT_PATH,
    POSITIVE,
    Bound,
    at_least,
    check_bounds,
    require,
    require_kwargs,
    shown,
)
from hpsearch.config.conversion import nearest
from hpsearch.config.option import Option, OptionGroup
from hpsearch.config.synonyms import meant_metric
from hpsearch.errors import ConfigError


class BaselineKind(StrEnum):
    """A model that is no network, trained and scored on the rows of a trial."""

    GUESS = "guess"  # the shares of the classes, or the best constant
    LINEAR = "linear"  # logistic or linear regression
    BOOSTING = "boosting"  # gradient boosting of trees


class Objective(StrEnum):
    """A cost of a network that is minimized beside the metric."""

    PARAMETERS = "parameters"  # its trainable numbers
    FLOPS = "flops"  # operations of a prediction


@dataclass(kw_only=True, slots=True)
class Evaluation(Option):
    """Truth table and leave-one-out; `replicates` is the number of seeds per fold."""

    group: ClassVar[str] = "evaluation"
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"baseline": None}
    replicates: Annotated[int, at_least(1), "seeds that each fold is trained with"]
    baseline: Annotated[
        list[BaselineKind] | None,
        "models of scikit-learn that networks are shown beside, of guess, linear and boosting; auto: those that take "
        "seconds; []: none",
        AUTO,
    ]


def _is_count_or_share(value: float) -> bool:
    return value >= 1 if isinstance(value, int) else 0 < value < 1


_COUNT_OR_SHARE = Bound(_is_count_or_share, "must be a count >= 1 or a share between 0 and 1")


@dataclass(kw_only=True, slots=True)
class Holdout(Evaluation):
    """One split into training, `val` and `report` rows, sized by counts or shares; null: automatic."""

    val: Annotated[
        int | float | None,
        _COUNT_OR_SHARE,
        "rows that selection reads: a count, or a share; auto: 5,000 of 60,000 or more, otherwise 10 %",
        AUTO,
    ]
    report: Annotated[
        int | float | None, _COUNT_OR_SHARE, "rows that readers are shown, never selected on: as val", AUTO
    ]


@dataclass(kw_only=True, slots=True)
class KFold(Evaluation):
    """K-fold cross-validation."""

    folds: Annotated[int, at_least(2), "number of folds"]


@dataclass(kw_only=True, slots=True)
class TimeSeries(Evaluation):
    """Folds in the order of `data.time`: each trains on the rows before those that it is scored on."""

    folds: Annotated[int, at_least(2), "number of folds"]
    gap: Annotated[int, at_least(0), "rows left out between those that train and those that are scored"]
    window: Annotated[int | None, at_least(1), "latest rows that each fold trains on; null: all before (expanding)"]


@dataclass(kw_only=True, slots=True)
class StratifiedKFold(KFold):
    """Folds stratified by class; `allow_rare` admits classes with fewer rows than folds."""

    allow_rare: Annotated[bool, "admits classes with fewer rows than folds"]


@dataclass(kw_only=True, slots=True)
class RepeatedKFold(StratifiedKFold):
    """K-fold cross-validation with `repeats` draws of the folds."""

    repeats: Annotated[int, at_least(1), "how often the folds are drawn anew"]
    stratified: Annotated[bool, "keeps the class shares in each fold"]


Choose = make_dataclass(
    "Choose",
    [
        (group.name, list[str] | None, None)
        for group in (*preprocess.GROUPS, *augmentation.GROUPS, *model.GROUPS, *training.GROUPS)
        if group.searchable
    ],
    namespace={"__module__": __name__},
    kw_only=True,
    slots=True,
)
"""The options that trials may take, a list per group; null or an empty list: the group does not vary."""


def compared_groups(search: Mapping[str, Any]) -> set[str]:
    """The groups in which the levels of a comparison differ, read from an unchecked tree."""
    compare, levels, cross = search.get("compare"), search.get("levels"), search.get("cross")
    groups = {compare} if isinstance(compare, str) else set()
    if isinstance(levels, Mapping):
        settings = [level for level in levels.values() if isinstance(level, Mapping)]
        groups |= {str(key).partition(".")[0] for level in settings for key in level}
    if isinstance(cross, list):
        groups |= {group for group in cross if isinstance(group, str)}
    return groups


ALPHA = 0.05
"""Default of `search.alpha`, the error rate of the claims of a report."""

COHORT = 10
"""Default of `search.cohort`."""

REDUCTION = 3
"""Reduction factor eta: one in eta trials continues, and each rung has eta times the epochs of the one before."""

PRUNERS = ("none", "halving", "median")

OWN_DEFAULT = "auto"
"""`search.control` for the option that the compared group has where nothing is compared; composing replaces it."""


class Direction(StrEnum):
    """Which values of a metric of the user's own are better, in Optuna's words."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Response(StrEnum):
    """What a metric of the user's own is computed from, in scikit-learn's words."""

    PREDICT = "predict"  # classes as labels 0, 1, …, or numbers
    PREDICT_PROBA = "predict_proba"  # class probabilities (n, C); of two classes, those of the second (n,)


METRIC_NAMES = (metrics.AUTO, *metrics.metric_names(metrics.SEARCHED))


def metric_problem(name: str, known: Sequence[str]) -> str | None:
    """The rule that the name of a metric breaks, and what is meant; None if it is known, or has a valid parameter."""
    own = ", or your own as package.module:function" if metrics.AUTO in known else ""
    problem, (base, _, parameter) = f"must be one of {', '.join(known)}{own}, got {shown(name)}", name.partition("@")
    if parameter and base in metrics.PARAMETERS:
        try:
            metrics.metric_of(name)
        except ValueError as error:
            problem = str(error)
        else:
            return None
    elif name in known or (own and IMPORT_PATH.holds(name)):
        return None
    meant, near = meant_metric(name), nearest(name, [word for word in known if "@" not in word])
    hint = f"did you mean {meant}?" if meant else near
    return f"{problem}: {hint}" if hint.startswith("did") else problem


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(time: float | str) -> float | None:
    """A time such as 90, `90s` or `1.5h` in seconds; None if it is not positive, or cannot be read."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?) ?([smhd]?)", str(time))
    return float(match[1]) * _SECONDS[match[2]] or None if match else None


def _bound_of(constraint: str) -> tuple[Objective, float]:
    """The cost and the bound of `parameters<=50000`."""
    match = re.fullmatch(r"\s*(\w+)\s*<=\s*(\d[\d_]*(?:\.\d+)?(?:[eE]\+?\d+)?)\s*", constraint)
    known = match is not None and match[1] in list(Objective)
    rule = f"must read as COST<=NUMBER, with {' or '.join(Objective)} as the cost"
    require(known, "search.constraints", rule, constraint)
    assert match is not None
    return Objective(match[1]), float(match[2])


@dataclass(kw_only=True, slots=True)
class Search(Option):
    """Random search (i.i.d. draws) or QMC (scrambled Sobol) of `trials` over `choose` and the spaces of `tune`.

    With a pruner, trials run in cohorts: all train up to a rung, where the pruner ends some of them.
    """

    group: ClassVar[str] = "search"
    learns: ClassVar[bool] = False  # whether draws depend on the scores of earlier cohorts
    imported: ClassVar[tuple[str, ...]] = ("metric", "pruner")  # keys that may hold an import path
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("cohort", "rungs", "compare", "control", "delta")),
        "pruner": "none",
        "pruner_options": {},
        "metric_options": {},
        "direction": None,
        "response_method": Response.PREDICT.value,
        "timeout": None,
        "patience": None,
        "objectives": [],
        "constraints": [],
        "callbacks": [],
        "enqueue": [],
        "enqueue_from": None,
        "enqueue_best": 5,
        "levels": {},
        "cross": [],
        "datasets": [],
        "alpha": ALPHA,
    }
    trials: Annotated[
        int, at_least(1), "trials in all, {}, or of each level where levels are compared; more of them go on"
    ]
    choose: Annotated[Choose, "options that a trial may take: search.choose.GROUP=[...]"]  # type: ignore[valid-type]  # made above
    tune: Annotated[list[str], "groups whose spaces are sampled"]
    space: Annotated[dict[str, Any], "changed bounds: search.space.GROUP.OPTION.NAME={low: ..., high: ...}"]
    metric: Annotated[
        str, f"what the score is made of: {', '.join(METRIC_NAMES)}, or your own, package.module:function"
    ]
    metric_options: Annotated[dict[str, Any], "keyword arguments of your own metric, such as {beta: 2}"]
    direction: Annotated[Direction | None, "which values of your own metric are better; null for all others"]
    response_method: Annotated[Response, "what your own metric gets: classes or numbers, or class probabilities"]
    objectives: Annotated[
        list[Objective],
        "costs that are minimized beside the metric, of parameters and flops; the Pareto front is shown",
    ]
    constraints: Annotated[
        list[str], "bounds of costs that every trial keeps, others are drawn anew: ['parameters<=50000', 'flops<=1e6']"
    ]
    cohort: Annotated[
        int | None, at_least(2), "trials that are judged together and that later ones learn from; auto: 10", AUTO
    ]
    pruner: Annotated[str, "none, halving, median, or a pruner of Optuna's kind as package.module:Class"]
    pruner_options: Annotated[dict[str, Any], "keyword arguments of the pruner, such as {reduction_factor: 2}"]
    rungs: Annotated[
        list[int] | None, "epochs after which trials are judged, ascending; auto: 1, 3, 9, ... up to half of all", AUTO
    ]
    timeout: Annotated[
        float | str | None,
        Bound(lambda value: _seconds(value) is not None, "must be a time such as 90, 90s, 30m or 1.5h"),
        "time after which a command begins no more trials, in seconds or as 30m or 2h; null: never",
    ]
    patience: Annotated[
        int | None, at_least(1), "ends the search after so many trials without a better one, by cohorts; null: never"
    ]
    callbacks: Annotated[
        list[str], "functions of a sweep and a trial, called after each trial: [package.module:function]"
    ]
    enqueue: Annotated[
        list[dict[str, Any]], "values of the first trials, which are not drawn: [{optimizer.lr: 0.01}, ...]"
    ]
    enqueue_from: Annotated[
        str | None,
        "an earlier sweep in tracking.directory, whose best trials come first, after those of search.enqueue",
    ]
    enqueue_best: Annotated[int, at_least(1), "how many trials search.enqueue_from takes"]
    compare: Annotated[str | None, "group whose options are compared, each with trials of its own: optimizer"]
    levels: Annotated[dict[str, Any], "named levels to compare: {he_relu: {init: he, activation: relu}, ...}"]
    cross: Annotated[list[str], "groups whose options are crossed, for a factorial: [norm, init]"]
    datasets: Annotated[
        list[str],
        "options of data that the comparison runs on, each by itself: [mnist, fashion, digits]",
    ]
    control: Annotated[
        str | None,
        "level that all others are compared with; auto: the default option of the compared group; null: all pairs",
    ]
    delta: Annotated[float | None, POSITIVE, "smallest difference of the metric that matters; null: none is declared"]
    alpha: Annotated[float, BETWEEN_0_AND_1, "error rate of all claims of a report together"]

    def __post_init__(self) -> None:
        super(Search, self).__post_init__()
        known = self.pruner in PRUNERS
        if not known and ":" not in self.pruner:
            rule = f"must be one of {', '.join(PRUNERS)}, or read as package.module:Class"
            near = nearest(self.pruner, PRUNERS)
            hint = near if near.startswith("did") else "Optuna's read as optuna.pruners:HyperbandPruner, with a colon"
            raise ConfigError(f"search.pruner {rule}, got {self.pruner!r}: {hint}")
        require(known or IMPORT_PATH.holds(self.pruner), "search.pruner", IMPORT_PATH.rule, self.pruner)
        rungs = self.rungs
        ascending = rungs is None or (rungs == sorted(set(rungs)) and min(rungs, default=0) >= 1)
        require(ascending, "search.rungs", "must be epochs >= 1 in ascending order, or auto", rungs)
        if problem := metric_problem(self.metric, METRIC_NAMES):
            raise ConfigError(f"search.metric {problem}")
        for path in self.callbacks:
            require(IMPORT_PATH.holds(path), "search.callbacks", IMPORT_PATH.rule, path)
        if self.enqueue_from is None and self.enqueue_best != self.fingerprint_defaults["enqueue_best"]:
            raise ConfigError(
                f"search.enqueue_best={self.enqueue_best} has no effect without an earlier sweep: add "
                "search.enqueue_from=NAME"
            )
        self._check_own_metric()
        self._check_objectives()
        self._check_comparison()

    def _check_own_metric(self) -> None:
        if self.own_metric:
            require_kwargs("search.metric_options", self.metric_options)
            if self.direction is None:
                raise ConfigError(
                    f"search.direction must be given with a metric of your own: search.direction=maximize if higher "
                    f"values of {self.metric} are better, or minimize"
                )
            return
        neutral = {key: self.fingerprint_defaults[key] for key in ("metric_options", "direction", "response_method")}
        for key, value in neutral.items():
            if getattr(self, key) != value:
                raise ConfigError(
                    f"search.{key} is for a metric of your own, as package.module:function: leave it out, "
                    f"search.metric={self.metric} says it already"
                )

    def _check_objectives(self) -> None:
        each_once = len(set(self.objectives)) == len(self.objectives)
        require(each_once, "search.objectives", "must name each cost once", list(map(str, self.objectives)))
        if self.objectives and self.prunes:
            raise ConfigError(
                f"search.pruner={self.pruner} judges by the metric alone, and would end trials for search.objectives: "
                "drop one of the two"
            )
        if self.objectives and self.compares:
            raise ConfigError("search.objectives has no effect on a comparison, which search.metric alone decides")

        if self.constraints and self.compares:
            raise ConfigError(
                "search.constraints is for a search that compares nothing: levels are compared with their default "
                "recipes, which are not drawn"
            )
        costs = [cost for cost, _ in map(_bound_of, self.constraints)]
        each_once = len(set(costs)) == len(costs)
        require(each_once, "search.constraints", "must name each cost once", self.constraints)

    @property
    def limits(self) -> dict[Objective, float]:
        """The highest values of costs that `constraints` allows."""
        return dict(map(_bound_of, self.constraints))

    def _check_comparison(self) -> None:
        given = [key for key in ("compare", "levels", "cross") if getattr(self, key)]
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(f'search.{key}' for key in given)} both say what is compared: give one")
        controlled = self.control not in (None, OWN_DEFAULT)
        if not given and (controlled or self.delta is not None):
            key = "control" if controlled else "delta"
            raise ConfigError(f"search.{key} has no effect where nothing is compared: add search.compare=<group>")
        if self.datasets and not given:
            raise ConfigError("search.datasets has no effect where nothing is compared: add search.compare=<group>")
        several = len(self.datasets) != 1 and len(set(self.datasets)) == len(self.datasets)
        require(several, "search.datasets", "must name two data sets or more, each once", self.datasets)
        if given and self.depends:
            patience = f"search.patience={self.patience}" if self.patience and not self.learns else ""
            how = f"search.pruner={self.pruner}" if self.prunes else patience or f"search={self.kind}"
            raise ConfigError(
                f"search.{given[0]} needs trials that do not depend on each other, and {how} makes them: use "
                "search=random or search=qmc without a pruner"
            )
        for key in ("timeout", "enqueue", "enqueue_from"):
            if given and getattr(self, key):
                raise ConfigError(
                    f"search.{given[0]} needs equally many drawn trials of each level, which search.{key} prevents"
                )

    @property
    def own_metric(self) -> bool:
        """Whether the metric is the user's own, named by an import path."""
        return IMPORT_PATH.holds(self.metric)

    @property
    def own_code(self) -> dict[str, str]:
        """Import paths of metric, pruner and sampler by key, without those of scikit-learn and Optuna."""
        paths = {f"search.{key}": getattr(self, key) for key in self.imported}
        installed = ("optuna", "sklearn")
        return {key: p for key, p in paths.items() if IMPORT_PATH.holds(p) and p.partition(".")[0] not in installed}

    def chosen(self, group: str) -> list[str]:
        """The options of a group that trials may take; empty if the group does not vary."""
        return getattr(self.choose, group) or []

    def compared_options(self, group: str, known: Sequence[str]) -> list[str]:
        """The options of a compared group: those of `choose`, else all that are known but `custom`."""
        return self.chosen(group) or [option for option in known if option != "custom"]  # which code is unknown

    @property
    def compares(self) -> bool:
        """Whether levels are compared."""
        return bool(self.compare or self.levels or self.cross)

    @property
    def compared(self) -> set[str]:
        """The groups that levels differ in."""
        return compared_groups({"compare": self.compare, "levels": self.levels, "cross": self.cross})

    @property
    def prunes(self) -> bool:
        """Whether trials may be pruned."""
        return self.pruner != "none"

    @property
    def cohort_size(self) -> int | None:
        """Number of trials of a cohort; None if trials are independent."""
        return self.cohort or COHORT if self.prunes or self.learns or self.patience else None

    @property
    def timeout_s(self) -> float | None:
        """`timeout` in seconds."""
        return None if self.timeout is None else _seconds(self.timeout)

    @property
    def depends(self) -> bool:
        """Whether trials, or how many there are, depend on the results of others."""
        return self.cohort_size is not None

    def portions(self, trials: int) -> list[int]:
        """Sizes of the cohorts of a sweep; trials depend only on earlier cohorts and their own."""
        size = self.cohort_size or max(1, trials)
        return [min(size, trials - start) for start in range(0, trials, size)]

    def rungs_below(self, epochs: int) -> list[int]:
        """Epochs of the rungs of trials with this many epochs; empty without a pruner."""
        if not self.prunes:
            return []
        powers = itertools.takewhile(lambda rung: 2 * rung <= epochs, (REDUCTION**i for i in itertools.count()))
        return list(powers) if self.rungs is None else self.rungs


@dataclass(kw_only=True, slots=True)
class Round:
    """A round of a coarse-to-fine search."""

    trials: Annotated[int, at_least(2), "trials of the round"]
    epochs: Annotated[int, at_least(1), "epochs of each of them"]

    def __post_init__(self) -> None:
        check_bounds(self, "search.rounds: ")


@dataclass(kw_only=True, slots=True)
class CoarseToFine(Search):
    """Rounds of short trainings, each of which narrows the space of the next, then trainings of `training.epochs`."""

    rounds: Annotated[list[Round], "short rounds before the long one, each narrows the space of the next"]

    def __post_init__(self) -> None:
        super(CoarseToFine, self).__post_init__()
        require(bool(self.rounds), "search.rounds", "must hold at least one round", self.rounds)
        epochs = [each.epochs for each in self.rounds]
        require(epochs == sorted(epochs), "search.rounds", "must not get shorter", epochs)
        if self.prunes:
            raise ConfigError(f"search.pruner={self.pruner} and search=coarse_to_fine both end trials early: drop one")
        for key in ("patience", "enqueue", "enqueue_from"):
            if value := getattr(self, key):
                raise ConfigError(
                    f"search.{key}={value} cannot be given with search=coarse_to_fine: drop one of the two"
                )

    @property
    def depends(self) -> bool:
        """Always true, since each round narrows the space of the next."""
        return True

    def portions(self, trials: int) -> list[int]:
        """Sizes of the rounds and of the rest."""
        sizes = [each.trials for each in self.rounds]
        starts = [start for start in itertools.accumulate(sizes, initial=0) if start < trials]
        return [min(size, trials - start) for size, start in zip([*sizes, trials], starts, strict=False)]

    def round_of(self, k: int) -> int:
        """Number of the round of a trial, from 0; those after `rounds` have the next number."""
        ends = itertools.accumulate(each.trials for each in self.rounds)
        return sum(k >= end for end in ends)


@dataclass(kw_only=True, slots=True)
class AdaptiveSearch(Search):
    """The tree-structured Parzen estimator (TPE): each cohort learns from the scores of those before."""

    learns: ClassVar[bool] = True
    startup: Annotated[int, at_least(1), "trials that are drawn at random, as by search=random, before it learns"]

    @property
    def begins(self) -> int:
        """Number of the first trial that is drawn by what was learned."""
        return max(self.startup, len(self.enqueue))


@dataclass(kw_only=True, slots=True)
class OptunaSearch(AdaptiveSearch):
    """Any sampler of Optuna's kind, by its import path: each cohort learns from the scores of those before."""

    imported: ClassVar[tuple[str, ...]] = ("metric", "pruner", "sampler")
    sampler: Annotated[str, "sampler of Optuna's kind, as package.module:Class"]
    sampler_options: Annotated[dict[str, Any], "keyword arguments of the sampler, such as {popsize: 8}"]

    def __post_init__(self) -> None:
        super(OptunaSearch, self).__post_init__()
        name = self.sampler.rpartition(".")[2]
        hint = f"; Optuna's read as optuna.samplers:{name}, with a colon" if ":" not in self.sampler else ""
        if not IMPORT_PATH.holds(self.sampler):
            raise ConfigError(f"search.sampler {IMPORT_PATH.rule}, got {self.sampler!r}{hint}")
        require_kwargs("search.sampler_options", self.sampler_options)


GROUPS = (
    OptionGroup(
        name="evaluation", in_design=True, confounds=True,
        kinds={
            "holdout": Holdout, "kfold": KFold, "stratified_kfold": StratifiedKFold, "repeated_kfold": RepeatedKFold,
            "loocv": Evaluation, "time_series": TimeSeries, "truth_table": Evaluation,
        },
    ),
    OptionGroup(
        name="search",
        kinds={
            "random": Search, "qmc": Search, "tpe": AdaptiveSearch, "optuna": OptunaSearch,
            "coarse_to_fine": CoarseToFine,
        },
    ),
)  # fmt: skip
