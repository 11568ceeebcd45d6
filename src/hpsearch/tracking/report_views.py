"""Who has looked at which retrainings, and when: kept with the run of a sweep, so that all who share a store know."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpsearch.tracking.client import Store
from hpsearch.tracking.runs import Role, SweepRun

if TYPE_CHECKING:
    from mlflow.entities import Run

LOOK = "look."
"""Beginning of the tags of a sweep's run that say when retrainings, by digest, were first shown, and after which.

A tag for each look: what two reports write at once is not lost, and no tag grows beyond what MLflow keeps.
"""

MOST = 200
"""Earlier looks that are kept with one: more than anyone takes, and less than a tag holds."""

QUESTION = "question"
"""Tag: a digest that comparisons of the same question share."""

ASKED = "asked"
"""Tag: what a comparison judges its answer by, as JSON."""


@dataclass(frozen=True, slots=True)
class ReportView:
    """The first time that a report has shown a set of retrainings.

    Attributes:
        digest: Of the retrainings.
        at_ms: Milliseconds since 1970.
        before: Digests of other retrainings of the same question that had been shown by then.
    """

    digest: str
    at_ms: int
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RelatedSweep:
    """A comparison that has put a question.

    Attributes:
        name: Of its sweep.
        run_id: Its run.
        asked: What it judges the answer by.
        looks: At its retrainings, oldest first.
    """

    name: str
    run_id: str
    asked: Mapping[str, Any]
    looks: tuple[ReportView, ...]


def question_tags(question: str, asked: Mapping[str, Any]) -> dict[str, str]:
    """What the run of a comparison says about its question."""
    return {QUESTION: question, ASKED: json.dumps(asked, sort_keys=True)}


class ReportViews:
    """The looks that were taken at the sweeps of one tracking store.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, sweep: SweepRun) -> tuple[ReportView, ...]:
        """Those at a sweep, oldest first."""
        return _looks(self._store.run(sweep.run_id))

    def note(self, sweep: SweepRun, look: ReportView) -> None:
        """Adds a look, unless the same retrainings were shown before."""
        if look.digest not in {known.digest for known in self.of(sweep)}:
            told = json.dumps([look.at_ms, *look.before[-MOST:]])
            self._store.log(sweep.run_id, tags={f"{LOOK}{look.digest}": told})

    def askers(self, question: str, digest: str) -> list[RelatedSweep]:
        """The comparisons of this store that have put a question, or have shown these retrainings, oldest first.

        Args:
            question: Its digest.
            digest: Of retrainings; empty for none.
        """
        experiments, parents = self._store.active(), f"tags.role = '{Role.PARENT}'"
        clauses = [f"{parents} and tags.{QUESTION} = '{question}'"]
        clauses += [f"{parents} and tags.`{LOOK}{digest}` LIKE '%'"] if digest else []
        found = {run.info.run_id: run for clause in clauses for run in self._store.search(experiments, clause)}
        ordered = sorted(found.values(), key=lambda run: (run.info.start_time, run.info.run_id))
        return [_asker(run) for run in ordered if ASKED in run.data.tags]


def _asker(run: "Run") -> RelatedSweep:
    tags = run.data.tags
    return RelatedSweep(tags["sweep"], str(run.info.run_id), json.loads(tags[ASKED]), _looks(run))


def _looks(run: "Run") -> tuple[ReportView, ...]:
    told = {key.removeprefix(LOOK): json.loads(text) for key, text in run.data.tags.items() if key.startswith(LOOK)}
    found = [ReportView(digest, int(at_ms), tuple(before)) for digest, (at_ms, *before) in told.items()]
    return tuple(sorted(found, key=lambda look: (look.at_ms, look.digest)))
