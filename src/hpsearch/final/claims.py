"""Who may open a sealed test set: the first claim, an acknowledged one, or one whose result was not reported yet."""

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpsearch.config import ConfigError
from hpsearch.data.seal import SealedTest
from hpsearch.errors import SealOpenedError
from hpsearch.formatting import number_of, show_number
from hpsearch.store.atomic_files import dump_checked_json, read_sealed, write_atomic
from hpsearch.tracking.claim_ledger import Opening, SealLedger

PENDING = "claim.json"
"""A final's file from before its claim until its result is reported; it identifies the claim as its own."""


def pending_nonce(folder: Path) -> str | None:
    """Return the nonce of the claims of the final in this folder; None if all its results were reported.

    Raises:
        BrokenFileError: If the file is damaged.
    """
    way_out = "move it away, and the opening that it claimed counts as one of another folder"
    body = read_sealed(folder / PENDING, way_out)
    return None if body is None else str(body["nonce"])


def begin_claim(folder: Path) -> str:
    """Return the nonce for a claim, stored before anything is claimed, so that the claim survives a crash as ours."""
    nonce = pending_nonce(folder)
    if nonce is None:
        nonce = uuid.uuid4().hex
        write_atomic(folder / PENDING, dump_checked_json({"nonce": nonce}))
    return nonce


def end_claim(folder: Path) -> None:
    """Mark the result as reported: from now on, the same command is a second look."""
    (folder / PENDING).unlink()


@dataclass(frozen=True, slots=True)
class Request:
    """The content of a claim.

    Attributes:
        claimant: User, host, sweep and trial.
        now: Time, ISO 8601.
        weights: `Models.digest` of the weights to evaluate.
        nonce: The result of `begin_claim`.
        reason: Acknowledges that the set was opened before; None the first time.
        opening: Number of the acknowledged opening; None the first time.
    """

    claimant: str
    now: str
    weights: str
    nonce: str
    reason: str | None
    opening: int | None

    @property
    def purpose(self) -> str:
        """Purpose stored in the ledger: the reason and the weights, so that a crashed evaluation can finish."""
        return f"{self.reason or 'final evaluation'} [weights {self.weights}]"


def stated(purpose: str) -> str:
    """Return the reason in a stored purpose, without the weights."""
    return purpose.rpartition(" [weights ")[0] or purpose


def unfinished(openings: Sequence[Opening], nonce: str | None) -> Opening | None:
    """Return the last opening, if it has no result or this folder has not reported it yet; otherwise None."""
    last = openings[-1] if openings else None
    return last if last is not None and (last.result is None or last.nonce == nonce) else None


def require_right(
    openings: Sequence[Opening],
    reason: str | None,
    opening: int | None,
    weights: str | None,
    nonce: str | None = None,
    elsewhere: Sequence[str] = (),
    shared: str = "",
) -> int:
    """Return the number of the opening that this command may use: the first, an acknowledged one, or its own.

    Its own is the last one, if it has this folder's nonce and was claimed for the same weights, with or without a
    recorded result: the command that claimed it was killed before it reported the result.

    Args:
        openings: The openings in the ledger.
        reason: `final.reopen.reason`.
        opening: `final.reopen.opening`.
        weights: `Models.digest`; None if not known yet, in which case an opening of this folder may be for them.
        nonce: The result of `pending_nonce`.
        elsewhere: One sentence for each opening counted by another ledger.
        shared: `SealedTest.shared`.

    Raises:
        SealOpenedError: With when, by whom and with what result the set was opened.
        ConfigError: If the acknowledgment does not name the next opening.
    """
    following = len(openings) + 1
    last = openings[-1] if openings else None
    own = last is not None and nonce is not None and last.nonce == nonce
    if last is not None and own and (weights is None or f"[weights {weights}]" in last.purpose):
        return last.opening
    if reason is None and opening is None:
        if openings or elsewhere:
            raise SealOpenedError(_spent(openings, nonce, elsewhere, shared), following)
        return following
    # The printed command line contains "…" as its reason, which must not be accepted.
    if not reason or not any(letter.isalpha() for letter in reason) or opening != following:
        raise ConfigError(
            f"final.reopen needs a reason in words and the number of the next opening: {_way_out(following)}, "
            f"got reason={reason!r} and opening={opening!r}"
        )
    return following


def _way_out(opening: int) -> str:
    # The shell takes the outer quotes, Hydra the inner ones.
    return f"\"final.reopen.reason='…'\" final.reopen.opening={opening}"


def _spent(openings: Sequence[Opening], nonce: str | None, elsewhere: Sequence[str], shared: str) -> str:
    times = len(openings) + len(elsewhere)
    lines = [f"this test set was opened {number_of(times, 'time')} already:"]
    for opening in openings:
        what = f"opening {opening.opening} on {opening.granted_at} by {opening.claimant}"
        lines.append(f"  {what}: {_show_result(opening.result)}")
    lines += [*(f"  {sentence}" for sentence in elsewhere), *([shared] if shared else ())]
    lines += [] if (open_end := unfinished(openings, nonce)) is None else [_how_to_finish(open_end)]
    lines.append("a number from a second look is no longer an honest test; where there is a good reason, add")
    lines.append(f"  {_way_out(len(openings) + 1)}")
    return "\n".join(lines)


def _how_to_finish(opening: Opening) -> str:
    retrained = re.search(r"\[weights \w+ and (\d+) retrained", opening.purpose)
    state = "has no result" if opening.result is None else "was not told to its end"
    return (
        f"opening {opening.opening} {state}: the command that claimed it, with "
        f"final.retrains={retrained[1] if retrained else 0}, may finish it in its folder, with the same weights"
    )


def _show_result(result: str | None) -> str:
    """Format a result stored in the ledger: `accuracy 0.9851, macro_f1 0.9850`."""
    if result is None:
        return "no result was recorded"
    return ", ".join(f"{name} {show_number(value)}" for name, value in json.loads(result).items())


def claim(ledger: SealLedger, sealed: SealedTest, request: Request, elsewhere: Sequence[str] = ()) -> Opening:
    """Obtain the right to open the test set; it is granted to one process, before any row is read.

    Args:
        ledger: The ledger that counts openings.
        sealed: The test set.
        request: The content of the claim.
        elsewhere: One sentence for each opening counted by another ledger.

    Raises:
        SealOpenedError: If it was opened before without acknowledgment, or another process was faster.
    """
    openings = ledger.openings(sealed.digest)
    nonce, weights = request.nonce, request.weights
    number = require_right(openings, request.reason, request.opening, weights, nonce, elsewhere, sealed.shared)
    if number <= len(openings):
        return openings[number - 1]
    who, when, why = request.claimant, request.now, request.purpose
    granted = ledger.grant(sealed.digest, number, claimant=who, granted_at=when, purpose=why, nonce=nonce)
    if granted is None:
        now = ledger.openings(sealed.digest)
        raise SealOpenedError("another process was faster: " + _spent(now, nonce, (), sealed.shared), len(now) + 1)
    return granted
