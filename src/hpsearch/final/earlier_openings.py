"""Openings remembered outside the ledger, to notice when a command uses another ledger.

Two files of the same format: `openings.json` beside the sweeps, which counts as the ledger does, and one for everything
that this user has opened on this machine, from any folder and with any tracking store, which is reported but refuses
nothing. Each opening is stored with fingerprints of its rows, which are recognized in other data.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from hpsearch.data.dataset import Development
from hpsearch.data.row_fingerprints import OpenedRows, row_cells
from hpsearch.data.seal import SealedTest
from hpsearch.errors import BrokenFileError, StorageError
from hpsearch.formatting import number_of, plural
from hpsearch.store.atomic_files import read_bytes, write_atomic
from hpsearch.tracking.claim_ledger import Opening, SealLedger

FILE = "openings.json"

KEYS = ("digest", "entry", "opening", "claimant", "granted_at", "ledger")


@dataclass(frozen=True, slots=True, eq=False)
class Noted:
    """A remembered opening; `rows` is None if it was stored before fingerprints of rows were."""

    digest: str
    entry: str
    sentence: str
    rows: OpenedRows | None


def user_folder() -> Path:
    """Return the folder of this user's remembered openings, whatever folder they were made from."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "hpsearch"


def remember(folder: Path, opening: Opening, uri: str, rows: OpenedRows) -> None:
    """Store a granted opening, before anything is evaluated; storing it again changes nothing.

    Args:
        folder: `tracking.directory`, or `user_folder()`.
        opening: The granted opening.
        uri: Address of the ledger.
        rows: Fingerprints of the opened rows.

    Raises:
        StorageError: If it cannot be written.
        BrokenFileError: If the existing file is damaged.
    """
    path, note = folder / FILE, {**_facts(opening, uri), "rows": rows.tree()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(FILE + ".lock")):
            notes = _read(path)
            if opening.entry not in {each["entry"] for each in notes}:
                write_atomic(path, json.dumps([*notes, note], indent=1).encode())
    except OSError as error:
        raise StorageError(path, error) from error


def noted(folder: Path) -> list[Noted]:
    """Return every opening remembered in a folder.

    Raises:
        BrokenFileError: If the file is damaged.
    """
    path = folder / FILE
    try:
        return [_noted(note) for note in _read(path)]
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(path, error) from error


def noted_in(ledger: SealLedger, uri: str) -> list[Noted]:
    """Return every opening whose rows a ledger has stored, of any test set; unreadable rows become None."""
    openings = []
    for opening, text in ledger.openings_with_rows():
        rows = None
        with contextlib.suppress(ValueError, KeyError, TypeError):
            rows = OpenedRows.from_tree(json.loads(text or ""))
        openings.append(Noted(opening.split_digest, opening.entry, _sentence(_facts(opening, uri)), rows))
    return openings


@dataclass(frozen=True, slots=True)
class Recurring:
    """Rows of a data set that an opening of another one has shown.

    Attributes:
        opening: The sentence about the opening.
        development: Number of development rows shown.
        test: Number of sealed test rows shown.
        chance: Whether there are no more than chance explains.
    """

    opening: str
    development: int
    test: int
    chance: bool

    @property
    def sentence(self) -> str:
        """Sentence that says how many rows were shown, and by which opening."""
        parts = ((self.development, "development row"), (self.test, "sealed test row"))
        counted = [number_of(n, what) for n, what in parts if n]
        have = plural(self.development + self.test, "was", "were")
        few = ", no more than chance explains" if self.chance else ""
        return f"{' and '.join(counted)} {have} opened as test rows before{few}: {self.opening}"


def recurring(
    openings: Iterable[Noted], development: Development, sealed: SealedTest, *, other: bool
) -> list[Recurring]:
    """Return the openings whose rows recur in this data set.

    Args:
        openings: All remembered openings.
        development: The development rows.
        sealed: The sealed test rows.
        other: Whether to leave out openings of this very test set, which are counted by its digest. Otherwise they are
            reported if rows that they have shown are development rows now.
    """
    candidates = [
        (opening, opening.rows)
        for opening in openings
        if opening.rows is not None and not (other and opening.digest == sealed.digest)
    ]
    if not candidates:
        return []
    cells, recurrences = row_cells(development), []
    for (opening, rows), shown in zip(candidates, sealed.among([rows for _, rows in candidates]), strict=True):
        ours, theirs = rows.among(cells), shown[:0] if opening.digest == sealed.digest else shown
        if len(ours) or len(theirs):
            chance = not rows.recur(np.concatenate([ours, theirs]))
            recurrences.append(Recurring(opening.sentence, len(ours), len(theirs), chance))
    return recurrences


def unknown_to(openings: Sequence[Opening], remembered: Iterable[Noted], digest: str) -> list[Noted]:
    """Return the remembered openings of this test set that the ledger does not list."""
    listed = {opening.entry for opening in openings}
    return [note for note in remembered if note.digest == digest and note.entry not in listed]


def _facts(opening: Opening, uri: str) -> dict[str, Any]:
    facts = (opening.split_digest, opening.entry, opening.opening, opening.claimant, opening.granted_at, uri)
    return dict(zip(KEYS, facts, strict=True))


def _noted(note: dict[str, Any]) -> Noted:
    rows = OpenedRows.from_tree(note["rows"]) if "rows" in note else None
    return Noted(note["digest"], note["entry"], _sentence(note), rows)


def _sentence(note: dict[str, Any]) -> str:
    return "opening {opening} on {granted_at} by {claimant} stands in the ledger at {ledger}".format(**note)


def _read(path: Path) -> list[dict[str, Any]]:
    data = read_bytes(path)
    try:
        notes = [] if data is None else json.loads(data)
    except ValueError as error:
        raise _broken(path, error) from error
    if not isinstance(notes, list) or not all(isinstance(note, dict) and {*KEYS} <= note.keys() for note in notes):
        raise _broken(path, "it does not list openings")
    return notes


def _broken(path: Path, error: Exception | str) -> BrokenFileError:
    reason = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else error
    return BrokenFileError(
        path, f"{reason}. It lists the openings of test sets: restore it, or move it away, and they are not known here"
    )
