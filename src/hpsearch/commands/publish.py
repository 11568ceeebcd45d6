"""Writes the report of a sweep, as files and as artifacts of the sweep's run."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hpsearch.analysis.analyse import analyse, digest_of
from hpsearch.analysis.answers import SCOPE
from hpsearch.analysis.comparison.verdict import State
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.findings import Findings
from hpsearch.commands.evidence import evidence_of
from hpsearch.commands.previous_reports import EarlierViews, seen_before
from hpsearch.commands.test_set_evidence import opened_by
from hpsearch.config import Config, ConfigError
from hpsearch.config.model import CustomInit, LsuvInit, MlpModel
from hpsearch.nn.init_scale import weight_deviation
from hpsearch.report.first_screen import FirstScreen
from hpsearch.report.write import write_report
from hpsearch.statistics.mean_field import Layer, forward_moments
from hpsearch.store.atomic_files import slug
from hpsearch.store.loader import LoadedSweep
from hpsearch.store.specification import DataFacts
from hpsearch.store.trial_config import stored_config
from hpsearch.tracking.report_views import ReportView
from hpsearch.tracking.run_format import SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


def signal_theory(sweep: LoadedSweep, current: Config) -> Mapping[str, list[float]]:
    """Return the second moment of every layer's output at initialization (S-23) by level, hidden layers then logits.

    Levels outside this mean-field theory are omitted: networks other than MLPs, normalization, weights scaled to the
    data.
    """
    theory = {}
    for level in sweep.specification.fingerprinted.levels:
        moments = _moments(stored_config(level.config, current), sweep.specification.data)
        sampled = {draw.partition(".")[0] for draw in level.draws} & {"init", "activation", "norm", "model"}
        if moments is not None and not sampled:
            theory[level.name] = moments
    return theory


def _moments(config: Config, data: DataFacts) -> list[float] | None:
    model = config.model
    second, shape, outputs = data.input_second_moment, data.input_shape, data.outputs
    if second is None or shape is None or outputs is None:
        return None
    if not isinstance(model, MlpModel) or config.norm.kind != "none":
        return None
    if config.init.bias or isinstance(config.init, LsuvInit | CustomInit):
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
    """A written report.

    Attributes:
        name: Name of the sweep.
        answers: Status and sentence of each answer except the scope and undecided comparisons.
        files: Its files; `report.html` first.
        undecided: Number of comparisons of two levels that the data do not decide.
        lacking: The message that trials are missing; None if none are.
        first: What is read first; None where nothing is compared.
        findings: What it says.
    """

    name: str
    answers: tuple[tuple[str, str], ...]
    files: tuple[Path, ...]
    findings: Findings
    undecided: int = 0
    lacking: str | None = None
    first: FirstScreen | None = None

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.files[0]


def publish(sweep: LoadedSweep, current: Config, tracker: Tracker, run: SweepRun) -> PublishedReport:
    """Write the report of a sweep, as files and as artifacts of the sweep's run.

    Args:
        sweep: The sweep.
        current: The configuration of this command, with the folder of reports.
        tracker: The tracker of its runs.
        run: Its run.

    Raises:
        ConfigError: If no trial has finished.
    """
    _require_trials(sweep)
    evidence, seen = known_at(sweep, current, tracker, run)
    findings = analyse(evidence)
    if evidence.confirm:  # before anything is shown, so that no view goes uncounted
        tracker.looks.note(run, ReportView(findings.digest, now_ms(), seen.digests))
    suffix = "" if current.report.run is None else f"-{current.report.run[:8]}"  # another sweep may have the same name
    folder = Path(current.report.directory) / slug(f"{evidence.design.name}{suffix}")
    files = write_report(findings, folder, theory=signal_theory(sweep, current))
    tracker.log_artifacts(run.run_id, {f"report/{path.relative_to(folder)}": path for path in files})
    return replace(summarize(findings, files), lacking=sweep.lacking)


def known_at(
    sweep: LoadedSweep, current: Config, tracker: Tracker, run: SweepRun, seeds: int | None = None
) -> tuple[Evidence, EarlierViews]:
    """Return the evidence about a sweep, and the views of it that precede.

    Args:
        sweep: The sweep.
        current: The configuration of this command.
        tracker: The tracker of its runs.
        run: Its run.
        seeds: As at the planned look at so many seeds; None: all of it.
    """
    test = sweep.specification.data.test
    openings = tracker.ledger.openings(test.digest) if test else []
    keys = ("opening", "claimant", "granted_at", "purpose")
    ledger = [{key: str(getattr(opening, key)) for key in keys} for opening in openings]
    evidence = evidence_of(sweep, current, opened_by(tracker.stored, run), ledger)
    if seeds is not None:
        evidence = evidence.at_look(seeds)
    seen = seen_before(sweep.specification, digest_of(evidence), tracker.looks, run)
    design = replace(evidence.design, shown_before=seen.digests, exploratory=seen.exploratory)
    return replace(evidence, design=design), seen


def _require_trials(sweep: LoadedSweep) -> None:
    without = [level for level in sweep.levels if not any(name == level for name, _ in sweep.records)]
    if without or not sweep.levels:
        levels = f" of level {', '.join(without)}" if without else ""
        name = sweep.specification.name
        raise ConfigError(f"sweep {name!r} has no finished trial{levels} yet: go on with it first")


def summarize(findings: Findings, files: Sequence[Path]) -> PublishedReport:
    """Return a written report with its answers; undecided comparisons are counted alone."""
    pairs = {pair.sentence for pair in findings.pairs}
    undecided = [each for each in findings.answers if each.status == State.INCONCLUSIVE and each.sentence in pairs]
    shown = (each for each in findings.answers if each.status != SCOPE and each not in undecided)
    answers = tuple((each.status, each.sentence) for each in shown)
    first, name = FirstScreen.of(findings), findings.evidence.design.name
    answers = answers if first is None else ((first.status, first.sentence), *answers)
    return PublishedReport(name, answers, tuple(files), findings, len(undecided), first=first)
