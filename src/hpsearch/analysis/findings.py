"""What a report says: every number of it, in the order of its sections. Pages and figures read nothing else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import numpy as np

from hpsearch.analysis.comparison.calibrated_losses import Calibrated
from hpsearch.analysis.comparison.outcomes import Failures
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.budget_comparison import BudgetComparison
from hpsearch.analysis.exploration.findings import Interval, SearchSummary
from hpsearch.analysis.exploration.tuning_ease import TuningEase
from hpsearch.analysis.test_set_results import ShippedPair, Tested


class Action(StrEnum):
    """What a gate does."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    DOWNGRADE = "downgrade"
    REFUSE = "refuse"


class Rule(StrEnum):
    """The rules of honesty: the code that a report names each by, and what it demands."""

    demand: str

    NO_TEST_NUMBERS = "R01", "no test number before the final evaluation"
    INDEPENDENT_DRAWS = "R02", "order statistics of independent draws only"
    NO_PRUNING = "R03", "no pruning that depends on other trials"
    EQUAL_EFFORT = "R04", "equally many trials, epochs and data for each level"
    ENOUGH_TRIALS = "R05", "at least 20 trials for each level"
    FRESH_SEEDS = "R06", "confirm seeds are fresh"
    ENOUGH_SEEDS = "R07", "enough seeds for a claim to be possible"
    NO_MISSING_PAIR = "R08", "no pair is missing"
    LEVELS_OTHERWISE_ALIKE = "R09", "levels differ in what is compared alone"
    COMPARABLE_LOSSES = "R10", "no loss values across losses"
    CORRECTED_FOLD_ERROR = "R11", "no naive error of folds"
    NO_RANKING = "R12", "no ranking while there are several contenders"
    ENOUGH_FOR_IMPORTANCE = "R13", "enough trials for importance"
    SINGLE_OPENING = "R14", "the test set is opened once"
    ONE_DATA_SET = "R15", "nothing is said about other data sets"
    NO_SECONDS = "R16", "no seconds across machines"
    INSIDE_ITS_RANGE = "R17", "the recipe lies inside of its range"
    SPECIAL_CASE_INCLUDED = "R18", "a general optimizer includes its special case"
    UNCHANGED_DESIGN = "R19", "metric, δ, \N{GREEK SMALL LETTER ALPHA} and levels as before the first look"
    NOTHING_ADDED = "R20", "no seeds or trials added after a look"
    ABOVE_NOISE = "R21", "the search found something above noise"
    QUASI_RANDOM_NAMED = "R22", "quasi-random draws are named"
    SHUFFLED_PARTS = "R23", "the parts of the data are shuffled"

    def __new__(cls, code: str, demand: str) -> Self:
        """The code is its value, and what it is equal to, sorted by and shown as."""
        rule = str.__new__(cls, code)
        rule._value_, rule.demand = code, demand
        return rule

    def holds(self, reason: str, level: str | None = None) -> "RuleResult":
        """Nothing is wrong."""
        return RuleResult(self, Action.PASS, reason, level=level)

    def warns(self, reason: str, fix: str = "", level: str | None = None) -> "RuleResult":
        """What is found is told, and forbids nothing."""
        return RuleResult(self, Action.WARN, reason, fix, level)

    def weakens(self, reason: str, fix: str = "", level: str | None = None) -> "RuleResult":
        """What is found allows weaker words only."""
        return RuleResult(self, Action.DOWNGRADE, reason, fix, level)

    def refuses(self, reason: str, fix: str = "", level: str | None = None) -> "RuleResult":
        """What is found forbids to say what the rule is about."""
        return RuleResult(self, Action.REFUSE, reason, fix, level)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule of honesty, and whether it holds.

    Attributes:
        rule: Which.
        action: What it does to the report.
        reason: What was found, in a sentence.
        fix: The override or command that would satisfy it; empty where nothing would, or it passes.
        level: The level that it is about; None: the report as a whole.
    """

    rule: Rule
    action: Action
    reason: str
    fix: str = ""
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of the answer box.

    Attributes:
        status: `claim`, `equivalent`, `inconclusive`, `refused`, `exploratory`, or `scope`: what the others apply to.
        sentence: What may be said.
    """

    status: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A level's frozen recipe on fresh seeds.

    Attributes:
        n: Seeds with a score, those that diverged among them.
        failed: Seeds that diverged.
        mean: Mean score on the report rows; NaN where a rule refuses it.
        sd: Standard deviation over seeds; NaN for one seed, and without a mean.
        interval: 95 % t interval of the mean over seeds (corrected for overlap under K-fold); NaN where `sd` is.
        optimism: Search score on `val` minus this mean.
        to_target: Median epoch at which the target was reached, and the hit rate with its Wilson interval.
        refused: The rules that leave no mean: a seed diverged (R08), or is not fresh (R06).
        failures: Seeds that diverged, stalled or collapsed.
        typical: Mean without the seeds that failed, if these are at most half of them; otherwise `mean`.
        around: Its 95 % interval.
    """

    n: int
    failed: int
    mean: float
    sd: float
    interval: Interval
    optimism: float
    to_target: tuple[float, float, float, float] | None = None
    refused: tuple[Rule, ...] = ()
    failures: Failures = field(default_factory=lambda: Failures(0))
    typical: float = math.nan
    around: Interval = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of frozen recipes, a minus b.

    Numbers that do not exist are NaN, both ends of an interval alike: no mean difference where a run diverged, no
    intervals and no p with too few seeds, nothing where a gate forbids to compare. A pair that is refused by R17 or R18
    has all its numbers: they are found, but no claim may be made of them.

    Attributes:
        a: A level.
        b: Another level, or the control.
        n: Common pairing keys.
        dropped: Keys that only one of them has.
        differences: (n,) by key; infinite where one of the two diverged, 0 where both did.
        diff: Their mean; where seeds stalled or collapsed, as an exception, that of those on which both trained.
        ci: 95 % interval of its own.
        ci_sim: Interval adjusted for all comparisons: it excludes 0 exactly where `p_adjusted` is at most alpha.
        ci_images: Simultaneous interval over seeds and images (S-12); None without bitmaps.
        seed_part: Variance that comes from seeds; NaN if not known.
        image_part: Variance that comes from images.
        p: Sign-flip p, on ranks where a run diverged; of the corrected t test under K-fold.
        p_adjusted: Adjusted for all comparisons.
        p_holm: Adjusted by Holm, which is at least as large.
        superiority: P(a > b) over pairs.
        needed: Seeds for 80 % power at delta, or at the observed difference without delta; None if not computable.
        state: A `verdicts.State`.
        claim: A `verdicts.ClaimKind`.
        sentence: What may be said.
        refused: The rules that forbid a comparison of means; empty if none does.
        compared: Keys, or folds, that `diff`, `ci`, `p` and `needed` are made from.
        mean: Mean difference of all keys; NaN where one diverged.
        p_reliability: Of signed ranks with seeds that failed as the lowest, adjusted; NaN where none failed.
        failed: How many seeds of `a` and of `b` failed, common or not; None if that is not known.
    """

    a: str
    b: str
    n: int
    dropped: int
    differences: np.ndarray
    diff: float
    ci: Interval
    ci_sim: Interval
    ci_images: Interval | None
    seed_part: float
    image_part: float
    p: float
    p_adjusted: float
    p_holm: float
    superiority: float
    needed: int | None
    state: str
    claim: str
    sentence: str
    refused: tuple[Rule, ...] = ()
    compared: int = 0
    mean: float = math.nan
    p_reliability: float = math.nan
    failed: tuple[Failures, Failures] | None = None


