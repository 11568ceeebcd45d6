"""What was seen before a report is made: earlier looks at the same question, by this sweep or by another one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpsearch.commands.observer import Observer
from hpsearch.data.dataset import Development
from hpsearch.data.seal import SealedTest
from hpsearch.final.earlier_openings import Noted, noted, recurring, user_folder
from hpsearch.formatting import plural
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.atomic_files import BrokenFileError, StorageError
from hpsearch.store.loader import load_from_disk
from hpsearch.store.provenance import Provenance
from hpsearch.store.specification import Specification, changes, judgement_of, overlaps, question_of
from hpsearch.tracking.report_views import RelatedSweep, ReportView, ReportViews
from hpsearch.tracking.run_format import SweepRun


@dataclass(frozen=True, slots=True)
class EarlierViews:
    """What was seen before a report.

    Attributes:
        digests: Of other retrainings that reports have shown before those of this one.
        exploratory: Why this report proves nothing, being judged by something that was chosen after a look; None if it
            was not.
    """

    digests: tuple[str, ...]
    exploratory: str | None


def seen_before(specification: Specification, digest: str, looks: ReportViews, run: SweepRun) -> EarlierViews:
    """What was seen before a report of these retrainings.

    Args:
        specification: Of the sweep.
        digest: Of the retrainings; empty before there are any.
        looks: Of the tracking store; what other stores keep is not known.
        run: The run of the sweep.
    """
    question, own = specification.fingerprinted, looks.of(run)
    others: list[RelatedSweep] = []
    if question.levels:
        asked = judgement_of(question)
        found = looks.askers(question_of(question), digest)
        others = [asker for asker in found if asker.run_id != run.run_id and overlaps(asker.asked, asked)]
    return EarlierViews(_shown(digest, own, others), _changed(specification, others) if others else None)


def _shown(digest: str, own: Sequence[ReportView], others: Sequence[RelatedSweep]) -> tuple[str, ...]:
    """Digests that had been shown when this one first was, so that a report that is made again has the same bytes."""
    first = next((look for look in own if look.digest == digest), None)
    if first is not None:
        return first.before
    taken = sorted([*own, *(look for asker in others for look in asker.looks)], key=lambda look: look.at_ms)
    return tuple(dict.fromkeys(look.digest for look in taken if look.digest != digest))


def _changed(specification: Specification, others: Sequence[RelatedSweep]) -> str | None:
    """Which sweep of the same question had been looked at before this one judged it by something else."""
    asked, begun_ms = judgement_of(specification.fingerprinted), specification.created_ms
    for asker in others:
        first: ReportView | None = next(iter(asker.looks), None)
        found = changes(asker.asked, asked)
        if found and first is not None and first.at_ms < begun_ms:
            return (
                f"sweep {asker.name!r} has put the same question to the same rows and seeds, and its retrainings were "
                f"shown before this sweep began with {', '.join(found)}"
            )
    return None


def warn_of_earlier_views(observer: Observer, named: SweepIdentity, looks: ReportViews, run: SweepRun) -> None:
    """Before anything is trained: what was seen of the answer already, and costs the report."""
    seen = seen_before(named.specification, "", looks, run)
    if seen.exploratory is not None:
        seed = named.specification.fingerprinted.config["seed"] + 1
        observer.warn(f"the report will be exploratory as a whole (R19): {seen.exploratory}; seed={seed} asks anew")
    elif seen.digests:
        count = len(seen.digests)
        sets = "one set" if count == 1 else f"{count} sets"
        observer.warn(
            f"{sets} of retrainings of this question {plural(count, 'was', 'were')} shown before: with other ones, "
            f"the report divides alpha by {count + 1} (R20)"
        )


def noted_by_user(observer: Observer) -> list[Noted]:
    """The openings by this user from any folder: they refuse nothing, nor does a file of them that is damaged."""
    try:
        return noted(user_folder())
    except (BrokenFileError, StorageError) as error:
        observer.warn(str(error))
        return []


def tell_opened(observer: Observer, directory: str, development: Development, sealed: SealedTest) -> None:
    """Before a sweep: that its development rows, or the sealed ones of another data set, were test rows before."""
    known = {note.entry: note for note in [*noted_by_user(observer), *noted(Path(directory))]}
    for found in recurring(known.values(), development, sealed, other=False):
        if not found.chance:
            observer.warn(found.sentence)


def tell_other_code(observer: Observer, named: SweepIdentity, provenance: Provenance) -> None:
    """Before a comparison goes on: that it was begun with other code, so that its pairs will not be compared."""
    others = sorted({one.code for one in load_from_disk(named.store).made_with if one is not None} - {provenance.code})
    if others:
        observer.warn(
            f"this sweep was trained with {others[0]}, this is {provenance.code}: if anything more is trained, no pair "
            "is compared (R09); with another name= all is trained by one version"
        )
