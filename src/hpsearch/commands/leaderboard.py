"""`+report=leaderboard`: compares all sweeps logged on one data set and one split."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hpsearch.analysis.analyse import digest_of
from hpsearch.analysis.leaderboard.standings import Leaderboard, Recipe, Split, Sweep, standings
from hpsearch.commands.evidence import evidence_of
from hpsearch.commands.evidence_levels import FACTS
from hpsearch.commands.previous_reports import EarlierViews, seen_before
from hpsearch.commands.report_target import ReportRequest
from hpsearch.config import Config, ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.search import Holdout
from hpsearch.data.splits import split_sizes
from hpsearch.quoting import hydra_quoted
from hpsearch.records import Status
from hpsearch.report.leaderboard import write_leaderboard
from hpsearch.scoring.own_metric import metric_of
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.atomic_files import slug
from hpsearch.store.loader import (
    LoadedSweep,
    SpecificationError,
    load_from_disk,
    load_from_mlflow,
    tracked_specification,
)
from hpsearch.store.record_json import Record
from hpsearch.store.specification import Specification, digest
from hpsearch.store.sweep_store import SweepStore, damaged_sweeps, list_sweeps
from hpsearch.store.trial_config import stored_config
from hpsearch.tracking.report_views import ReportView
from hpsearch.tracking.run_format import SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sweep whose trials are not loaded yet.

    Attributes:
        name: Its name; a further sweep of the same name has the beginning of its fingerprint appended.
        specification: Its specification.
        load: Loads its trials.
        run: Its run in the tracking store; None if it has none there.
    """

    name: str
    specification: Specification
    load: Callable[[], LoadedSweep]
    run: SweepRun | None


def _find_sweeps(current: Config, tracker: Tracker) -> tuple[list[Candidate], list[str]]:
    """Return all sweeps by name, those on disk first, and a message for each that cannot be read."""
    local = []
    for name, specification in list_sweeps(current.tracking.directory).items():
        store = SweepStore(current.tracking.directory, name)
        run = tracker.find_sweep(name, SweepIdentity(store, specification, known=True).identity)
        local.append(Candidate(name, specification, partial(load_from_disk, store), run))
    tracked, unreadable = _tracked_only(tracker, local)
    sweeps = sorted([*local, *tracked], key=lambda sweep: sweep.name)
    counts: Counter[str] = Counter()
    for index, sweep in enumerate(sweeps):
        counts[sweep.name] += 1
        if counts[sweep.name] > 1:
            sweeps[index] = replace(sweep, name=f"{sweep.name} ({sweep.specification.fingerprint[:8]})")
    return sweeps, [*map(str, damaged_sweeps(current.tracking.directory)), *unreadable]


