"""Trials as the rows that the terminal shows."""

from collections.abc import Sequence

from hpsearch import metrics
from hpsearch.formatting import show_like, show_number
from hpsearch.records import R2, Status
from hpsearch.scoring.score import Score
from hpsearch.store.champion_selection import rounds_epochs
from hpsearch.store.record_json import Record
from hpsearch.terminal.console import Row


def rows_of(score: Score, records: Sequence[Record]) -> list[Row]:
    """What the terminal shows of all trials: with their epochs where these differ, as those of rounds do."""
    epochs = {_epochs_run(record) for record in records if _is_scored(record)}
    return [row_of(score, record, epochs=len(epochs) > 1) for record in records]


def row_of(score: Score, record: Record, *, epochs: bool = False) -> Row:
    """What the terminal shows of a trial, and for how many epochs it was trained."""
    result = record.result
    shown = "" if result.score is None else score.show(result.score, result.score_se)
    if result.status is Status.PRUNED:
        shown = f"pruned, epoch {_epochs_run(record)}"
    more = _more(score, record, epochs=epochs)
    rank = rounds_epochs(record)
    return Row(record.level, record.k, result.status, result.score, shown, more, record.values, rank)


def _more(score: Score, record: Record, *, epochs: bool) -> dict[str, str]:
    """Further columns of the table, the most important first: what is to be quoted."""
    summary, more = record.result.summary, {}
    for metric in score.report:
        if f"report/{metric}" in summary:
            error = record.result.score_se if metric == score.metric else None
            more[f"report/\n{metric}"] = show_like(summary[f"report/{metric}"], error)
    if R2 in summary and "report/r2" not in summary and score.metric != metrics.R2:
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
