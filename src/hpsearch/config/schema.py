"""The configuration of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from hpsearch.config import after_search, augmentation, data, preprocess, training
from hpsearch.config import execution as machine
from hpsearch.config import model as network
from hpsearch.config import search as sweep
from hpsearch.config.bounds import require, shown
from hpsearch.config.conversion import build, fingerprinted_tree, nearest, to_tree
from hpsearch.config.data import Data, OwnData, TaskChoice
from hpsearch.config.model import CustomInit, CustomModel
from hpsearch.config.option import Option
from hpsearch.config.preprocess import CustomPreprocess, Preprocess, TargetScale
from hpsearch.config.synonyms import meant_key, needless
from hpsearch.config.training import CustomLoss, CustomOptimizer, CustomSchedule
from hpsearch.errors import ConfigError

OPTION_GROUPS = {
    group.name: group
    for group in (
        *(*data.GROUPS, *preprocess.GROUPS, *augmentation.GROUPS, *network.GROUPS),
        *(*training.GROUPS, *sweep.GROUPS, *machine.GROUPS),
    )
}
"""All config groups by name."""

KINDS = {name: group.kinds for name, group in OPTION_GROUPS.items()}

SEARCHABLE = tuple(name for name, group in OPTION_GROUPS.items() if group.searchable)
"""Groups whose options can vary between trials, or be compared."""

TUNABLE = tuple(name for name, group in OPTION_GROUPS.items() if group.tunable)
"""Groups whose spaces can be sampled."""

LATER_GROUPS = {
    name: group.fingerprint_default for name, group in OPTION_GROUPS.items() if group.fingerprint_default is not None
}
"""Neutral option of each group that was added after the first release of records."""

UNCOVERED = (
    *(name for name, group in OPTION_GROUPS.items() if not group.fingerprinted),
    *("confirm", "report", "final", "engine", "name", "description", "extend", "trust"),
)
"""Keys that, like `search.trials`, are not part of the fingerprint.

Keys and groups that were added later are left out if neutral, see `Option.fingerprint_defaults` and `LATER_GROUPS`."""

OwnCode = CustomModel | CustomInit | CustomLoss | CustomOptimizer | CustomSchedule | CustomPreprocess
"""The options that refer to the user's own code by an import path."""

UNCOVERED_KEYS = {"search": ("trials", "timeout", "patience", "callbacks"), "evaluation": ("baseline",)}
"""Keys of groups that are not part of the fingerprint: they say how many trials there are, what stands beside them, or
who is told of them, and change none."""


class Engine(StrEnum):
    """Engine that trains fits."""

    AUTO = "auto"  # chosen by a rule on shapes and device, which the sweep stores
    REFERENCE = "reference"  # one fit, one plain loop
    FLEET = "fleet"  # many fits as one batched network


class Extend(StrEnum):
    """Changes that a resumed sweep may make although results before and after are not comparable."""

    DEVICE = "device"


