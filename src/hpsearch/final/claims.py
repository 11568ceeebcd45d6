"""Who may open a sealed test set: the first claim, or an acknowledged one."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.config import ConfigError
from hpsearch.data.seal import SealedTest
from hpsearch.errors import HpsearchError
from hpsearch.tracking.ledger import Opening, SealLedger
from hpsearch.wording import show_number


class SpentError(HpsearchError):
    """The test set was opened before, and this command does not acknowledge it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a claim says.

    Attributes:
        claimant: User, host, sweep and trial.
        now: ISO 8601.
        weights: `Models.digest` of the weights that will be evaluated.
        reason: Acknowledges that the set was opened before; None the first time.
        opening: The number of the opening that is acknowledged.
    """

    claimant: str
    now: str
    weights: str
    reason: str | None
    opening: int | None

    @property
    def purpose(self) -> str:
        """What the ledger stores: the reason and the weights, so that a crashed evaluation may finish."""
        return f"{self.reason or 'final evaluation'} [weights {self.weights}]"


def stated(purpose: str) -> str:
    """The reason of a purpose that the ledger stores, without the weights."""
    return purpose.rpartition(" [weights ")[0] or purpose


def unfinished(openings: Sequence[Opening]) -> Opening | None:
    """The last opening, if it was claimed and no result was recorded."""
    return openings[-1] if openings and openings[-1].result is None else None


def require_right(
    openings: Sequence[Opening],
    reason: str | None,
    opening: int | None,
    weights: str | None,
    elsewhere: Sequence[str] = (),
    shared: str = "",
) -> int:
    """The number of the opening that this command has a right to: the first, an acknowledged or an unfinished one.

    Args:
        openings: Those that the ledger knows.
        reason: `final.reopen.reason`.
        opening: `final.reopen.opening`.
        weights: `Models.digest`; None if it is not known yet, and an unfinished opening may be of these weights.
        elsewhere: One sentence for each opening that another ledger counts.
        shared: `SealedTest.shared`.

    Raises:
        SpentError: With when, by whom and with what result the set was opened.
        ConfigError: If the acknowledgement is not the next one.
    """
    following = len(openings) + 1
    open_end = unfinished(openings)
    if open_end is not None and (weights is None or f"[weights {weights}]" in open_end.purpose):
        return open_end.opening
    if reason is None and opening is None:
        if openings or elsewhere:
            raise SpentError(_spent(openings, elsewhere, shared))
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


def _spent(openings: Sequence[Opening], elsewhere: Sequence[str], shared: str) -> str:
    times = len(openings) + len(elsewhere)
    lines = [f"this test set was opened {times} time{'s' if times > 1 else ''} already:"]
    for opening in openings:
        what = f"opening {opening.opening} on {opening.granted_at} by {opening.claimant}"
        lines.append(f"  {what}: {_show_result(opening.result)}")
    lines += [*(f"  {sentence}" for sentence in elsewhere), *([shared] if shared else ())]
    lines += [] if (open_end := unfinished(openings)) is None else [_how_to_finish(open_end)]
    lines.append("a number from a second look is no longer an honest test; where there is a good reason, add")
    lines.append(f"  {_way_out(len(openings) + 1)}")
    return "\n".join(lines)


def _how_to_finish(opening: Opening) -> str:
    """Who may finish an opening that was claimed."""
    retrained = re.search(r"\[weights \w+ and (\d+) retrained", opening.purpose)
    return (
        f"opening {opening.opening} has no result: the command that claimed it, with "
        f"final.retrains={retrained[1] if retrained else 0}, may finish it with the same weights"
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
        SpentError: If it was opened before and that is not acknowledged, or another process was faster.
    """
    openings = ledger.openings(sealed.digest)
    number = require_right(openings, request.reason, request.opening, request.weights, elsewhere, sealed.shared)
    if number <= len(openings):
        return openings[number - 1]
    granted = ledger.grant(
        sealed.digest, number, claimant=request.claimant, granted_at=request.now, purpose=request.purpose
    )
    if granted is None:
        raise SpentError("another process was faster: " + _spent(ledger.openings(sealed.digest), (), sealed.shared))
    return granted
