"""Options of confirmation, the final evaluation and reports."""

import re
from dataclasses import dataclass
from typing import Annotated

from hpsearch.config.bounds import AUTO, BETWEEN_0_AND_1, EXACT, POSITIVE, NullWord, at_least, check_bounds, require


@dataclass(kw_only=True, slots=True)
class Confirm:
    """Retraining of frozen recipes with fresh seeds: of the champion, and of compared levels."""

    seeds: Annotated[
        int | None,
        at_least(0),
        "fresh seeds that retrain frozen recipes; until_decided: 10, and more for those compared levels that are not "
        "told apart yet",
        NullWord("until_decided"),
    ]
    # Have defaults, since models were stored before the keys existed.
    max_seeds: Annotated[
        int | None, at_least(1), "seeds of a level at which until_decided ends; auto: what the budget allows", AUTO
    ] = None
    budget: Annotated[
        float, POSITIVE, "what until_decided may train, as a share of the epochs of the search; 10 seeds in any case"
    ] = 0.2

    def __post_init__(self) -> None:
        check_bounds(self, "confirm.")


@dataclass(kw_only=True, slots=True)
class Reopen:
    """Acknowledgement of another opening of a test set: its reason and number."""

    reason: str | None
    opening: Annotated[int | None, EXACT]


@dataclass(kw_only=True, slots=True)
class Final:
    """The sweep or run to evaluate on the sealed test set; `epochs` of the refit, null: those of the sweep."""

    sweep: str | None
    run: str | None
    started_by: str | None  # the only sweep that `+sweep=<started_by>` started without `name=`
    epochs: Annotated[int | None, at_least(1)]
    dry_run: bool
    reopen: Reopen
    # Has a default, since models were stored before the key existed.
    retrains: Annotated[int, at_least(0)] = 0

    def __post_init__(self) -> None:
        check_bounds(self, "final.")
        _require_run_id("final.run", "a trial", self.run)


@dataclass(kw_only=True, slots=True)
class Report:
    """The sweep or table of foreign results to report, and the folder of reports."""

    sweep: Annotated[str | None, "name of the sweep; of a leaderboard, one on the split that is meant"]
    started_by: Annotated[str | None, "the only sweep that +sweep=<this> started without name="]
    path: Annotated[str | None, "the table of results that other programs made"]
    metric: Annotated[str | None, "what the scores of the table are; errors and losses come negated"]
    delta: Annotated[float | None, POSITIVE, "smallest difference in the table that matters; null: none is declared"]
    alpha: Annotated[float, BETWEEN_0_AND_1, "error rate of all claims about the table together"]
    control: Annotated[str | None, "level that all others of the table are compared with; null: all pairs"]
    data: Annotated[str | None, "the data set of a leaderboard"]
    directory: Annotated[str, "folder that reports lie in, by the name of the sweep"]
    # Has a default, since models were stored before the key existed.
    run: Annotated[
        str | None, "of several sweeps of one name, as on a shared server: run id of the one that is meant"
    ] = None

    def __post_init__(self) -> None:
        _require_run_id("report.run", "a sweep", self.run)
        check_bounds(self, "report.")


def _require_run_id(key: str, what: str, run: str | None) -> None:
    rule = f"must be the run id of {what}, 32 hexadecimal digits as MLflow shows it"
    require(run is None or bool(re.fullmatch("[0-9a-f]{32}", run)), key, rule, run)