@dataclass(frozen=True, slots=True)
class TimeRatio:
    """How much sooner one recipe reaches the target than another (S-20).

    Attributes:
        a: A level.
        b: Another, or the control.
        n: Common pairing keys.
        ratio: Median epochs of a over those of b; NaN where half of the seeds of both never reach the target.
        low: Lower end of the 95 % interval by resampling pairs.
        high: Upper end; infinite where that cannot be told.
    """

    a: str
    b: str
    n: int
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TargetEpochs:
    """When the fresh seeds of a level reach the target that all levels share.

    Attributes:
        level: Its name.
        epochs: (S,) first epoch of each seed, from 1; infinite where it never does.
        median: Median of these.
    """

    level: str
    epochs: tuple[float, ...]
    median: float


@dataclass(frozen=True, slots=True)
class Speed:
    """How soon levels reach a target on `val` rows (S-20).

    Attributes:
        target: Score, higher is better.
        last: Epochs of the longest training.
        levels: The soonest first; without levels whose retrainings have no curves.
        sentence: The answer in a sentence.
    """

    target: float
    last: int
    levels: tuple[TargetEpochs, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Variation:
    """Something that could be another one, and might turn the order.

    Attributes:
        what: `seeds`, `images from the same source` …
        varied: Whether it was varied.
        found: What that shows, or what stays unknown.
        method: How it is computed; empty if it is counted, or not at all.
    """

    what: str
    varied: bool
    found: str
    method: str = ""


@dataclass(frozen=True, slots=True)
class OrderStability:
    """Whether the order of the levels holds.

    Attributes:
        sentence: For fresh seeds, in a sentence.
        variations: What could be another one.
    """

    sentence: str
    variations: tuple[Variation, ...]


@dataclass(frozen=True, slots=True)
class Flip:
    """A ranking that turns with the budget.

    Attributes:
        a: Ahead at the smaller budget.
        b: Ahead at the larger one.
        small: The smaller budget, trials.
        large: The larger one.
        at_small: Difference a - b there, with its simultaneous interval.
        at_large: The same at the larger budget.
    """

    a: str
    b: str
    small: int
    large: int
    at_small: tuple[float, float, float]
    at_large: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Factorial:
    """A 2 x 2 design (S-19).

    Attributes:
        factors: The two factors.
        values: Their two values each: `(("no", "yes"), ("no", "yes"))`.
        cells: (value of the first, value of the second) to (level, mean).
        simple: Sentences of the simple effects: factor, at which value of the other, difference, interval.
        interaction: The contrast with its interval.
        main_effects: Whether they may be stated.
    """

    factors: tuple[str, str]
    values: tuple[tuple[str, str], tuple[str, str]]
    cells: Mapping[tuple[str, str], tuple[str, float]]
    simple: tuple[tuple[str, str, float, Interval], ...]
    interaction: tuple[float, float, float]
    main_effects: bool


@dataclass(frozen=True, slots=True)
class Hint:
    """What the linter noticed about the search, and the overrides of the next round.

    Attributes:
        code: Short name of the rule: `boundary`, `few_good`, `still_improving`, `overfitting`, `infeasible`,
            `duplicates`, `exhausted`.
        level: The level.
        sentence: What was found.
        overrides: For the next round, as they are typed; empty if there is nothing to change.
    """

    code: str
    level: str
    sentence: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """One option beside the others. Scores are higher where better; NaN or None where there is none.

    Attributes:
        level: The option.
        n: Fresh seeds with a result.
        mean: Mean score on fresh seeds.
        interval: Its 95 % interval.
        typical: Mean of the seeds that trained, if at most half of them failed; otherwise `mean`.
        around: Its 95 % interval.
        failures: How many fresh seeds failed, and how.
        worst: Score of the worst seed; minus infinity if a seed diverged.
        letters: Options that share a letter are not separated; empty unless all pairs are compared.
        behind: With the confidence of the report, its mean lies at most so far behind that of the best option.
        failed: Trials of the search that diverged or learned nothing.
        trials: Trials of the search.
        failed_seeds: Fresh seeds that diverged.
        untuned: Score of the default recipe.
        after_one: Expected score of a single trial.
        after_few: Expected score of the selected one of 5 trials.
        after_more: The same of 20 trials.
        good: Share of the trials within delta of the recipe's score.
        main: The value that matters most, and its smallest and largest value among these trials.
        recipe: Number of the trial whose recipe was retrained.
        drawn: What that trial drew.
    """

    level: str
    n: int
    mean: float
    interval: Interval
    typical: float
    around: Interval
    failures: Failures
    worst: float
    letters: str
    behind: float
    failed: int
    trials: int
    failed_seeds: int
    untuned: float
    after_one: float
    after_few: float
    after_more: float
    good: float
    main: tuple[str, float, float] | None
    recipe: int | None
    drawn: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Headline:
    """What a person needs first.

    Attributes:
        status: `claim`, `equivalent`, `inconclusive`, `refused` or `exploratory`.
        sentence: What to use, how sure that is, and what to avoid.
        settle: What would settle what is open; empty if nothing is, or nobody knows.
        command: That does so; empty if none is known.
        cost: What the answer has cost.
        standings: Every option, the highest mean first.
    """

    status: str
    sentence: str
    settle: str
    command: str
    cost: str
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a report says.

    Attributes:
        evidence: What it was made from.
        looks: How many distinct sets of confirm records were shown, this one included.
        answers: The answer box, line by line.
        gates: Every rule, whether it holds or not.
        explored: By level.
        best_probability: Budget k to (J,) probabilities that a level is the best at it, in the order of the levels,
            with lower and upper ends: each value is a (3, J) array of estimate, low, high (NaN beyond claims).
        flips: Rankings that turn with the budget.
        confirmed: By level, for levels that have retrainings.
        pairs: The comparisons of the family.
        contenders: Levels that no other level is claimed to beat; alphabetical.
        time_ratios: Of the comparisons of the family that may be made and have a target.
        factorial: None unless the levels are a 2 x 2 design with scores enough.
        hints: Of the linter.
        limits: What was not varied, sentence by sentence.
        digest: Of the confirm records that are shown.
        seed: Of every bootstrap.
        notes: Further lines for the appendix.
        calibrated: Log losses of calibrated probabilities; None unless levels differ in their loss.
        no_effects: Why a 2 x 2 design has no `factorial`; empty where it has one, and for other designs.
        tested: Of each row of `evidence.tests`, the errors of its numbers.
        shipped: Every two shipped models on the same test rows.
        headline: The first screen; None where there is one level.
        at_budget: Which level is ahead at which budget; None where no order statistic exists or compares them.
        tuning_ease: How easily each level is tuned; None without a search.
        speed: How soon levels reach a common target; None where no target or no curve is known.
        stability: Whether the order of the levels holds for what could be another one.
        mechanism: What signals tell of each level, in words; empty without any.
    """

    evidence: Evidence
    looks: int
    answers: tuple[Answer, ...]
    gates: tuple[RuleResult, ...]
    explored: Mapping[str, SearchSummary]
    best_probability: Mapping[int, np.ndarray]
    flips: tuple[Flip, ...]
    confirmed: Mapping[str, Confirmed]
    pairs: tuple[Pair, ...]
    contenders: tuple[str, ...]
    factorial: Factorial | None
    hints: tuple[Hint, ...]
    limits: tuple[str, ...]
    digest: str
    seed: int
    notes: Mapping[str, str] = field(default_factory=dict)
    time_ratios: tuple[TimeRatio, ...] = ()
    calibrated: Calibrated | None = None
    no_effects: str = ""
    tested: tuple[Tested, ...] = ()
    shipped: tuple[ShippedPair, ...] = ()
    headline: Headline | None = None
    at_budget: BudgetComparison | None = None
    tuning_ease: TuningEase | None = None
    speed: Speed | None = None
    stability: OrderStability | None = None
    mechanism: str = ""
