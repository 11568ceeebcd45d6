"""What the scores of a sweep measure, and how one is written: under the name and in the sign of its metric."""

from dataclasses import dataclass
from typing import Self

from hpsearch.config import Config
from hpsearch.data.dataset import Rows
from hpsearch.data.splits import split_sizes
from hpsearch.formatting import show_score
from hpsearch.metrics import ACCURACY, MAE, R2, Metric, metric_of


@dataclass(frozen=True, slots=True)
class Score:
    """What the scores of a sweep measure.

    A score is higher where a trial is better, and so minus the metric for losses and errors. People are shown the
    metric itself, on `val` and `report` rows alike.

    Attributes:
        metric: What they are made of.
        share_of: The `val` rows that it is a share of; None for other metrics, and where they are no sample.
        report: The metrics on `report` rows that the closing table shows.
    """

    metric: Metric
    share_of: int | None
    report: tuple[Metric, ...]

    @classmethod
    def of(cls, config: Config, development: Rows) -> Self:
        """The score of a sweep on these rows."""
        metric = metric_of(config.search.metric, classes=development.classes > 0)
        is_share = metric.is_share and config.evaluation.kind != "truth_table"
        share_of = split_sizes(config.evaluation, development.n).val if is_share else None
        quoted = (ACCURACY, metric) if development.classes else (metric, R2, MAE)
        return cls(metric, share_of, tuple(dict.fromkeys(quoted)))

    @property
    def name(self) -> str:
        """The metric with the rows that it is measured on."""
        return f"val/{self.metric}"

    @property
    def signed(self) -> str:
        """What the score itself is: minus the metric where lower is better."""
        return f"-{self.name}" if self.metric.lower_is_better else self.name

    @property
    def negated(self) -> bool:
        """Whether the score is minus the metric."""
        return self.metric.lower_is_better

    def show(self, score: float | None, se: float | None) -> str:
        """The metric that a score stands for, with its standard error."""
        return show_score(None if score is None else self.metric.score(score), se, self.share_of)

    def show_mean(self, score: float, se: float | None) -> str:
        """The mean of several scores, with the standard error of the mean."""
        return show_score(self.metric.score(score), se)
