"""Identification of the sweep of a command line: a new one, one to resume, or a conflicting one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from hpsearch import __version__
from hpsearch.config import Config, ConfigError, Engine
from hpsearch.config.after_search import Final, Report
from hpsearch.config.conversion import nearest
from hpsearch.data.check import tell_data
from hpsearch.data.dataset import Development, take
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.data.seal import SealedTest
from hpsearch.engine import RULE
from hpsearch.errors import NotFoundError, RefusedError
from hpsearch.nn.output_layer import output_count
from hpsearch.quoting import command_line, hydra_quoted
from hpsearch.secrets import mask_override, mask_text
from hpsearch.store.specification import DataFacts, SealedRows, Specification, differences
from hpsearch.store.sweep_store import SweepStore, damaged_sweeps, list_sweeps
from hpsearch.tracking.run_format import now_ms

if TYPE_CHECKING:
    from hpsearch.search.plan import Plan

SHOWN = 12
"""Maximum number of differences that a refusal lists."""

NOTED = 5
"""Maximum number of differences that a note lists."""

OPAQUE = {"data": "data: other rows", "code": "code: another source file"}
"""Descriptions of differences for keys of which the specification holds digests."""


@dataclass(frozen=True, slots=True)
class SweepIdentity:
    """A sweep and its name.

    Attributes:
        store: Its store.
        specification: Its specification.
        known: Whether it existed before.
        note: Lines to show about the name; empty if there is nothing to say.
    """

    store: SweepStore
    specification: Specification
    known: bool
    note: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.store.name

    @property
    def identity(self) -> str:
        """Distinguishes this sweep from others of the same name, here or on a shared server."""
        return self.specification.identity

    def on_device(self, device: str, config: Config) -> Self:
        """The sweep with its device kind, which is this one for a new sweep.

        Raises:
            ConfigError: If the sweep was run on another device kind and `extend` is not set.
        """
        stored = self.specification.device
        if stored not in (None, device) and config.extend is None:
            raise ConfigError(
                f"sweep {self.name!r} was run on {stored}, this is {device}: results differ in their last digits; "
                "extend=device goes on all the same"
            )
        return replace(self, specification=replace(self.specification, device=stored or device))

    @property
    def engine(self) -> Engine:
        """The engine that the sweep was started with, which a resume keeps.

        Raises:
            ConfigError: If this version applies another rule for `auto`.
        """
        stored = self.specification.engine
        if not stored.startswith(Engine.AUTO):
            return Engine(stored)
        if stored != engine_text(Engine.AUTO):
            raise ConfigError(
                f"sweep {self.name!r} was started with engine={stored}, this version chooses by rule {RULE}: use "
                "another `name=`, or the version that started it"
            )
        return Engine.AUTO

    def freeze(self) -> None:
        """Write the specification of a new sweep, whose lock must be held.

        Raises:
            RefusedError: If another command has started a different sweep of this name meanwhile.
        """
        stored = self.store.specification()
        if stored is None:
            self.store.freeze(self.specification)
        elif stored.fingerprint != self.specification.fingerprint:
            raise RefusedError(_refusal(stored, self.specification))


def engine_text(engine: Engine) -> str:
    """An engine as a sweep stores it: `auto` with the version of its rule."""
    return f"{engine}, rule {RULE}" if engine is Engine.AUTO else engine.value


def identify_sweep(specification: Specification, directory: str) -> SweepIdentity:
    """The sweep under its given name, or under the default name with a suffix if that is taken.

    Args:
        specification: The specification as if the sweep were new.
        directory: `tracking.directory`.

    Raises:
        RefusedError: If the given name belongs to a different sweep.
    """
    store = SweepStore(directory, specification.name)
    stored = store.specification()
    if stored is None:
        return SweepIdentity(store, specification, known=False)
    if stored.fingerprint == specification.fingerprint:
        return SweepIdentity(store, stored, known=True)
    if specification.named:
        raise RefusedError(_refusal(stored, specification))
    other = replace(specification, name=f"{specification.name}-{specification.fingerprint[:6]}")
    store = SweepStore(directory, other.name)
    note = (
        f"{stored.name} is another sweep already; this one is called {other.name}",
        *_differences(stored, other, NOTED),
        f"the earlier one goes on by its own command: {command_line(stored.overrides)}",
    )
    existing = store.specification()
    return SweepIdentity(store, existing or other, existing is not None, note[:1] if existing else note)


def find_sweep(config: Config, name: str | None, action: str = "final") -> SweepIdentity:
    """The stored sweep that `+final=` or `+report=` refers to.

    Args:
        config: Its `final` or `report` gives the name of a sweep, or an option of `+sweep=` that started only one.
        name: Replaces `final.sweep`; None: use the configuration.
        action: `final` or `report`.

    Raises:
        ConfigError: If there is no such sweep, or more than one.
    """
    sweeps = list_sweeps(config.tracking.directory)
    target: Final | Report = getattr(config, action)
    name = name or target.sweep
    if name is not None:
        if name not in sweeps:
            SweepStore(config.tracking.directory, name).specification()  # raises if it is damaged
            where = config.tracking.directory
            raise NotFoundError(f"{action}.sweep={name} is no sweep in {where}: {nearest(name, sweeps)}")
        return SweepIdentity(SweepStore(config.tracking.directory, name), sweeps[name], known=True)
    option = str(target.started_by)
    for damaged in damaged_sweeps(config.tracking.directory, option):  # it may be the requested one
        raise damaged
    started = started_by_option(config.tracking.directory, option)
    if not started:
        raise NotFoundError(
            f"there is no sweep that +sweep={option} started without name= in {config.tracking.directory}: run it "
            f"first, or name another one by +{action}=sweep {action}.sweep=… ({nearest(str(option), sweeps)})"
        )
    if len(started) > 1:
        heading = f"+sweep={option} started {len(started)} sweeps; say which one:"
        raise ConfigError("\n".join([heading, *_commands(action, started)]))
    return SweepIdentity(SweepStore(config.tracking.directory, started[0]), sweeps[started[0]], known=True)


def started_by_option(directory: str, option: str) -> list[str]:
    """Names of the sweeps that `+sweep=<option>` started without `name=`."""
    sweeps = list_sweeps(directory)
    return [name for name, specification in sweeps.items() if specification.is_default_of(option)]


def require_target(config: Config, option: str) -> None:
    """Raise `ConfigError` if `+final=<option>` lacks the key that the option needs."""
    final = config.final
    if final.sweep is None and final.run is None and final.started_by is None:
        key = "final.run" if option == "run" else "final.sweep"
        stored = [] if option == "run" else list_sweeps(config.tracking.directory)
        raise ConfigError("\n".join([f"{key} must be given: {key}=…", *_commands("final", stored)]))


def _commands(action: str, names: Iterable[str]) -> list[str]:
    return [f"  {command_line([f'+{action}=sweep', f'{action}.sweep={hydra_quoted(name)}'])}" for name in names]


def require_sweeps(config: Config) -> None:
    """Raise `NotFoundError` if the directory has no sweeps, before a tracking store is created."""
    directory = config.tracking.directory
    if not list_sweeps(directory) and not damaged_sweeps(directory):
        raise NotFoundError(f"there is no sweep in {config.tracking.directory}: run one first, in this folder")


def _refusal(old: Specification, new: Specification) -> str:
    heading = f"sweep {old.name!r} exists with another specification:"
    shown = [f"  {line}" for line in _differences(old, new, SHOWN)]
    return "\n".join([heading, *shown, "use another `name=`, or repeat the old command to go on with the old sweep"])


def _differences(old: Specification, new: Specification, limit: int) -> list[str]:
    """At most `limit` lines, the last of which may count the rest; digests are described in words."""
    before, now = old.fingerprinted.to_tree(), new.fingerprinted.to_tree()
    was, becomes = ({key: tree[key] for key in tree if key not in OPAQUE} for tree in (before, now))
    opaque = [line for key, line in OPAQUE.items() if before.get(key) != now.get(key)]
    lines = [*opaque, *differences(was, becomes)]
    more = [f"… and {len(lines) - limit + 1} more"] if len(lines) > limit else []
    return [*lines[: limit - len(more)], *more]


SAMPLE_ROWS = 2000
"""Number of rows that the mean square of the inputs is computed on."""


def name_of(
    plan: "Plan", overrides: Sequence[str], development: Development, sealed: SealedTest | None
) -> SweepIdentity:
    """The sweep of a command line.

    Raises:
        ConfigError: If its name or engine conflicts with a stored sweep.
    """
    config, started_by = plan.base.config, plan.base.actions.get("sweep")
    default = started_by or "run"
    if development.name == "mnist-packaged":
        default = f"{default}-packaged"
    fingerprinted = plan.fingerprinted()
    shape, second_moment = _input_facts(config, development)
    specification = Specification(
        name=config.name or default,
        named=config.name is not None,
        started_by=started_by,
        fingerprint=fingerprinted.fingerprint,
        fingerprinted=fingerprinted,
        data=DataFacts(
            name=development.name,
            development_rows=development.n,
            targets=_targets(development),
            test=SealedRows(sealed.size, sealed.digest, sealed.duplicates) if sealed else None,
            input_shape=shape,
            outputs=output_count(
                plan.levels[0].base.config.loss,  # of a comparison of losses, that of none fits numbers
                development.task,
                development.classes,
                1 if development.classes else development.targets.shape[1],
                data=development.name,
            ),
            input_second_moment=second_moment,
            **tell_data(development, config.data, config.search.metric),
        ),
        engine=engine_text(config.engine),
        overrides=list(map(mask_override, overrides)),
        created_ms=now_ms(),
        description=config.description and mask_text(config.description),
        version=__version__,
    )
    named = identify_sweep(specification, config.tracking.directory)
    stored = named.engine
    if config.engine not in (Engine.AUTO, stored):
        raise ConfigError(
            f"engine={config.engine}: sweep {named.name!r} was started with engine={stored}, use another `name=`"
        )
    return named


def _targets(rows: Development) -> str:
    if rows.classes:
        return f"{rows.classes} classes"
    if rows.labels:
        return f"{len(rows.labels)} labels"
    return f"{len(rows.target_names)} targets" if rows.target_names else "numbers"


def _input_facts(config: Config, rows: Development) -> tuple[tuple[int, ...], float]:
    """The shape of one row as a network sees it, and the mean square of the first rows.

    The mean square is the starting point of signal propagation theory. Fits whose training rows have other categories
    see rows of another width.
    """
    sample = take(rows, np.arange(min(rows.n, SAMPLE_ROWS)))
    preprocessing, features = fit_preprocessing(sample, np.arange(sample.n), config.preprocess)
    inputs = (features.astype(np.float64) - preprocessing.scaling.shift) * preprocessing.scaling.scale
    return inputs.shape[1:], float(np.square(inputs).mean())
