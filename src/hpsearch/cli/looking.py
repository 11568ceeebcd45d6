"""What was seen before a report is made: earlier looks at the same question, by this sweep or by another one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpsearch.search.question import asked_of, changes, question_of
from hpsearch.tracking.looks import Asker, Look, Looks
from hpsearch.tracking.runs import SweepRun


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen before a report.

    Attributes:
        digests: Of other retrainings that reports have shown before those of this one.
        exploratory: Why this report proves nothing, being judged by something that was chosen after a look; None if it
            was not.
    """

    digests: tuple[str, ...]
    exploratory: str | None


def seen_before(specification: Mapping[str, Any], digest: str, looks: Looks, run: SweepRun) -> Seen:
    """What was seen before a report of these retrainings.

    Args:
        specification: What `sweep.json` holds.
        digest: Of the retrainings.
        looks: Of the tracking store; what other stores keep is not known.
        run: The run of the sweep.
    """
    frozen, own = specification["specification"], looks.of(run)
    others: list[Asker] = []
    if "levels" in frozen:
        others = [asker for asker in looks.askers(question_of(frozen)) if asker.run_id != run.run_id]
    # Only what came before, so that the same report has the same bytes whatever was looked at since.
    until = next((look.at_ms for look in own if look.digest == digest), None)
    taken = [*own, *(look for asker in others for look in asker.looks)]
    before = [look for look in sorted(taken, key=lambda look: look.at_ms) if until is None or look.at_ms < until]
    digests = tuple(dict.fromkeys(look.digest for look in before if look.digest != digest))
    return Seen(digests, _changed(specification, others) if others else None)


def _changed(specification: Mapping[str, Any], others: Sequence[Asker]) -> str | None:
    """Which sweep of the same question had been looked at before this one judged it by something else."""
    asked, begun_ms = asked_of(specification["specification"]), int(specification["created_ms"])
    for asker in others:
        first: Look | None = next(iter(asker.looks), None)
        found = changes(asker.asked, asked)
        if found and first is not None and first.at_ms < begun_ms:
            return (
                f"sweep {asker.name!r} has put the same question to the same rows and seeds, and its retrainings were "
                f"shown before this sweep began with {', '.join(found)}"
            )
    return None
