"""Converts a stored sweep to the evidence for its report."""

import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence, TrialRow
from hpsearch.commands.evidence_levels import confounded, groups_in_words, level_design, model_in_words
from hpsearch.commands.test_set_evidence import Opened, rows_of
from hpsearch.config import Config
from hpsearch.config.schema import with_defaults
from hpsearch.data.splits import SplitSizes, split_sizes
from hpsearch.nn.flops import step_flops
from hpsearch.records import Status, TrialResult, Value
from hpsearch.scoring.own_metric import metric_of
from hpsearch.store.loader import LoadedSweep
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SweepStore
from hpsearch.store.trial_config import stored_config


def evidence_of(sweep: LoadedSweep, current: Config, finals: list[Opened], openings: list[dict[str, str]]) -> Evidence:
    """Return the evidence for a report.

    Args:
        sweep: The sweep.
        current: This command's settings where they do not affect results.
        finals: The sweep's own openings of the sealed test set.
        openings: The ledger's entries, by any sweep on the same split.
    """
    config = stored_config(sweep.specification.fingerprinted.config, current)
    reader = _Reader(sweep, config, current)
    design = reader.design(openings)
    trials = tuple(reader.trial(record, design) for record in _comparable(sweep).values())
    confirm = tuple(reader.confirm(level, seed, design) for level, seed in sorted(sweep.confirmed))
    tests, overrides = rows_of(finals, design, openings), tuple(sweep.specification.overrides)
    folder = SweepStore(current.tracking.directory, sweep.specification.name).folder.as_posix()
    times = sweep.retraining_s, sweep.training_s
    return Evidence(design, trials, confirm, tests, *times, overrides, folder, reader.baselines())


def _comparable(sweep: LoadedSweep) -> dict[tuple[str, int], Record]:
    """Return the records whose scores are comparable: in a coarse-to-fine search the longest trainings alone (R02)."""
    search = sweep.specification.fingerprinted.config["search"]
    if search["kind"] != "coarse_to_fine":
        return sweep.records
    epochs = {key: int(record.config_tree["training"]["epochs"]) for key, record in sweep.records.items()}
    return {key: record for key, record in sweep.records.items() if epochs[key] == max(epochs.values())}


