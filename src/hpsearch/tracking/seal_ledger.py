"""The ledger of openings of sealed test sets: one MLflow experiment for each, made atomically, chained by digests.

An experiment's name is unique in every MLflow store, deleted experiments included, so creating
`hpsearch-seal/<digest of the split>/<opening>` is a compare-and-set that exactly one of many processes wins.
It stops accidents, loops and second looks, not an owner of the disk.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from hpsearch.secrets import mask_uri
from hpsearch.tracking.client import Store
from hpsearch.tracking.connection import TrackingError
from hpsearch.tracking.runs import Ending
from hpsearch.tracking.sanitize import NOTE_LENGTH, clip, digest

if TYPE_CHECKING:
    from mlflow.entities import Experiment

ROWS = "rows.json"
"""The artifact of an opening that keeps digests of its rows."""

ROWS_RUN = "rows_run"

EVERY = 3
"""MLflow's `ViewType.ALL`: deleted experiments too."""

PREFIX = "hpsearch-seal/"

FIRST = "-"
"""What stands for the digest of the opening before the first."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a sealed test set, spent from the moment it was claimed.

    Attributes:
        split_digest: Digest of the content of the sealed split.
        opening: Its number, from 1.
        claimant: Who claimed it: user, host, sweep, configuration.
        granted_at: When, ISO 8601.
        purpose: What for; from the second on, the reason that was given.
        previous: `entry` of the opening before; `FIRST` for the first.
        entry: Digest of all fields above, as it was stored.
        result: What came out, once it has been recorded.
        result_digest: Digest of `entry` and `result`, as it was stored.
        nonce: By which whoever claimed it knows it again; part of no digest.
    """

    split_digest: str
    opening: int
    claimant: str
    granted_at: str
    purpose: str
    previous: str
    entry: str
    result: str | None = None
    result_digest: str | None = None
    nonce: str = ""


