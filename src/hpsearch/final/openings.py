"""A second memory of openings, beside the sweeps: it notices when the ledger that a command asks is another one."""

import json
from collections.abc import Sequence
from pathlib import Path

from hpsearch.search.record_files import write_whole
from hpsearch.tracking.ledger import Opening


def remember(directory: Path, opening: Opening, uri: str) -> None:
    """Notes a granted opening, before any row is read; noting it again changes nothing.

    Args:
        directory: `tracking.directory`.
        opening: What the ledger granted.
        uri: Where the ledger is.
    """
    notes = _notes(directory)
    if opening.entry not in {note["entry"] for note in notes}:
        note = {
            "digest": opening.split_digest,
            "entry": opening.entry,
            "opening": opening.opening,
            "claimant": opening.claimant,
            "granted_at": opening.granted_at,
            "ledger": uri,
        }
        write_whole(directory / "openings.json", json.dumps([*notes, note], indent=1).encode())


def unknown_to(directory: Path, digest: str, openings: Sequence[Opening]) -> list[str]:
    """One sentence for each remembered opening of this test set that the ledger does not list."""
    listed = {opening.entry for opening in openings}
    return [
        "opening {opening} on {granted_at} by {claimant} stands in the ledger at {ledger}".format(**note)
        for note in _notes(directory)
        if note["digest"] == digest and note["entry"] not in listed
    ]


def _notes(directory: Path) -> list[dict[str, str]]:
    path = directory / "openings.json"
    return list(json.loads(path.read_bytes())) if path.exists() else []