def _tracked_only(tracker: Tracker, local: list[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Return the sweeps that only the tracking store has, without duplicates, whose trials are equal."""
    local_runs = {sweep.run.run_id for sweep in local if sweep.run is not None}
    seen = {(sweep.name, sweep.specification.fingerprint) for sweep in local}
    tracked: list[Candidate] = []
    unreadable: list[str] = []
    for run in (run for run in tracker.stored.all() if run.run_id not in local_runs):
        try:
            specification = tracked_specification(tracker.stored, run)
        except SpecificationError as error:
            unreadable.append(str(error))
            continue
        if (run.name, specification.fingerprint) not in seen:
            seen.add((run.name, specification.fingerprint))
            load = partial(load_from_mlflow, tracker.stored, run, specification)
            tracked.append(Candidate(run.name, specification, load, run))
    return tracked, unreadable


def _split(specification: Specification, current: Config) -> Split:
    """Return what the trials of a sweep are scored on; scores of sweeps with equal splits are comparable."""
    frozen, data = specification.fingerprinted, specification.data
    config = stored_config(frozen.config, current)
    metric = metric_of(config.search, classes=data.classes > 0, labels=config.multilabel)
    settings: dict[str, Any] = config.fingerprinted()["evaluation"]
    if isinstance(config.evaluation, Holdout):  # a share, a count and auto can mean the same rows
        sizes = split_sizes(config.evaluation, data.development_rows)
        settings |= {"val": sizes.val, "report": sizes.report}
    loss = json.dumps(frozen.config["loss"], sort_keys=True) if metric.is_of_loss else ""
    return Split(frozen.data, tuple(sorted(settings.items())), config.seed, metric, loss)


def _read_sweep(candidate: Candidate, current: Config, tracker: Tracker) -> Sweep:
    loaded, specification, seen = candidate.load(), candidate.specification, EarlierViews((), None)
    evidence = evidence_of(loaded, current, [], [])
    if candidate.run is not None:
        seen = seen_before(specification, digest_of(evidence), tracker.looks, candidate.run)
    design = replace(
        evidence.design,
        name=candidate.name,
        commits=evidence.design.commits or (specification.version,),
        shown_before=seen.digests,
        exploratory=seen.exploratory,
    )
    best = {level: record for level in loaded.levels if (record := loaded.recipe(level)) is not None}
    ok = {level: record for level, record in best.items() if record.result.status is Status.OK}
    recipes = {level: _recipe(loaded, record, current) for level, record in ok.items()}
    return Sweep(candidate.name, _split(specification, current), replace(evidence, design=design), recipes)


def _recipe(sweep: LoadedSweep, record: Record, current: Config) -> Recipe:
    config = stored_config(record.config_tree, current)
    train = split_sizes(config.evaluation, sweep.specification.data.development_rows).train
    hidden = getattr(config.model, "hidden", None)
    kind = config.options["model"]
    settings = {group: config.options[group] for group in FACTS if group not in ("model", "evaluation")}
    settings |= {
        "batch size": str(config.training.batch_size),
        "early stopping": "no" if config.training.patience is None else f"patience {config.training.patience}",
        "preprocess": config.preprocess.kind,
        "sampler": config.search.kind,
        "pruner": config.search.pruner,
        "device": sweep.specification.device or "unknown",
    }
    model = f"{kind} {'-'.join(map(str, hidden))}" if hidden else kind
    rows = min(config.data.limit or train, train)
    # Neither the search nor the names of option files affect a training.
    trained = {key: value for key, value in record.config_tree.items() if key not in ("search", "options")}
    return Recipe(record.k, model, rows, settings, digest(trained))


Groups = dict[Split, list[Candidate]]


@dataclass(frozen=True, slots=True)
class PublishedLeaderboard:
    """A written leaderboard; its page is the first of `files`."""

    board: Leaderboard
    files: tuple[Path, ...]


def report_leaderboard(request: ReportRequest, tracker: Tracker) -> PublishedLeaderboard:
    """Write the leaderboard of `report.data`.

    Raises:
        ConfigError: If there is no such data set, or its sweeps have several splits and none is selected.
    """
    config = request.config
    every, unreadable = _find_sweeps(config, tracker)
    groups: Groups = {}
    for candidate in _on_data(config, every):
        groups.setdefault(_split(candidate.specification, config), []).append(candidate)
    groups = dict(sorted(groups.items(), key=lambda group: (group[0].text, group[0].rows)))
    split = _select(request, groups)
    selected = groups.pop(split)
    others = [(other, tuple(each.name for each in group)) for other, group in groups.items()]
    sweeps = [_read_sweep(each, config, tracker) for each in selected]
    empty = [f"{sweep.name}, which has no finished trial" for sweep in sweeps if not sweep.evidence.trials]
    if len(empty) == len(sweeps):
        raise ConfigError(f"report.data={config.report.data} has no sweep with a finished trial: {'; '.join(empty)}")
    board = standings([sweep for sweep in sweeps if sweep.evidence.trials], others, [*unreadable, *empty])
    folder = Path(config.report.directory) / slug(f"leaderboard-{board.data}-{split.digest}")
    for candidate, sweep in zip(selected, sweeps, strict=True):  # before anything is shown, so that no view is missed
        if candidate.run is not None and sweep.evidence.confirm:
            view = ReportView(digest_of(sweep.evidence), now_ms(), sweep.evidence.design.shown_before)
            tracker.looks.note(candidate.run, view)
    return PublishedLeaderboard(board, tuple(write_leaderboard(board, folder)))


def _on_data(current: Config, candidates: Sequence[Candidate]) -> list[Candidate]:
    names = sorted({each.specification.data.name for each in candidates})
    name = current.report.data
    if name is None:
        raise ConfigError(f"report.data must be given: report.data=… (known here: {', '.join(names) or 'none'})")
    if name not in names:
        raise ConfigError(f"report.data={name} is the data set of no sweep: {nearest(name, names)}")
    return [each for each in candidates if each.specification.data.name == name]


def _select(request: ReportRequest, groups: Groups) -> Split:
    """Return the split of `report.sweep`, or the only one."""
    wanted, data = request.config.report.sweep, str(request.config.report.data)
    split_of = {each.name: split for split, group in groups.items() for each in group}
    if wanted is not None:
        if wanted not in split_of:
            raise ConfigError(f"report.sweep={wanted} is no sweep on {data}: {nearest(wanted, split_of)}")
        return split_of[wanted]
    if len(groups) == 1:
        return next(iter(groups))
    commands = [
        request.command(f"report.data={hydra_quoted(data)}", f"report.sweep={hydra_quoted(group[0].name)}")
        for group in groups.values()
    ]
    lines = [f"the sweeps on {data} are scored on different rows or by different metrics, and are not mixed:"]
    lines += [f"  {split.text}: {', '.join(each.name for each in group)}" for split, group in groups.items()]
    raise ConfigError("\n".join([*lines, "choose the split of one sweep:", *(f"  {line}" for line in commands)]))
