"""`+report=leaderboard`: everything that is logged on one data set and one split, across sweeps; nothing is mixed."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hpsearch.analysis.analyse import digest_of
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.leaderboard.standings import Leaderboard, Recipe, Split, Sweep, standings
from hpsearch.commands.evidence import evidence_of
from hpsearch.commands.evidence_levels import FACTS
from hpsearch.commands.previous_reports import EarlierViews, seen_before
from hpsearch.commands.report_target import Asked
from hpsearch.config import Config, ConfigError
from hpsearch.config.conversion import nearest, to_tree
from hpsearch.config.search import Holdout
from hpsearch.data.splits import split_sizes
from hpsearch.metrics import metric_of
from hpsearch.quoting import hydra_quoted
from hpsearch.records import Status
from hpsearch.report.leaderboard import write_leaderboard
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
class Found:
    """A sweep that was found, and of which no trial is read yet.

    Attributes:
        name: Its name; of several of one name, all but the first have the beginning of their fingerprint behind it.
        specification: What it is.
        gather: Reads the rest.
        run: Its run in the tracking store; None if it has none there.
    """

    name: str
    specification: Specification
    gather: Callable[[], LoadedSweep]
    run: SweepRun | None

    @property
    def data(self) -> str:
        """Name of its data set."""
        return self.specification.data.name

    def seen(self, tracker: Tracker, evidence: Evidence) -> EarlierViews:
        """What was seen before its retrainings."""
        if self.run is None:
            return EarlierViews((), None)
        return seen_before(self.specification, digest_of(evidence), tracker.looks, self.run)

    def note_look(self, tracker: Tracker, evidence: Evidence) -> None:
        """Remembers that retrainings were shown."""
        if self.run is not None and evidence.confirm:
            look = ReportView(digest_of(evidence), now_ms(), evidence.design.shown_before)
            tracker.looks.note(self.run, look)


def find_sweeps(asked: Config, tracker: Tracker) -> tuple[list[Found], list[str]]:
    """All sweeps by name, those of the folder first; and those of the tracking store that cannot be read, and why."""
    local = _local(asked, tracker)
    tracked, left_out = _tracked(tracker, local)
    found = sorted([*local, *tracked], key=lambda one: one.name)
    seen: Counter[str] = Counter()
    for at, one in enumerate(found):
        seen[one.name] += 1
        if seen[one.name] > 1:
            found[at] = replace(one, name=f"{one.name} ({one.specification.fingerprint[:8]})")
    return found, [*map(str, damaged_sweeps(asked.tracking.directory)), *left_out]


def _local(asked: Config, tracker: Tracker) -> list[Found]:
    found = []
    for name, specification in list_sweeps(asked.tracking.directory).items():
        store = SweepStore(asked.tracking.directory, name)
        run = tracker.find_sweep(name, SweepIdentity(store, specification, known=True).identity)
        found.append(Found(name, specification, partial(load_from_disk, store), run))
    return found


def _tracked(tracker: Tracker, local: list[Found]) -> tuple[list[Found], list[str]]:
    """Sweeps that the tracking store alone has; equal ones, whose trials are equal, once."""
    here = {one.run.run_id for one in local if one.run is not None}
    known = {(one.name, one.specification.fingerprint) for one in local}
    found: list[Found] = []
    left_out: list[str] = []
    for run in (run for run in tracker.stored.all() if run.run_id not in here):
        try:
            specification = tracked_specification(tracker.stored, run)
        except SpecificationError as error:
            left_out.append(str(error))
            continue
        if (run.name, specification.fingerprint) not in known:
            known.add((run.name, specification.fingerprint))
            gather = partial(load_from_mlflow, tracker.stored, run, specification)
            found.append(Found(run.name, specification, gather, run))
    return found, left_out


def split_of(specification: Specification, asked: Config) -> Split:
    """What the trials of a sweep are scored on: equal for sweeps whose scores may stand side by side."""
    frozen, data = specification.fingerprinted, specification.data
    config = stored_config(frozen.config, asked)
    metric = metric_of(config.search.metric, classes=data.classes > 0)
    settings: dict[str, Any] = to_tree(config.evaluation)
    if isinstance(config.evaluation, Holdout):  # a share, a count and auto can mean the same rows
        sizes = split_sizes(config.evaluation, data.development_rows)
        settings |= {"val": sizes.val, "report": sizes.report}
    loss = json.dumps(frozen.config["loss"], sort_keys=True) if metric.is_of_loss else ""
    return Split(frozen.data, tuple(sorted(settings.items())), config.seed, metric, loss)


def read_sweep(found: Found, asked: Config, tracker: Tracker) -> Sweep:
    """Everything that was measured of a sweep."""
    gathered = found.gather()
    evidence = evidence_of(gathered, asked, [], [])
    seen = found.seen(tracker, evidence)
    design = replace(
        evidence.design,
        name=found.name,
        commits=evidence.design.commits or (found.specification.version,),
        shown_before=seen.digests,
        exploratory=seen.exploratory,
    )
    recipes = {level: _recipe(gathered, record, asked) for level in gathered.levels if (record := _ok(gathered, level))}
    return Sweep(found.name, split_of(found.specification, asked), replace(evidence, design=design), recipes)


def _ok(gathered: LoadedSweep, level: str) -> Record | None:
    """The highest-scoring trial of a level; None where no draw has the status `ok`."""
    record = gathered.recipe(level)
    return record if record is not None and record.result.status is Status.OK else None


def _recipe(gathered: LoadedSweep, record: Record, asked: Config) -> Recipe:
    config = stored_config(record.config_tree, asked)
    train = split_sizes(config.evaluation, gathered.specification.data.development_rows).train
    hidden = getattr(config.model, "hidden", None)
    kind = config.options["model"]
    settings = {group: config.options[group] for group in FACTS if group not in ("model", "evaluation")}
    settings |= {
        "batch size": str(config.training.batch_size),
        "early stopping": "no" if config.training.patience is None else f"patience {config.training.patience}",
        "normalize": str(config.data.normalize),
        "sampler": config.search.kind,
        "pruner": config.search.pruner,
        "device": gathered.specification.device or "unknown",
    }
    model = f"{kind} {'-'.join(map(str, hidden))}" if hidden else kind
    rows = min(config.data.limit or train, train)
    return Recipe(record.k, model, rows, settings, _configuration(record.config_tree))


def _configuration(tree: Mapping[str, Any]) -> str:
    """Digest of what a training reads of its configuration: not how it was drawn, nor what option files were called."""
    return digest({key: value for key, value in tree.items() if key not in ("search", "options")})


Groups = dict[Split, list[Found]]


@dataclass(frozen=True, slots=True)
class PublishedLeaderboard:
    """A leaderboard that was written; `files` begin with the page."""

    board: Leaderboard
    files: tuple[Path, ...]


def report_leaderboard(asked: Asked, tracker: Tracker) -> PublishedLeaderboard:
    """Writes the leaderboard of `report.data`, and trains nothing.

    Raises:
        ConfigError: If there is no such data set, or its sweeps do not share one split and none is chosen.
    """
    config = asked.config
    found, left_out = find_sweeps(config, tracker)
    groups = _groups(config, _on_data(config, found))
    split = _choose(asked, groups)
    chosen = groups.pop(split)
    others = [(other, tuple(one.name for one in sweeps)) for other, sweeps in groups.items()]
    sweeps = [read_sweep(one, config, tracker) for one in chosen]
    empty = [f"{sweep.name}, which has no finished trial" for sweep in sweeps if not sweep.evidence.trials]
    if len(empty) == len(sweeps):
        raise ConfigError(f"report.data={config.report.data} has no sweep with a finished trial: {'; '.join(empty)}")
    board = standings([sweep for sweep in sweeps if sweep.evidence.trials], others, [*left_out, *empty])
    folder = Path(config.report.directory) / slug(f"leaderboard-{board.data}-{split.digest}")
    for one, sweep in zip(chosen, sweeps, strict=True):  # before anything is shown, so that each look is counted
        one.note_look(tracker, sweep.evidence)
    return PublishedLeaderboard(board, tuple(write_leaderboard(board, folder)))


def _on_data(asked: Config, found: Sequence[Found]) -> list[Found]:
    known = sorted({one.data for one in found})
    name = asked.report.data
    if name is None:
        raise ConfigError(f"report.data must be given: report.data=… (known here: {', '.join(known) or 'none'})")
    chosen = [one for one in found if one.data == name]
    if not chosen:
        raise ConfigError(f"report.data={name} is the data set of no sweep: {nearest(name, known)}")
    return chosen


def _groups(asked: Config, found: Sequence[Found]) -> Groups:
    """The sweeps by what they are scored on, in the order of the splits' descriptions."""
    groups: Groups = {}
    for one in found:
        groups.setdefault(split_of(one.specification, asked), []).append(one)
    return dict(sorted(groups.items(), key=lambda group: (group[0].text, group[0].rows)))


def _choose(asked: Asked, groups: Groups) -> Split:
    """The split of `report.sweep`, or the only one."""
    report = asked.config.report
    wanted, data = report.sweep, str(report.data)
    names = [one.name for sweeps in groups.values() for one in sweeps]
    if wanted is not None:
        if wanted not in names:
            raise ConfigError(f"report.sweep={wanted} is no sweep on {data}: {nearest(wanted, names)}")
        return next(split for split, sweeps in groups.items() if wanted in [one.name for one in sweeps])
    if len(groups) > 1:
        raise ConfigError(_refusal(asked, data, groups))
    return next(iter(groups))


def _refusal(asked: Asked, data: str, groups: Groups) -> str:
    heading = f"the sweeps on {data} are scored on different rows or by different metrics, and are not mixed:"
    listed = [f"  {split.text}: {', '.join(one.name for one in sweeps)}" for split, sweeps in groups.items()]
    commands = [
        asked.command(f"report.data={hydra_quoted(data)}", f"report.sweep={hydra_quoted(sweeps[0].name)}")
        for sweeps in groups.values()
    ]
    return "\n".join([heading, *listed, "choose the split of one sweep:", *(f"  {line}" for line in commands)])