@dataclass(kw_only=True, slots=True)
class Config:
    """The configuration of one command; `options` maps each group to the name of its chosen option file."""

    name: str | None
    description: str | None
    seed: int
    engine: Engine
    trust: bool
    extend: Extend | None
    options: dict[str, str]
    data: data.Data
    preprocess: preprocess.Preprocess
    augmentation: augmentation.Augmentation
    model: network.Model
    activation: network.Activation
    init: network.Init
    norm: network.Norm
    regularization: network.Regularization
    optimizer: training.Optimizer
    schedule: training.Schedule
    loss: training.Loss
    training: training.Training
    evaluation: sweep.Evaluation
    search: sweep.Search
    execution: machine.Execution
    tracking: machine.Tracking
    confirm: after_search.Confirm
    final: after_search.Final
    report: after_search.Report

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> "Config":
        """The configuration of a nested dictionary; raises `ConfigError` with all mistakes."""
        problems: list[str] = []
        options = {group: _build_option(group, tree, problems) for group in KINDS if group in tree}
        rest = {key: value for key, value in tree.items() if key not in KINDS}
        names = [f.name for f in fields(cls)]
        unknown = [key for key in rest if key not in names]
        problems += [f"{key} is not a key: {suggestion(key) or nearest(key, names)}" for key in unknown]
        problems += [f"{key} must be given" for key in names if key not in tree]
        plain = build(UngroupedKeys, {key: rest[key] for key in rest if key in names}, "", problems)
        if problems or plain is None:
            raise ConfigError(*dict.fromkeys(problems))
        return cls(**options, **{f.name: getattr(plain, f.name) for f in fields(plain)})  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        """Checks that involve several options."""
        warmup, epochs = self.schedule.warmup_epochs, self.training.epochs
        if self.loss.kind == "gaussian_nll":
            target = self.preprocess.target
            plain = target in (TargetScale.STANDARD, TargetScale.NONE)
            require(plain, "preprocess.target", "must be standard or none with loss=gaussian_nll", target.value)
        if self.multilabel:
            require(self.loss.kind == "bce", "loss", "must be bce with data.task=multilabel", self.loss.kind)
            weights = self.loss.class_weight if isinstance(self.loss, training.WeightedLoss) else None
            require(not weights, "loss.class_weight", "must be null with data.task=multilabel", weights)
        require(warmup < epochs, "schedule.warmup_epochs", f"must be < training.epochs={epochs}", warmup)

    @property
    def needs_monitor(self) -> bool:
        """Whether training holds out monitor rows, which `patience` and plateau schedules need."""
        return self.training.patience is not None or isinstance(self.schedule, training.PlateauSchedule)

    @property
    def multilabel(self) -> bool:
        """Whether several labels are predicted, any of which may hold."""
        return self.data.task is TaskChoice.MULTILABEL

    @property
    def own_code(self) -> list[OwnCode]:
        """The options of a training that refer to the user's own code."""
        options = (self.model, self.loss, self.optimizer, self.schedule, self.init)
        return [option for option in options if isinstance(option, OwnCode)]

    @property
    def data_for_loss(self) -> Data:
        """The data options; under a loss of numbers, whole numbers are no classes unless there are two."""
        own = self.data
        if isinstance(own, OwnData) and own.task is TaskChoice.AUTO and self.loss.kind in training.OF_NUMBERS:
            return replace(own, max_classes=2)
        return own

    @property
    def preprocess_for_loss(self) -> Preprocess:
        """The preprocessing; counts and labels are learned as they are."""
        if self.loss.kind == "poisson_nll" or self.multilabel:
            return replace(self.preprocess, target=TargetScale.NONE)
        return self.preprocess

    @property
    def own_sources(self) -> dict[str, str]:
        """Import paths of the user's own code by key, whose source is part of a sweep.

        Without optimizers, schedules and initializers of torch, whose source takes 10 seconds to read, and
        transformers of scikit-learn.
        """
        paths = {
            f"{option.group}.import_path": option.import_path
            for option in self.own_code
            if isinstance(option, CustomModel | CustomLoss) or not option.import_path.startswith("torch.")
        }
        own = self.preprocess
        if isinstance(own, CustomPreprocess) and not own.import_path.startswith("sklearn."):
            paths["preprocess.import_path"] = own.import_path
        return paths

    def to_tree(self) -> dict[str, Any]:
        """The nested dictionary that `from_tree` reads."""
        tree: dict[str, Any] = to_tree(self)
        return tree

    def fingerprinted(self) -> dict[str, Any]:
        """The fingerprinted tree: without `UNCOVERED`, `UNCOVERED_KEYS`, and neutral keys and groups."""
        neutral = [
            name
            for name, default in LATER_GROUPS.items()
            if getattr(self, name) == default and self.options.get(name) == default.kind
        ]
        tree = {key: value for key, value in self.to_tree().items() if key not in (*UNCOVERED, *neutral)}
        tree |= {group: fingerprinted_tree(getattr(self, group)) for group in KINDS if group in tree}
        tree["options"] = {group: option for group, option in self.options.items() if group not in neutral}
        for group, keys in UNCOVERED_KEYS.items():
            tree[group] = {key: value for key, value in tree[group].items() if key not in keys}
        tree["search"]["choose"] = {
            group: chosen
            for group, chosen in tree["search"]["choose"].items()
            if chosen is not None or group not in LATER_GROUPS
        }
        return tree