class _Reader:
    def __init__(self, sweep: LoadedSweep, config: Config, current: Config) -> None:
        data = sweep.specification.data
        self._sweep, self._config, self._current = sweep, config, current
        self._sizes: SplitSizes = split_sizes(config.evaluation, data.development_rows)
        self._classes = data.classes
        self._metric = metric_of(config.search, classes=self._classes > 0, labels=config.multilabel)

    def design(self, openings: list[dict[str, str]]) -> Design:
        specification, config = self._sweep.specification, self._config
        search, data = config.search, specification.data
        sizes, limit = self._sizes, config.data.limit
        rows = {"train": min(limit or sizes.train, sizes.train), "val": sizes.val, "report": sizes.report}
        if data.test:
            rows["test"] = data.test.rows
        draws = max((k for _, k in self._sweep.records), default=0) + (0 if self._sweep.compares else 1)
        draws -= len(search.enqueue)
        if search.kind == "coarse_to_fine":
            draws = len(_comparable(self._sweep))
        levels = specification.fingerprinted.levels
        return Design(
            name=specification.name,
            title=_title(config),
            levels=tuple(
                level_design(specification.fingerprinted, name, current=self._current) for name in self._sweep.levels
            ),
            metric=self._metric,
            classes=self._classes,
            trials=draws,
            epochs=max([config.training.epochs, *(int(level.config["training"]["epochs"]) for level in levels)]),
            sampler=search.kind,
            pruner=search.pruner,
            evaluation=config.options["evaluation"],
            rows=rows,
            folds=sizes.folds,
            delta=search.delta,
            alpha=search.alpha,
            control=search.control,
            seed=config.seed,
            confirm_seeds=max((seed for _, seed in self._sweep.confirmed), default=0),
            data=data.name,
            model=model_in_words(config, specification.fingerprinted),
            fingerprint=specification.fingerprint,
            facts=self._facts(),
            openings=len(openings),
            looks=self._sweep.looks if len(self._sweep.looks) > 1 else (),
            devices=self._made_with("device"),
            commits=self._made_with("code"),
            mismatched=confounded(specification.fingerprinted),
        )

    def _facts(self) -> dict[str, str]:
        config, lacking = self._config, self._sweep.lacking
        return {
            **({"missing trials": lacking} if lacking else {}),
            **groups_in_words(config, self._sweep.specification.fingerprinted, _compared(config)),
            "batch size": str(config.training.batch_size),
            "precision": str(config.training.precision),
            "device": "; ".join(self._made_with("device")) or str(self._sweep.specification.device),
            "code": "; ".join(self._made_with("code")) or "not recorded",
            "early stopping": "no" if config.training.patience is None else f"patience {config.training.patience}",
        }

    def _made_with(self, what: str) -> tuple[str, ...]:
        """Return each `device`, or version of the `code`, used for trainings, sorted; empty if none is recorded."""
        used = {"not recorded" if each is None else str(getattr(each, what)) for each in self._sweep.made_with}
        return () if used == {"not recorded"} else tuple(sorted(used))

    def baselines(self) -> dict[str, float]:
        """Return the score of each baseline: on report rows if there are any, as of fresh seeds."""
        metric = self._metric
        return {
            each.label: metric.score(each.report[metric.name]) if metric.name in each.report else each.score
            for each in self._sweep.baselines
        }

    def trial(self, record: Record, design: Design) -> TrialRow:
        result = record.result
        config = stored_config(record.config_tree, self._current)
        return TrialRow(
            level=record.level,
            k=record.k,
            status=str(result.status),
            val=_val(result, design),
            report=self._report(result),
            values=self._values(record),
            default=self._sweep.compares and record.k == 0,
            enqueued=record.k < len(self._config.search.enqueue),
            epochs=len(result.curves.get("train/loss", ())),
            cost=self._cost(config, len(result.curves.get("train/loss", ()))),
            curves=result.curves,
            signals=None if result.signals is None else asdict(result.signals),
            losses=self._losses(record),
            summary=result.summary,
        )

    def _values(self, record: Record) -> Mapping[str, Value]:
        """Return a trial's sampled values; for a default recipe, its values of what other trials sample."""
        if not (self._sweep.compares and record.k == 0):
            return record.values
        levels = self._sweep.specification.fingerprinted.levels
        tree, values = with_defaults(record.config_tree), {}
        for name in next(level.draws for level in levels if level.name == record.level):
            group, _, rest = name.partition(".")
            option, _, key = rest.partition(".")
            if not rest:
                values[name] = tree["options"][group]
            elif tree["options"][group] == option and key in tree[group]:
                values[name] = tree[group][key]
        return values

    def _losses(self, record: Record) -> np.ndarray | None:
        """Return the mean loss of each row (n,) in K-fold evaluation, 0 or 1 for a classifier; None for a hold-out."""
        if self._sizes.report or self._sizes.folds == 1 or not record.result.status.scored:
            return None
        arrays = self._sweep.predictions(record.key)
        if "row_losses" not in arrays:
            return None
        rows, losses = arrays["rows"], arrays["row_losses"]
        counts = np.bincount(rows, minlength=int(rows.max()) + 1)
        sums = np.bincount(rows, weights=losses, minlength=len(counts))
        return sums[counts > 0] / counts[counts > 0]

    def confirm(self, level: str, seed: int, design: Design) -> ConfirmRow:
        record, arrays = self._sweep.confirmed[level, seed]
        result, correct = record.result, arrays.get("report_correct")
        recipe = self._sweep.recipe(level)
        report = self._report(result) if self._sizes.report or result.score is None else result.score
        return ConfirmRow(
            level=level,
            key=seed,
            status=str(result.status),
            val=_val(result, design),
            report=design.metric.worst if result.status is Status.DIVERGED else report,
            correct=correct[0] if correct is not None and len(correct) == 1 else None,
            folds=tuple(self._folds(result)),
            curves=result.curves,
            trial=None if recipe is None else recipe.k,
            signals=None if result.signals is None else asdict(result.signals),
            summary=result.summary,
        )

    def _folds(self, result: TrialResult) -> list[float]:
        names = [f"fold/{fold}/{self._metric.fold_key}" for fold in range(self._sizes.folds)]
        return [self._metric.score(result.summary[name]) for name in names if name in result.summary]

    def _report(self, result: TrialResult) -> float:
        value = result.summary.get(f"report/{self._metric}")
        return math.nan if value is None else self._metric.score(value)

    def _cost(self, config: Config, epochs: int) -> float:
        """Return the floating-point operations of all fits of a trial: those of a step times the steps."""
        rows = min(config.data.limit or self._sizes.train, self._sizes.train)
        steps = epochs * math.ceil(rows / config.training.batch_size)
        shape, outputs = self._sweep.specification.data.input_shape, self._sweep.specification.data.outputs
        if shape is None or outputs is None:
            return math.nan
        flops = step_flops(config, tuple(shape), outputs)
        return math.nan if flops is None else steps * flops * self._sizes.folds * config.evaluation.replicates


def _title(config: Config) -> str:
    search = config.search
    if search.compare:
        return search.compare
    return " x ".join(search.cross) if search.cross else ", ".join(sorted(_compared(config))) or "-"


def _compared(config: Config) -> set[str]:
    search = config.search
    groups = {key.partition(".")[0] for level in search.levels.values() for key in level}
    return groups | set(search.cross) | ({search.compare} if search.compare else set())


def _val(result: TrialResult, design: Design) -> float:
    if result.score is not None:
        return result.score
    return design.metric.worst if result.status is Status.DIVERGED else math.nan
