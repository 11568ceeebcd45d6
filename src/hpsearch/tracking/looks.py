"""Who has looked at which retrainings, and when: kept with the run of a sweep, so that all who share a store know."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpsearch.tracking.runs import Role, SweepRun
from hpsearch.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

LOOKS = "looks"
"""Tag of a sweep's run: digests of the retrainings that reports have shown, each with the time of its first look."""
QUESTION = "question"
"""Tag: a digest that comparisons of the same question share."""
ASKED = "asked"
"""Tag: what a comparison judges its answer by, as JSON."""


@dataclass(frozen=True, slots=True)
class Look:
    """The first time that a report has shown a set of retrainings.

    Attributes:
        digest: Of the retrainings.
        at_ms: Milliseconds since 1970.
    """

    digest: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Asker:
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
    looks: tuple[Look, ...]


def question_tags(question: str, asked: Mapping[str, Any]) -> dict[str, str]:
    """What the run of a comparison says about its question."""
    return {QUESTION: question, ASKED: json.dumps(asked, sort_keys=True)}


class Looks:
    """The looks that were taken at the sweeps of one tracking store.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, sweep: SweepRun) -> tuple[Look, ...]:
        """Those at a sweep, oldest first."""
        return _looks(self._store.run(sweep.run_id))

    def note(self, sweep: SweepRun, digest: str, *, at_ms: int) -> None:
        """Adds a look, unless the same retrainings were shown before."""
        known = self.of(sweep)
        if digest not in {look.digest for look in known}:
            told = [[look.digest, look.at_ms] for look in (*known, Look(digest, at_ms))]
            self._store.log(sweep.run_id, tags={LOOKS: json.dumps(told)})

    def askers(self, question: str) -> list[Asker]:
        """The comparisons of this store that have put a question, oldest first.

        Args:
            question: Its digest.
        """
        asking = f"tags.role = '{Role.PARENT}' and tags.{QUESTION} = '{question}'"
        return [_asker(run) for run in self._store.search(self._store.experiments(), asking)]


def _asker(run: "Run") -> Asker:
    tags = run.data.tags
    return Asker(tags["sweep"], str(run.info.run_id), json.loads(tags[ASKED]), _looks(run))


def _looks(run: "Run") -> tuple[Look, ...]:
    return tuple(Look(digest, at_ms) for digest, at_ms in json.loads(run.data.tags.get(LOOKS, "[]")))
