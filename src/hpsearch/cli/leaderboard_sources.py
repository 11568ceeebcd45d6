"""The sweeps of a leaderboard, from their folders or from the tracking store alone."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hpsearch.analysis.compare import digest_of
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.gates import LOSSES
from hpsearch.analysis.leaderboard import Recipe, Split, Sweep
from hpsearch.cli.design_words import FACTS
from hpsearch.cli.evidence import evidence_of
from hpsearch.cli.looking import Seen, seen_before
from hpsearch.cli.naming import Named
from hpsearch.cli.stored_config import stored_config
from hpsearch.config import Config
from hpsearch.config.sweep import Holdout
from hpsearch.config.tree import to_tree
from hpsearch.data.splits import split_sizes
from hpsearch.metrics import metric_name
from hpsearch.records import Status
from hpsearch.search.attempts import now_ms
from hpsearch.search.gathered import (
    Gathered,
    SpecificationError,
    gather_local,
    gather_tracked,
    tracked_specification,
)
from hpsearch.search.plan import digest
from hpsearch.search.store import SweepStore, damaged_sweeps, list_sweeps
from hpsearch.search.trial_records import Record
from hpsearch.tracking.looks import Look
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import SweepRun

Specification = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A sweep that was found, and of which no trial is read yet.

    Attributes:
        name: Its name; of several of one name, all but the first have the beginning of their fingerprint behind it.
        specification: What `sweep.json` holds.
        gather: Reads the rest.
        run: Its run in the tracking store; None if it has none there.
    """

    name: str
    specification: Specification
    gather: Callable[[], Gathered]
    run: SweepRun | None

    @property
    def data(self) -> str:
        """Name of its data set."""
        return str(self.specification["data"]["name"])

    def seen(self, tracker: Tracker, evidence: Evidence) -> Seen:
        """What was seen before its retrainings."""
        if self.run is None:
            return Seen((), None)
        return seen_before(self.specification, digest_of(evidence), tracker.looks, self.run)

    def note_look(self, tracker: Tracker, evidence: Evidence) -> None:
        """Remembers that retrainings were shown."""
        if self.run is not None and evidence.confirm:
            look = Look(digest_of(evidence), now_ms(), evidence.design.shown_before)
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
            found[at] = replace(one, name=f"{one.name} ({one.specification['fingerprint'][:8]})")
    return found, [*map(str, damaged_sweeps(asked.tracking.directory)), *left_out]


def _local(asked: Config, tracker: Tracker) -> list[Found]:
    found = []
    for name, specification in list_sweeps(asked.tracking.directory).items():
        store = SweepStore(asked.tracking.directory, name)
        run = tracker.find_sweep(name, Named(store, specification, known=True).identity)
        found.append(Found(name, specification, partial(gather_local, store), run))
    return found


def _tracked(tracker: Tracker, local: list[Found]) -> tuple[list[Found], list[str]]:
    """Sweeps that the tracking store alone has; equal ones, whose trials are equal, once."""
    here = {one.run.run_id for one in local if one.run is not None}
    known = {(one.name, one.specification["fingerprint"]) for one in local}
    found: list[Found] = []
    left_out: list[str] = []
    for run in (run for run in tracker.stored.all() if run.run_id not in here):
        try:
            specification = tracked_specification(tracker.stored, run)
        except SpecificationError as error:
            left_out.append(str(error))
            continue
        if (run.name, specification["fingerprint"]) not in known:
            known.add((run.name, specification["fingerprint"]))
            gather = partial(gather_tracked, tracker.stored, run, specification)
            found.append(Found(run.name, specification, gather, run))
    return found, left_out


def split_of(specification: Specification, asked: Config) -> Split:
    """What the trials of a sweep are scored on: equal for sweeps whose scores may stand side by side."""
    frozen, data = specification["specification"], specification["data"]
    config = stored_config(frozen["config"], asked)
    metric = metric_name(config.search.metric, classes=str(data["targets"]).endswith("classes"))
    settings: dict[str, Any] = to_tree(config.evaluation)
    if isinstance(config.evaluation, Holdout):  # a share, a count and auto can mean the same rows
        sizes = split_sizes(config.evaluation, data["development_rows"])
        settings |= {"val": sizes.val, "report": sizes.report}
    loss = json.dumps(frozen["config"]["loss"], sort_keys=True) if metric in LOSSES else ""
    return Split(str(frozen["data"]), tuple(sorted(settings.items())), config.seed, metric, loss)


def read_sweep(found: Found, asked: Config, tracker: Tracker) -> Sweep:
    """Everything that was measured of a sweep."""
    gathered = found.gather()
    evidence = evidence_of(gathered, asked, [], [])
    seen = found.seen(tracker, evidence)
    design = replace(
        evidence.design,
        name=found.name,
        commits=evidence.design.commits or (str(found.specification.get("version", "unknown")),),
        shown_before=seen.digests,
        exploratory=seen.exploratory,
    )
    recipes = {level: _recipe(gathered, record, asked) for level in gathered.levels if (record := _ok(gathered, level))}
    return Sweep(found.name, split_of(found.specification, asked), replace(evidence, design=design), recipes)


def _ok(gathered: Gathered, level: str) -> Record | None:
    """The highest-scoring trial of a level; None where no draw has the status `ok`."""
    record = gathered.recipe(level)
    return record if record is not None and record.result.status is Status.OK else None


def _recipe(gathered: Gathered, record: Record, asked: Config) -> Recipe:
    config = stored_config(record.config_tree, asked)
    train = split_sizes(config.evaluation, gathered.specification["data"]["development_rows"]).train
    hidden = getattr(config.model, "hidden", None)
    kind = config.options["model"]
    settings = {group: config.options[group] for group in FACTS if group not in ("model", "evaluation")}
    settings |= {
        "batch size": str(config.training.batch_size),
        "early stopping": "no" if config.training.patience is None else f"patience {config.training.patience}",
        "normalize": str(config.data.normalize),
        "sampler": config.search.kind,
        "pruner": config.search.pruner,
        "device": str(gathered.specification.get("device", "unknown")),
    }
    model = f"{kind} {'-'.join(map(str, hidden))}" if hidden else kind
    rows = min(config.data.limit or train, train)
    return Recipe(record.k, model, rows, settings, _configuration(record.config_tree))


def _configuration(tree: Mapping[str, Any]) -> str:
    """Digest of what a training reads of its configuration: not how it was drawn, nor what option files were called."""
    return digest({key: value for key, value in tree.items() if key not in ("search", "options")})
