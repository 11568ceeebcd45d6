"""Makes the report of a sweep: as files, and as artifacts of the sweep's run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hpsearch.analysis.answers import SCOPE
from hpsearch.analysis.compare import analyse, digest_of
from hpsearch.analysis.findings import Findings
from hpsearch.analysis.verdicts import State
from hpsearch.cli.evidence import evidence_of
from hpsearch.cli.evidence_tests import opened_by
from hpsearch.cli.looking import seen_before
from hpsearch.cli.report_screen import Published
from hpsearch.cli.theory import signal_theory
from hpsearch.config import Config, ConfigError
from hpsearch.report.write import write_report
from hpsearch.search.attempts import now_ms
from hpsearch.search.folders import slug
from hpsearch.search.gathered import Gathered
from hpsearch.tracking.looks import Look
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import SweepRun


def publish(found: Gathered, asked: Config, tracker: Tracker, run: SweepRun) -> Published:
    """Makes the report of a sweep: as files, and as artifacts of the sweep's run.

    Args:
        found: The sweep.
        asked: Says where reports lie.
        tracker: Has its runs.
        run: Its run.
    """
    _require_trials(found)
    test = found.specification["data"]["test"]
    openings = tracker.ledger.openings(test["digest"]) if test else []
    ledger = [
        {
            "opening": str(opening.opening),
            "claimant": opening.claimant,
            "granted_at": opening.granted_at,
            "purpose": opening.purpose,
        }
        for opening in openings
    ]
    evidence = evidence_of(found, asked, opened_by(tracker.stored, run), ledger)
    digest = digest_of(evidence)
    seen = seen_before(found.specification, digest, tracker.looks, run)
    design = replace(evidence.design, shown_before=seen.digests, exploratory=seen.exploratory)
    evidence = replace(evidence, design=design)
    findings = analyse(evidence)
    if evidence.confirm:  # before anything is shown, so that a look cannot be taken without being counted
        tracker.looks.note(run, Look(digest, now_ms(), seen.digests))
    chosen = "" if asked.report.run is None else f"-{asked.report.run[:8]}"  # beside that of another one of its name
    folder = Path(asked.report.directory) / slug(f"{evidence.design.name}{chosen}")
    files = write_report(findings, folder, theory=signal_theory(found, asked))
    tracker.log_artifacts(run.run_id, {f"report/{path.relative_to(folder)}": path for path in files})
    return replace(summarize(findings, files), lacking=found.lacking)


def _require_trials(found: Gathered) -> None:
    """Refuses a sweep that has hardly begun."""
    without = [level for level in found.levels if not any(name == level for name, _ in found.records)]
    if without or not found.levels:
        name = found.specification["name"]
        of = f" of level {', '.join(without)}" if without else ""
        raise ConfigError(f"sweep {name!r} has no finished trial{of} yet: go on with it first")


def summarize(findings: Findings, files: Sequence[Path]) -> Published:
    """What is shown of a report that was written."""
    pairs = {pair.sentence for pair in findings.pairs}
    undecided = [one for one in findings.answers if one.status == State.INCONCLUSIVE and one.sentence in pairs]
    told = (one for one in findings.answers if one.status != SCOPE and one not in undecided)
    answers = tuple((one.status, one.sentence) for one in told)
    return Published(findings.evidence.design.name, answers, tuple(files), len(undecided))