class SealLedger:
    """The openings that a tracking store remembers.

    Args:
        store: The tracking store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def openings(self, split_digest: str) -> list[Opening]:
        """All openings of this split, the first one first; those whose experiment was deleted count too."""
        found: list[Opening] = []
        while (experiment := self._experiment(split_digest, len(found) + 1)) is not None:
            found.append(_opening(experiment))
        return found

    def keep_rows(self, opening: Opening, rows: str) -> None:
        """Stores what is kept of the rows of an opening, before anything is evaluated; the last one stays.

        Raises:
            TrackingError: MLflow refused it.
        """
        store, experiment = self._store, self._experiment(opening.split_digest, opening.opening)
        assert experiment is not None, opening
        at_ms = experiment.creation_time or 0
        name = f"rows of opening {opening.opening}"
        run_id = store.create(experiment.experiment_id, digest(opening.entry), name, at_ms, {}, search=True)
        store.artifact(run_id, ROWS, rows)
        store.end(run_id, Ending.FINISHED, at_ms)
        store.call(store.client.set_experiment_tag, experiment.experiment_id, ROWS_RUN, run_id)

    def openings_with_rows(self) -> list[tuple[Opening, str | None]]:
        """Every opening of any test set of which rows were kept, with what was kept; None where that is gone."""
        store = self._store
        found: list[tuple[Opening, str | None]] = []
        token: str | None = None
        while True:
            search, only = store.client.search_experiments, f"name LIKE '{PREFIX}%'"
            page = store.call(search, view_type=EVERY, filter_string=only, page_token=token)
            kept = [(_opening(experiment), experiment.tags.get(ROWS_RUN)) for experiment in page]
            found += [(opening, self._rows(run_id)) for opening, run_id in kept if run_id]
            token = page.token
            if not token:
                return found

    def _rows(self, run_id: str) -> str | None:
        try:
            return self._store.read_artifact(run_id, ROWS).decode()
        except TrackingError:
            return None

    def grant(  # what an entry says
        self, split_digest: str, opening: int, *, claimant: str, granted_at: str, purpose: str, nonce: str
    ) -> Opening | None:
        """Claim an opening; the entry if this call made it, None if the opening was already taken.

        Args:
            split_digest: Digest of the content of the sealed split.
            opening: Its number: one more than there are.
            claimant: Who claims.
            granted_at: When, ISO 8601.
            purpose: What for.
            nonce: What no other claimant has.

        Raises:
            TrackingError: `opening` skips a number, the chain before it is broken, or MLflow failed before granting.
        """
        before = self.openings(split_digest)
        if opening <= len(before):
            return None
        if opening > len(before) + 1:
            raise TrackingError(f"the next opening of this test set is {len(before) + 1}, got {opening}")
        require_unaltered(before)
        previous = before[-1].entry if before else FIRST
        who, when, why = (clip(text, NOTE_LENGTH) for text in (claimant, granted_at, purpose))
        draft = Opening(split_digest, opening, who, when, why, previous, entry="", nonce=nonce)
        claimed = replace(draft, entry=_entry_digest(draft))
        return claimed if self._create(claimed) else None

    def record_result(self, opening: Opening, result: Mapping[str, object]) -> Opening:
        """Store what an opening gave, and return the opening with it; the same result may be stored again.

        The same is what differs by rounding alone, as on another processor: what was stored first stays.

        Raises:
            TrackingError: The opening is not in the ledger, or has another result already.
        """
        text = json.dumps(result, sort_keys=True, ensure_ascii=False)
        experiment = self._experiment(opening.split_digest, opening.opening)
        stored = _opening(experiment) if experiment is not None else None
        if experiment is None or stored is None or stored.entry != opening.entry:
            raise TrackingError(f"opening {opening.opening} is not in the ledger at {mask_uri(self._store.uri)}")
        if stored.result is not None:
            if not _agree(json.loads(stored.result), result):
                raise TrackingError(f"opening {opening.opening} already has a result: {stored.result}")
            text = stored.result
        # The digest first: an entry of which only that was stored has no result yet, and nothing of it was altered.
        for key, value in (("result_digest", digest(opening.entry + text)), ("result", text)):
            self._store.call(self._store.client.set_experiment_tag, experiment.experiment_id, key, value)
        return self.openings(opening.split_digest)[opening.opening - 1]

    def _experiment(self, split_digest: str, opening: int) -> "Experiment | None":
        return self._store.call(self._store.client.get_experiment_by_name, _name(split_digest, opening))

    def _create(self, claimed: Opening) -> bool:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # see `connection`

        name = _name(claimed.split_digest, claimed.opening)
        try:
            self._store.client.create_experiment(name, artifact_location=self._store.artifact_root, tags=_tags(claimed))
        except MlflowException as error:
            # The answer may have got lost after the entry was written; the nonce says whose it is.
            experiment = self._experiment(claimed.split_digest, claimed.opening)
            if experiment is None:
                raise TrackingError(
                    f"MLflow at {mask_uri(self._store.uri)} did not grant the opening: {error}"
                ) from error
            return experiment.tags.get("nonce") == claimed.nonce
        return True


def require_unaltered(openings: list[Opening]) -> None:
    """Refuses a test set whose openings do not follow from each other.

    Raises:
        TrackingError: With the first problem.
    """
    if broken := problems(openings):
        raise TrackingError(f"the ledger of this test set was altered, nothing is opened: {broken[0]}")


def problems(openings: list[Opening]) -> list[str]:
    """One sentence for each place where the chain of openings does not hold; none if it does."""
    found: list[str] = []
    for number, (before, now) in enumerate(pairwise([None, *openings]), start=1):
        assert now is not None
        previous = before.entry if before else FIRST
        if now.opening != number:
            found.append(f"opening {number} carries the number {now.opening}")
        if now.previous != previous:
            found.append(f"opening {number} does not follow the one before it")
        if now.entry != _entry_digest(now):
            found.append(f"opening {number} was changed after it was written")
        if now.result is not None and now.result_digest != digest(now.entry + now.result):
            found.append(f"the result of opening {number} was changed after it was written")
    return found


def _agree(stored: object, now: Mapping[str, object]) -> bool:
    if not isinstance(stored, dict) or stored.keys() != now.keys():
        return False
    return all(_same(stored[name], value) for name, value in now.items())


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6) or (math.isnan(one) and math.isnan(other))
    return one == other


def _name(split_digest: str, opening: int) -> str:
    return f"{PREFIX}{split_digest}/{opening}"


def _entry_digest(of: Opening) -> str:
    values = [of.split_digest, of.opening, of.claimant, of.granted_at, of.purpose, of.previous]
    return digest(json.dumps(values))


def _tags(opening: Opening) -> dict[str, str]:
    return {
        "split_digest": opening.split_digest,
        "opening": str(opening.opening),
        "claimant": opening.claimant,
        "granted_at": opening.granted_at,
        "purpose": opening.purpose,
        "previous": opening.previous,
        "entry": opening.entry,
        "nonce": opening.nonce,
        "mlflow.note.content": (
            f"**Opening {opening.opening} of a sealed test set.** This entry is what keeps the test set from being "
            "looked at twice; its one run holds digests by which the rows are known again. Please leave both."
        ),
    }


def _opening(experiment: "Experiment") -> Opening:
    tags = experiment.tags
    number = tags.get("opening", "")
    return Opening(
        split_digest=tags.get("split_digest", ""),
        opening=int(number) if number.isdecimal() else 0,
        claimant=tags.get("claimant", ""),
        granted_at=tags.get("granted_at", ""),
        purpose=tags.get("purpose", ""),
        previous=tags.get("previous", ""),
        entry=tags.get("entry", ""),
        result=tags.get("result"),
        result_digest=tags.get("result_digest"),
        nonce=tags.get("nonce", ""),
    )
