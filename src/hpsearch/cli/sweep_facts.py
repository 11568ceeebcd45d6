"""What `sweep.json` keeps of a sweep beside its specification: its rows, and how it was started."""

from argparse import Namespace

import numpy as np

from hpsearch import __version__
from hpsearch.cli.introduction import tell_columns
from hpsearch.cli.naming import Named, engine_text, name_sweep
from hpsearch.config import Config, ConfigError, Engine
from hpsearch.data.rows import Development
from hpsearch.data.scaling import fit_scaling
from hpsearch.data.seal import SealedTest
from hpsearch.nn.outputs import output_count
from hpsearch.search.attempts import now_ms
from hpsearch.search.plan import Plan
from hpsearch.secrets import mask_override, mask_text

SAMPLE_ROWS = 2000
"""Rows that the mean square of the inputs is measured on."""


def name_of(plan: Plan, command: Namespace, development: Development, sealed: SealedTest | None) -> Named:
    """The sweep of a command by name, with what is known of it before it runs.

    Raises:
        ConfigError: If the name, or the engine, contradicts what is stored.
    """
    config, started_by = plan.base.config, plan.base.actions.get("sweep")
    default = started_by or "run"
    if development.name == "mnist-packaged":
        default = f"{default}-packaged"
    test = {"rows": sealed.size, "digest": sealed.digest, "duplicates": sealed.duplicates} if sealed else None
    data = {
        "name": development.name,
        "development_rows": development.n,
        "targets": f"{development.classes} classes" if development.classes else "numbers",
        "test": test,
        "input_shape": list(development.inputs.shape[1:]),
        "outputs": _outputs(config, development),
        "input_second_moment": _second_moment(config, development),
        **tell_columns(development, config.data),
    }
    facts = {
        "engine": engine_text(config.engine),
        "overrides": list(map(mask_override, command.overrides)),
        "data": data,
        "description": config.description and mask_text(config.description),
        "version": __version__,
        "created_ms": now_ms(),
    }
    named = name_sweep(plan, default, started_by, facts)
    stored = named.engine
    if config.engine not in (Engine.AUTO, stored):
        raise ConfigError(
            f"engine={config.engine}: sweep {named.name!r} was started with engine={stored}, use another `name=`"
        )
    return named


def _outputs(config: Config, rows: Development) -> int:
    width = 1 if rows.classes else rows.targets.shape[1]
    return output_count(config.loss, rows.task, rows.classes, width, data=rows.name)


def _second_moment(config: Config, rows: Development) -> float:
    """Mean square of the inputs as a network sees them, on the first rows: where theory of signals begins."""
    first = np.arange(min(rows.n, SAMPLE_ROWS))
    scaling = fit_scaling(rows, first, config.data.normalize)
    inputs = (rows.inputs[first].astype(np.float64) - scaling.shift) * scaling.scale
    return float(np.square(inputs).mean())
