"""Earlier views of the results that a report is about to show, by this sweep or another one of the same question."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpsearch.commands.observer import Observer
from hpsearch.data.dataset import Development
from hpsearch.data.seal import SealedTest
from hpsearch.errors import BrokenFileError, StorageError
from hpsearch.final.earlier_openings import Noted, noted, recurring, user_folder
from hpsearch.formatting import plural
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.loader import load_from_disk
from hpsearch.store.provenance import Provenance
from hpsearch.store.specification import Specification, changes, judgement_of, overlaps, question_of
from hpsearch.tracking.report_views import RelatedSweep, ReportView, ReportViews
from hpsearch.tracking.run_format import SweepRun


@dataclass(frozen=True, slots=True)
class EarlierViews:
    """Views that precede a report.

    Attributes:
        digests: Digests of other retrainings that reports have shown before.
        exploratory: Why the report is exploratory, because its criteria were chosen after a view; None otherwise.
    """

    digests: tuple[str, ...]
    exploratory: str | None


def seen_before(specification: Specification, digest: str, looks: ReportViews, run: SweepRun) -> EarlierViews:
    """Return the views that precede a report of these retrainings.

    Args:
        specification: The sweep's specification.
        digest: Digest of the retrainings; empty before there are any.
        looks: The views in the tracking store; those in other stores are unknown.
        run: The run of the sweep.
    """
    question, own = specification.fingerprinted, looks.of(run)
    others: list[RelatedSweep] = []
    if question.levels:
        criteria = judgement_of(question)
        related = looks.askers(question_of(question), digest)
        others = [sweep for sweep in related if sweep.run_id != run.run_id and overlaps(sweep.asked, criteria)]
    return EarlierViews(_shown_before(digest, own, others), _changed_criteria(specification, others))


def _shown_before(digest: str, own: Sequence[ReportView], others: Sequence[RelatedSweep]) -> tuple[str, ...]:
    first = next((view for view in own if view.digest == digest), None)
    if first is not None:
        return first.before  # as at the first view, so that a report made again has the same bytes
    views = sorted([*own, *(view for sweep in others for view in sweep.looks)], key=lambda view: view.at_ms)
    return tuple(dict.fromkeys(view.digest for view in views if view.digest != digest))


def _changed_criteria(specification: Specification, others: Sequence[RelatedSweep]) -> str | None:
    """Return the message that a report of another sweep was seen before this one changed the criteria, if so."""
    for sweep in others:
        changed = changes(sweep.asked, judgement_of(specification.fingerprinted))
        if changed and sweep.looks and sweep.looks[0].at_ms < specification.created_ms:
            return (
                f"sweep {sweep.name!r} has put the same question to the same rows and seeds, and its retrainings were "
                f"shown before this sweep began with {', '.join(changed)}"
            )
    return None


def warn_of_earlier_views(observer: Observer, named: SweepIdentity, looks: ReportViews, run: SweepRun) -> None:
    """Warn, before anything is trained, of earlier views and their cost to the report."""
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
    """Return this user's openings from any folder; a damaged file of them causes a warning alone."""
    try:
        return noted(user_folder())
    except (BrokenFileError, StorageError) as error:
        observer.warn(str(error))
        return []


def warn_of_opened_rows(observer: Observer, directory: str, development: Development, sealed: SealedTest) -> None:
    """Warn, before a sweep, of rows that an earlier opening has shown as test rows."""
    openings = {note.entry: note for note in [*noted_by_user(observer), *noted(Path(directory))]}
    for rows in recurring(openings.values(), development, sealed, other=False):
        if not rows.chance:
            observer.warn(rows.sentence)


def warn_of_other_code(observer: Observer, named: SweepIdentity, provenance: Provenance) -> None:
    """Warn, before a comparison resumes, that it was begun with other code, so that its pairs are not compared."""
    made_with = load_from_disk(named.store).made_with
    others = sorted({each.code for each in made_with if each is not None} - {provenance.code})
    if others:
        observer.warn(
            f"this sweep was trained with {others[0]}, this is {provenance.code}: if anything more is trained, no pair "
            "is compared (R09); with another name= all is trained by one version"
        )
