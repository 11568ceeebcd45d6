"""When reports have first shown which retrainings: stored with the sweep's run, for all users of the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpsearch.tracking.client import Store
from hpsearch.tracking.run_format import Role, SweepRun

if TYPE_CHECKING:
    from mlflow.entities import Run

LOOK = "look."
"""Prefix of the sweep's tags that record when a set of retrainings, named by digest, was first shown. Each view has a
tag of its own, so that concurrent reports do not overwrite each other and no tag grows too long for MLflow."""

MOST = 200
"""Maximum number of earlier views stored with one, so that the tag stays below MLflow's limit."""

QUESTION = "question"
"""Tag: a digest shared by comparisons of the same question."""

ASKED = "asked"
"""Tag: the criteria by which a comparison judges its answer, as JSON."""


@dataclass(frozen=True, slots=True)
class ReportView:
    """The first time that a report has shown a set of retrainings.

    Attributes:
        digest: Digest of the retrainings.
        at_ms: Time, milliseconds since 1970.
        before: Digests of other retrainings of the same question that had been shown by then.
    """

    digest: str
    at_ms: int
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RelatedSweep:
    """A comparison that asks a given question.

    Attributes:
        name: Name of its sweep.
        run_id: Its run.
        asked: The criteria by which it judges the answer.
        looks: Views of its retrainings, oldest first.
    """

    name: str
    run_id: str
    asked: Mapping[str, Any]
    looks: tuple[ReportView, ...]


def question_tags(question: str, asked: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags by which the run of a comparison records its question."""
    return {QUESTION: question, ASKED: json.dumps(asked, sort_keys=True)}


class ReportViews:
    """The views recorded for the sweeps of one tracking store.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, sweep: SweepRun) -> tuple[ReportView, ...]:
        """Return the views of a sweep's retrainings, oldest first."""
        return _looks(self._store.run(sweep.run_id))

    def note(self, sweep: SweepRun, look: ReportView) -> None:
        """Record a view, unless the same retrainings were shown before."""
        if look.digest not in {earlier.digest for earlier in self.of(sweep)}:
            text = json.dumps([look.at_ms, *look.before[-MOST:]])
            self._store.log(sweep.run_id, tags={f"{LOOK}{look.digest}": text})

    def askers(self, question: str, digest: str) -> list[RelatedSweep]:
        """Return the comparisons of this store that ask a question or have shown these retrainings, oldest first.

        Args:
            question: Digest of the question.
            digest: Digest of the retrainings; empty for none.
        """
        experiments, parents = self._store.active(), f"tags.role = '{Role.PARENT}'"
        clauses = [f"{parents} and tags.{QUESTION} = '{question}'"]
        clauses += [f"{parents} and tags.`{LOOK}{digest}` LIKE '%'"] if digest else []
        runs = {run.info.run_id: run for clause in clauses for run in self._store.search(experiments, clause)}
        ordered = sorted(runs.values(), key=lambda run: (run.info.start_time, run.info.run_id))
        return [_asker(run) for run in ordered if ASKED in run.data.tags]


def _asker(run: "Run") -> RelatedSweep:
    tags = run.data.tags
    return RelatedSweep(tags["sweep"], str(run.info.run_id), json.loads(tags[ASKED]), _looks(run))


def _looks(run: "Run") -> tuple[ReportView, ...]:
    views = {key.removeprefix(LOOK): json.loads(text) for key, text in run.data.tags.items() if key.startswith(LOOK)}
    looks = [ReportView(digest, int(at_ms), tuple(before)) for digest, (at_ms, *before) in views.items()]
    return tuple(sorted(looks, key=lambda look: (look.at_ms, look.digest)))
