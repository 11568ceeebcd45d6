"""Formatting of scores, with the name and sign of their metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hpsearch.config import Config
from hpsearch.data.dataset import Rows
from hpsearch.data.splits import split_sizes
from hpsearch.formatting import show_like, show_score
from hpsearch.metrics import ACCURACY, LABEL_MACRO_F1, MAE, R2, SUBSET_ACCURACY, Metric
from hpsearch.records import Baseline, TrialResult
from hpsearch.scoring.own_metric import metric_of


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a sweep.

    Higher scores are better, so the score of a loss or error is minus the metric. Users see the metric itself.

    Attributes:
        metric: The metric of the score.
        share_of: Number of `val` rows that it is a share of; None for other metrics, or if the rows are no sample.
        report: The metrics on `report` rows in the closing table.
    """

    metric: Metric
    share_of: int | None
    report: tuple[Metric, ...]

    @classmethod
    def of(cls, config: Config, development: Rows) -> Self:
        """The score of a sweep on this data."""
        metric = metric_of(config.search, classes=development.classes > 0, labels=config.multilabel)
        is_share = metric.is_share and config.evaluation.kind != "truth_table"
        is_known = development.groups is None and development.times is None  # else the number of rows is not
        share_of = split_sizes(config.evaluation, development.n).val if is_share and is_known else None
        numbers = (metric, LABEL_MACRO_F1, SUBSET_ACCURACY) if config.multilabel else (metric, R2, MAE)
        quoted = (ACCURACY, metric) if development.classes else numbers
        return cls(metric, share_of, tuple(dict.fromkeys(quoted)))

    @property
    def name(self) -> str:
        """The metric with the kind of its rows."""
        return f"val/{self.metric}"

    @property
    def signed(self) -> str:
        """The score itself, with a minus sign if a lower metric is better."""
        return f"-{self.name}" if self.metric.lower_is_better else self.name

    @property
    def negated(self) -> bool:
        """Whether the score is minus the metric."""
        return self.metric.lower_is_better

    def show(self, score: float | None, se: float | None) -> str:
        """The metric of a score, with its standard error."""
        return show_score(None if score is None else self.metric.score(score), se, self.share_of)

    def show_mean(self, score: float, se: float | None) -> str:
        """The mean of several scores, with the standard error of the mean."""
        return show_score(self.metric.score(score), se)


def compare_with_baselines(
    score: Score, baselines: Sequence[Baseline], best: tuple[str, TrialResult] | None, trials: int
) -> tuple[str, str]:
    """Return what baselines and the best trial get on the same rows, and what follows if it is not ahead of one.

    Report rows are quoted where there are any.

    Args:
        score: The score.
        baselines: The baselines, at least one.
        best: Name and result of the best trial; None if none counts.
        trials: Number of trials.

    Returns:
        Two sentences, the second without a full stop, and empty if the trial is ahead or there is none.
    """
    metric, quoted = score.metric, f"report/{score.metric}"
    quoting = all(metric.name in each.report for each in baselines)
    values = {each.label: each.report[metric.name] if quoting else metric.score(each.score) for each in baselines}
    error = None if best is None else best[1].score_se
    told = ", ".join(f"{label} {show_like(value, error)}" for label, value in values.items())
    beside = f"On the same rows by {quoted if quoting else score.name}: {told}"
    if best is None:
        return f"{beside}.", ""
    name, result = best
    own = result.summary[quoted] if quoting else metric.score(result.score or 0.0)
    flattered = "" if quoting or trials == 1 else f", the best of {trials}, which flatters it"
    sentence = f"{beside}; trial {name} has {show_like(own, error)}{flattered}."
    ahead = max(values, key=lambda label: metric.score(values[label]))
    if metric.score(values[ahead]) < metric.score(own):
        return sentence, ""
    gap = abs(values[ahead] - own)
    how = f"behind {ahead} by {show_like(gap, error)}" if gap > (error or 0.0) else f"no better than {ahead}"
    return sentence, f"trial {name}, the best network, is {how}: so far a network does not pay off"
