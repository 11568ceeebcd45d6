"""How the scores of a sweep are shown: under the name and in the sign of their metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hpsearch.config import Config
from hpsearch.data.dataset import Rows
from hpsearch.data.splits import split_sizes
from hpsearch.formatting import show_like, show_number, show_score
from hpsearch.records import R2, Status
from hpsearch.scoring.metrics import LOWER_IS_BETTER, metric_name, to_score
from hpsearch.store.record_json import Record
from hpsearch.store.selection import rounds_epochs
from hpsearch.terminal.console import Row


@dataclass(frozen=True, slots=True)
class Score:
    """What the scores of a sweep measure.

    A score is higher where a trial is better, and so minus the metric for losses and errors. People are shown the
    metric itself, on `val` and `report` rows alike.

    Attributes:
        metric: Such as `accuracy`.
        share_of: The `val` rows that it is a share of; None for other metrics, and where they are no sample.
        report: The metrics on `report` rows that the closing table shows.
    """

    metric: str
    share_of: int | None
    report: tuple[str, ...]

    @classmethod
    def of(cls, config: Config, development: Rows) -> Self:
        """The score of a sweep on these rows."""
        metric = metric_name(config.search.metric, classes=development.classes > 0)
        is_share = metric == "accuracy" and config.evaluation.kind != "truth_table"
        share_of = split_sizes(config.evaluation, development.n).val if is_share else None
        quoted = ("accuracy", metric) if development.classes else (metric, "r2", "mae")
        return cls(metric, share_of, tuple(dict.fromkeys(quoted)))

    @property
    def name(self) -> str:
        """The metric with the rows that it is measured on."""
        return f"val/{self.metric}"

    @property
    def signed(self) -> str:
        """What the score itself is: minus the metric where lower is better."""
        return f"-{self.name}" if self.metric in LOWER_IS_BETTER else self.name

    @property
    def negated(self) -> bool:
        """Whether the score is minus the metric."""
        return self.metric in LOWER_IS_BETTER

    def show(self, score: float | None, se: float | None) -> str:
        """The metric that a score stands for, with its standard error."""
        return show_score(None if score is None else to_score(self.metric, score), se, self.share_of)

    def show_mean(self, score: float, se: float | None) -> str:
        """The mean of several scores, with the standard error of the mean."""
        return show_score(to_score(self.metric, score), se)

    def rows(self, records: Sequence[Record]) -> list[Row]:
        """What the terminal shows of all trials: with their epochs where these differ, as those of rounds do."""
        epochs = {_epochs_run(record) for record in records if _is_scored(record)}
        return [self.row(record, epochs=len(epochs) > 1) for record in records]

    def row(self, record: Record, *, epochs: bool = False) -> Row:
        """What the terminal shows of a trial, and for how many epochs it was trained."""
        result = record.result
        shown = "" if result.score is None else self.show(result.score, result.score_se)
        if result.status is Status.PRUNED:
            shown = f"pruned, epoch {_epochs_run(record)}"
        more = self._more(record, epochs=epochs)
        rank = rounds_epochs(record)
        return Row(record.level, record.k, result.status, result.score, shown, more, record.values, rank)

    def _more(self, record: Record, *, epochs: bool) -> dict[str, str]:
        """Further columns of the table, the most important first: what is to be quoted."""
        summary, more = record.result.summary, {}
        for name in self.report:
            if f"report/{name}" in summary:
                error = record.result.score_se if name == self.metric else None
                more[f"report/\n{name}"] = show_like(summary[f"report/{name}"], error)
        if R2 in summary and "report/r2" not in summary and self.metric != "r2":
            more["val/\nr2"] = show_number(summary[R2])
        if epochs and record.config_tree["training"]["patience"] is None and _is_scored(record):
            more["epochs"] = str(_epochs_run(record))
        if record.config_tree["training"]["patience"] is not None and record.result.score is not None:
            more["epochs\nkept"] = _epochs(record)
        return more


def _is_scored(record: Record) -> bool:
    """Whether it has a score of a whole training."""
    return record.result.score is not None and record.result.status is not Status.PRUNED


def _epochs(record: Record) -> str:
    """`12 of 17`: the epoch whose weights were kept, and how many were run; of several fits, the range and the most."""
    kept, run = record.result.chosen_epochs, _epochs_run(record)
    first, last = min(kept), max(kept)
    return f"{first} of {run}" if first == last else f"{first} to {last} of {run}"


def _epochs_run(record: Record) -> int:
    return len(record.result.curves["train/loss"])