def with_defaults(fingerprinted: Mapping[str, Any]) -> dict[str, Any]:
    """A tree from `fingerprinted`, completed by the neutral keys and groups that it left out."""
    neutral = {name: to_tree(option) for name, option in LATER_GROUPS.items() if name not in fingerprinted}
    full = {
        key: {**KINDS[key][node["kind"]].fingerprint_defaults, **node} if key in KINDS else node
        for key, node in {**fingerprinted, **neutral}.items()
    }
    if neutral:
        full["options"] = {**full["options"], **{name: node["kind"] for name, node in neutral.items()}}
    return full


@dataclass(kw_only=True, slots=True)
class UngroupedKeys:
    """The keys of `Config` that are not config groups."""

    name: str | None
    description: str | None
    seed: int
    engine: Engine
    trust: bool
    extend: Extend | None
    options: dict[str, str]
    confirm: after_search.Confirm
    final: after_search.Final
    report: after_search.Report

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", "must be >= 0", self.seed)
        named = self.name is None or bool(self.name.strip())
        require(named, "name", "must not be empty (leave it out to get the default name)", self.name)


def _build_option(group: str, tree: dict[str, Any], problems: list[str]) -> Option | None:
    node = tree[group]
    kind = node.get("kind") if isinstance(node, dict) else None
    if not isinstance(kind, str) or kind not in KINDS[group]:
        problems.append(
            f"{group}.kind must name a kind of {group}, got {shown(kind)}: {nearest(str(kind), KINDS[group])}"
        )
        return None
    options = tree.get("options")
    option = f"{group}={options.get(group, kind) if isinstance(options, dict) else kind}"
    known = _keys(KINDS[group][kind])
    for key in (str(key) for key in node if key not in known):
        hint = _options_having(group, key) or _synonym(key).replace(f" {group}.", " ") or nearest(key, known - {"kind"})
        problems.append(f"{group}.{key} is not a key of {option}: {hint}")
    given = {key: node[key] for key in node if key in known}
    return build(KINDS[group][kind], {**KINDS[group][kind].fingerprint_defaults, **given}, group, problems, option)


def _keys(kind: type[Option]) -> set[str]:
    return {f.name for f in fields(kind) if f.init}


def home_of(key: str) -> str | None:
    """The full key for a key, a name without its group, or a synonym; None if unknown."""
    homes = _homes_of_names().get(key, ())
    if key.partition(".")[0] in {f.name for f in fields(Config)}:
        return key
    return meant_key(key) or (f"{homes[0]}.{key}" if homes else None)


def _homes_of_names() -> dict[str, list[str]]:
    """The groups whose options have a key, by its name."""
    homes: dict[str, list[str]] = {}
    for group, kinds in KINDS.items():
        for name in sorted({name for kind in kinds.values() for name in _keys(kind)}):
            homes.setdefault(name, []).append(group)
    return homes


def suggestion(key: str) -> str | None:
    """The suggestion for an unknown key: its name in a group, a synonym or a similar spelling; None if none fits."""
    homes, known = _homes_of_names(), [*KINDS, *(f.name for f in fields(UngroupedKeys) if f.name != "options")]
    if key not in homes and (_synonym(key) or get_close_matches(key, known)):
        return _synonym(key) or nearest(key, known)
    for name in [key] if key in homes else get_close_matches(key, homes, n=1, cutoff=0.8):
        return f"did you mean {' or '.join(f'{group}.{name}' for group in homes[name])}?"
    return None


def _synonym(key: str) -> str:
    """The suggestion for a word of another program, or why it is not needed; empty if unknown."""
    meant = meant_key(key)
    return f"did you mean {meant}?" if meant else needless(key) or ""


def _options_having(group: str, key: str) -> str:
    """The suggestion of options of the group that have a key; empty if none has."""
    # The kinds of `init` are not all names of options.
    kinds = [] if group == "init" else [kind for kind, cls in KINDS[group].items() if key in _keys(cls)]
    return f"it is one of {', '.join(f'{group}={kind}' for kind in kinds)}" if kinds else ""
