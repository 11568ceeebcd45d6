"""Who may open a sealed test set: the first claim, an acknowledged one, or the one whose result is not told yet."""

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
from hpsearch.tracking.seal_ledger import Opening, SealLedger

PENDING = "claim.json"
"""What a final keeps from before its claim until its result is told: by this it knows its own claim again."""


def pending_nonce(folder: Path) -> str | None:
    """What marks the claims of the final in this folder; None if every result that it claimed was told.

    Raises:
        BrokenFileError: If the file is damaged.
    """
    way_out = "move it away, and the opening that it claimed counts as one of another folder"
    body = read_sealed(folder / PENDING, way_out)
    return None if body is None else str(body["nonce"])


def begin_claim(folder: Path) -> str:
    """What is to mark the claim: written down before anything is claimed, so that a crash leaves a claim of ours."""
    nonce = pending_nonce(folder)
    if nonce is None:
        nonce = uuid.uuid4().hex
        write_atomic(folder / PENDING, dump_checked_json({"nonce": nonce}))
    return nonce


def end_claim(folder: Path) -> None:
    """The result is told: from now on, the same command is a second look."""
    (folder / PENDING).unlink()


@dataclass(frozen=True, slots=True)
class Request:
    """What a claim says.

    Attributes:
        claimant: User, host, sweep and trial.
        now: ISO 8601.
        weights: `Models.digest` of the weights that will be evaluated.
        nonce: From `begin_claim`.
        reason: Acknowledges that the set was opened before; None the first time.
        opening: The number of the opening that is acknowledged.
    """

    claimant: str
    now: str
    weights: str
    nonce: str
    reason: str | None
    opening: int | None

    @property
    def purpose(self) -> str:
        """What the ledger stores: the reason and the weights, so that a crashed evaluation may finish."""
        return f"{self.reason or 'final evaluation'} [weights {self.weights}]"


def stated(purpose: str) -> str:
    """The reason of a purpose that the ledger stores, without the weights."""
    return purpose.rpartition(" [weights ")[0] or purpose


def unfinished(openings: Sequence[Opening], nonce: str | None) -> Opening | None:
    """The last opening, if no result was recorded, or if it is marked as one whose result this folder has not told."""
    last = openings[-1] if openings else None
    return last if last is not None and (last.result is None or last.nonce == nonce) else None


def require_right(  # what is known, and what is said
    openings: Sequence[Opening],
    reason: str | None,
    opening: int | None,
    weights: str | None,
    nonce: str | None = None,
    elsewhere: Sequence[str] = (),
    shared: str = "",
) -> int:
    """The number of the opening that this command has a right to: the first, an acknowledged one, or its own.

    Its own is the last one if it carries the mark of this folder and was claimed for the same weights, whether its
    result was recorded or not: the command that claimed it was killed before it had told the result.

    Args:
        openings: Those that the ledger knows.
        reason: `final.reopen.reason`.
        opening: `final.reopen.opening`.
        weights: `Models.digest`; None if it is not known yet, and an opening of this folder may be of these weights.
        nonce: `pending_nonce`.
        elsewhere: One sentence for each opening that another ledger counts.
        shared: `SealedTest.shared`.

    Raises:
        SealOpenedError: With when, by whom and with what result the set was opened.
        ConfigError: If the acknowledgement is not the next one.
    """
    following = len(openings) + 1
    last = openings[-1] if openings else None
    own = last is not None and nonce is not None and last.nonce == nonce
    if last is not None and own and (weights is None or f"[weights {weights}]" in last.purpose):
        return last.opening
    if reason is None and opening is None:
        if openings or elsewhere:
            raise SealOpenedError(_spent(openings, nonce, elsewhere, shared))
        return following
    # The line that is printed for pasting has no reason yet, and must not become one.
    if not reason or not any(letter.isalpha() for letter in reason) or opening != following:
        raise ConfigError(
            f"final.reopen needs a reason in words and the number of the next opening: {_way_out(following)}, "
            f"got reason={reason!r} and opening={opening!r}"
        )
    return following


def _way_out(opening: int) -> str:
    """The acknowledgement as it is typed: the shell takes the outer quotes, Hydra the inner ones."""
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
    """Who may finish an opening that was claimed."""
    retrained = re.search(r"\[weights \w+ and (\d+) retrained", opening.purpose)
    state = "has no result" if opening.result is None else "was not told to its end"
    return (
        f"opening {opening.opening} {state}: the command that claimed it, with "
        f"final.retrains={retrained[1] if retrained else 0}, may finish it in its folder, with the same weights"
    )


def _show_result(result: str | None) -> str:
    """What the ledger says of an opening: `accuracy 0.9851, macro_f1 0.9850`."""
    if result is None:
        return "no result was recorded"
    return ", ".join(f"{name} {show_number(value)}" for name, value in json.loads(result).items())


def claim(ledger: SealLedger, sealed: SealedTest, request: Request, elsewhere: Sequence[str] = ()) -> Opening:
    """The right to open the test set; granted to one process, before any of its rows is read.

    Args:
        ledger: Where openings are counted.
        sealed: The test set.
        request: Who asks, and with what acknowledgement.
        elsewhere: One sentence for each opening that another ledger counts.

    Raises:
        SealOpenedError: If it was opened before and that is not acknowledged, or another process was faster.
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
        raise SealOpenedError("another process was faster: " + _spent(now, nonce, (), sealed.shared))
    return granted
