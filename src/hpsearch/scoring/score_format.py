"""Formatting of scores, with the name and sign of their metric."""

from dataclasses import dataclass
from typing import Self

from hpsearch.config import Config
from hpsearch.data.dataset import Rows
from hpsearch.data.splits import split_sizes
from hpsearch.formatting import show_score
from hpsearch.metrics import ACCURACY, LABEL_MACRO_F1, MAE, R2, SUBSET_ACCURACY, Metric
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
