"""Makes the report of a sweep: as files, and as artifacts of the sweep's run."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hpsearch.analysis.analyse import analyse, digest_of
from hpsearch.analysis.answers import SCOPE
from hpsearch.analysis.comparison.verdict import State
from hpsearch.analysis.findings import Findings
from hpsearch.commands.evidence import evidence_of
from hpsearch.commands.evidence_tests import opened_by
from hpsearch.commands.previous_reports import seen_before
from hpsearch.config import Config, ConfigError
from hpsearch.config.model import LsuvInit, MlpModel
from hpsearch.nn.init_scale import weight_deviation
from hpsearch.report.write import write_report
from hpsearch.statistics.mean_field import Layer, forward_moments
from hpsearch.store.atomic_files import slug
from hpsearch.store.loader import LoadedSweep
from hpsearch.store.specification import DataFacts
from hpsearch.store.trial_config import stored_config
from hpsearch.tracking.report_views import ReportView
from hpsearch.tracking.run_format import SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


def signal_theory(found: LoadedSweep, asked: Config) -> Mapping[str, list[float]]:
    """For each level, the second moment of every layer's output at initialization (S-23), hidden layers then logits.

    Levels are left out of which mean-field theory says nothing here: other networks than MLPs, batch normalization,
    weights that were scaled to the data.
    """
    theory = {}
    for level in found.specification.fingerprinted.levels:
        config = stored_config(level.config, asked)
        moments = _moments(config, found.specification.data)
        varied = {draw.partition(".")[0] for draw in level.draws} & {"init", "activation", "norm", "model"}
        if moments is not None and not varied:
            theory[level.name] = moments
    return theory


def _moments(config: Config, data: DataFacts) -> list[float] | None:
    model = config.model
    second, shape, outputs = data.input_second_moment, data.input_shape, data.outputs
    if second is None or shape is None or outputs is None:
        return None
    if not isinstance(model, MlpModel) or config.norm.kind != "none":
        return None
    if config.init.bias or isinstance(config.init, LsuvInit):
        return None
    widths = [math.prod(shape), *model.hidden, outputs]
    layers = [
        Layer(n_in, n_out, weight_deviation(config.init, (n_out, n_in))) for n_in, n_out in itertools.pairwise(widths)
    ]
    shapes = {name: getattr(config.activation, name) for name in ("slope", "alpha") if hasattr(config.activation, name)}
    hidden = forward_moments(config.activation.kind, layers[:-1], second, **shapes)
    logits = forward_moments("identity", layers[-1:], hidden[-1] if len(hidden) else second)
    return [*hidden.tolist(), *logits.tolist()]


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """A report that was written.

    Attributes:
        name: Of the sweep.
        answers: Status and sentence of each line of the answer box but the scope and those of `undecided`.
        files: Where it is; `report.html` first.
        undecided: Comparisons of two levels that the data do not decide.
        lacking: That trials are missing, in words; None where all are there.
    """

    name: str
    answers: tuple[tuple[str, str], ...]
    files: tuple[Path, ...]
    undecided: int = 0
    lacking: str | None = None

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.files[0]


def publish(found: LoadedSweep, asked: Config, tracker: Tracker, run: SweepRun) -> PublishedReport:
    """Makes the report of a sweep: as files, and as artifacts of the sweep's run.

    Args:
        found: The sweep.
        asked: Says where reports lie.
        tracker: Has its runs.
        run: Its run.
    """
    _require_trials(found)
    test = found.specification.data.test
    openings = tracker.ledger.openings(test.digest) if test else []
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
        tracker.looks.note(run, ReportView(digest, now_ms(), seen.digests))
    chosen = "" if asked.report.run is None else f"-{asked.report.run[:8]}"  # beside that of another one of its name
    folder = Path(asked.report.directory) / slug(f"{evidence.design.name}{chosen}")
    files = write_report(findings, folder, theory=signal_theory(found, asked))
    tracker.log_artifacts(run.run_id, {f"report/{path.relative_to(folder)}": path for path in files})
    return replace(summarize(findings, files), lacking=found.lacking)


def _require_trials(found: LoadedSweep) -> None:
    """Refuses a sweep that has hardly begun."""
    without = [level for level in found.levels if not any(name == level for name, _ in found.records)]
    if without or not found.levels:
        name = found.specification.name
        of = f" of level {', '.join(without)}" if without else ""
        raise ConfigError(f"sweep {name!r} has no finished trial{of} yet: go on with it first")


def summarize(findings: Findings, files: Sequence[Path]) -> PublishedReport:
    """What is shown of a report that was written."""
    pairs = {pair.sentence for pair in findings.pairs}
    undecided = [one for one in findings.answers if one.status == State.INCONCLUSIVE and one.sentence in pairs]
    told = (one for one in findings.answers if one.status != SCOPE and one not in undecided)
    answers = tuple((one.status, one.sentence) for one in told)
    return PublishedReport(findings.evidence.design.name, answers, tuple(files), len(undecided))
