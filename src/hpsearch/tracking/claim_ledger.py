"""The ledger of test-set openings: one MLflow experiment per opening, created atomically and chained by digests.

An experiment's name is unique in an MLflow store, even among deleted experiments, so creating `hpsearch-seal/<digest of
the split>/<opening>` is a compare-and-set that exactly one of many processes wins. It prevents accidents, loops and
second looks, but not manipulation by the owner of the disk.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hpsearch.errors import TrackingError
from hpsearch.secrets import mask_uri
from hpsearch.tracking.client import ALL, NOTE, Store
from hpsearch.tracking.run_format import Ending
from hpsearch.tracking.sanitize import NOTE_LENGTH, clip, digest

if TYPE_CHECKING:
    from mlflow.entities import Experiment

ROWS = "rows.json"
"""Artifact of an opening that holds digests of its rows."""

ROWS_RUN = "rows_run"

PREFIX = "hpsearch-seal/"

FIELDS = ("split_digest", "opening", "claimant", "granted_at", "purpose", "previous")
"""Fields of an opening that the digest of its entry covers, in this order."""

FIRST = "-"
"""Takes the place of the previous entry's digest in the first opening."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a sealed test set, spent from the moment it was claimed.

    Attributes:
        split_digest: Digest of the content of the sealed split.
        opening: Its number, from 1.
        claimant: Who claimed it: user, host, sweep, configuration.
        granted_at: Time, ISO 8601.
        purpose: Its purpose; from the second opening on, the reason that was given.
        previous: `entry` of the opening before; `FIRST` for the first.
        entry: Digest of all fields above, as stored.
        result: Its result, once recorded.
        result_digest: Digest of `entry` and `result`, as stored.
        nonce: Identifies the claimant to itself; not part of any digest.
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
    """The openings recorded in a tracking store.

    Args:
        store: The tracking store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def openings(self, split_digest: str) -> list[Opening]:
        """Return all openings of this split in order, including those whose experiment was deleted."""
        openings: list[Opening] = []
        while (experiment := self._experiment(split_digest, len(openings) + 1)) is not None:
            openings.append(_opening(experiment))
        return openings

    def keep_rows(self, opening: Opening, rows: str) -> None:
        """Store digests of the rows of an opening, before anything is evaluated; the last call wins.

        Args:
            opening: The opening.
            rows: The digests as JSON text.

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
        """Return each opening, of any test set, whose rows were stored, with them; None where they are gone."""
        search, prefixed = self._store.client.search_experiments, f"name LIKE '{PREFIX}%'"
        experiments = self._store.paged(search, view_type=ALL, filter_string=prefixed)
        return [(_opening(each), self._rows(run_id)) for each in experiments if (run_id := each.tags.get(ROWS_RUN))]

    def _rows(self, run_id: str) -> str | None:
        try:
            return self._store.read_artifact(run_id, ROWS).decode()
        except TrackingError:
            return None

    def grant(
        self, split_digest: str, opening: int, *, claimant: str, granted_at: str, purpose: str, nonce: str
    ) -> Opening | None:
        """Claim an opening; return its entry if this call created it, None if the opening was already taken.

        Args:
            split_digest: Digest of the content of the sealed split.
            opening: Its number: one more than there are.
            claimant: Who claims it.
            granted_at: Time, ISO 8601.
            purpose: Its purpose.
            nonce: A value that no other claimant has.

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
        """Store the result of an opening and return the opening with it; storing the same result again is allowed.

        Results that differ by rounding alone, as on another processor, count as the same; the first one stays.

        Args:
            opening: The opening.
            result: Its metrics.

        Raises:
            TrackingError: The opening is not in the ledger, or already has another result.
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
        # The digest goes first: if only that gets stored, the entry has no result and still counts as unaltered.
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
            # The response may have been lost after the entry was written; the nonce says whose it is.
            experiment = self._experiment(claimed.split_digest, claimed.opening)
            if experiment is None:
                raise TrackingError(
                    f"MLflow at {mask_uri(self._store.uri)} did not grant the opening: {error}"
                ) from error
            return experiment.tags.get("nonce") == claimed.nonce
        return True


def require_unaltered(openings: list[Opening]) -> None:
    """Refuse a test set whose chain of openings is broken.

    Raises:
        TrackingError: With the first problem.
    """
    if broken := problems(openings):
        raise TrackingError(f"the ledger of this test set was altered, nothing is opened: {broken[0]}")


def problems(openings: list[Opening]) -> list[str]:
    """Return one sentence per broken link in the chain of openings; none if it is intact."""
    broken: list[str] = []
    for number, (before, now) in enumerate(pairwise([None, *openings]), start=1):
        assert now is not None
        previous = before.entry if before else FIRST
        if now.opening != number:
            broken.append(f"opening {number} carries the number {now.opening}")
        if now.previous != previous:
            broken.append(f"opening {number} does not follow the one before it")
        if now.entry != _entry_digest(now):
            broken.append(f"opening {number} was changed after it was written")
        if now.result is not None and now.result_digest != digest(now.entry + now.result):
            broken.append(f"the result of opening {number} was changed after it was written")
    return broken


def _agree(stored: object, now: Mapping[str, object]) -> bool:
    if not isinstance(stored, dict) or stored.keys() != now.keys():
        return False
    return all(_same(stored[name], value) for name, value in now.items())


def _same(first: object, second: object) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-6) or (math.isnan(first) and math.isnan(second))
    return first == second


def _name(split_digest: str, opening: int) -> str:
    return f"{PREFIX}{split_digest}/{opening}"


def _entry_digest(opening: Opening) -> str:
    return digest(json.dumps([getattr(opening, field) for field in FIELDS]))


def _tags(opening: Opening) -> dict[str, str]:
    note = (
        f"**Opening {opening.opening} of a sealed test set.** This entry is what keeps the test set from being "
        "looked at twice; its one run holds digests by which the rows are known again. Please leave both."
    )
    return {field: str(getattr(opening, field)) for field in (*FIELDS, "entry", "nonce")} | {NOTE: note}


def _opening(experiment: "Experiment") -> Opening:
    tags = experiment.tags
    values: dict[str, Any] = {field: tags.get(field, "") for field in (*FIELDS, "entry", "nonce")}
    values["opening"] = int(values["opening"]) if values["opening"].isdecimal() else 0
    return Opening(**values, result=tags.get("result"), result_digest=tags.get("result_digest"))
