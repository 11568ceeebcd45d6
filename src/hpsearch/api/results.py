"""Results of the Python functions: a sweep, its trials, its report and its final evaluation."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.api.arguments import value_overrides
from hpsearch.api.run_command import run_action
from hpsearch.commands.observer import Observer
from hpsearch.compose.overrides import Command, key_of
from hpsearch.config import Config, ConfigError
from hpsearch.config.data import FolderData, TaskChoice, serves_rows
from hpsearch.errors import BrokenFileError, NotFoundError, SealOpenedError
from hpsearch.formatting import number_of, show_interval, show_number, show_score, show_values
from hpsearch.metrics import Metric
from hpsearch.quoting import hydra_quoted
from hpsearch.records import NO_LEVEL, Status, Value
from hpsearch.scoring.own_metric import metric_of
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.champion_selection import find_champion, pareto_front
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import Attempt, SweepStore
from hpsearch.store.trial_config import config_text, stored_config

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from hpsearch.commands.final import Tested
    from hpsearch.final.evaluation import TestScore
    from hpsearch.final.frozen_champion import Final as FinalTarget
    from hpsearch.tracking.served_table import ServedTable

SHOWN_TRIALS = 8
"""Rows of a sweep's table in a notebook."""

PAGE_PX = 640
"""Height of a report in a notebook."""


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """One trial of a sweep.

    Attributes:
        number: Its number, from 0; in a comparison, numbers count within a level, and 0 is the default recipe.
        level: Its level in a comparison; None without a comparison.
        status: `ok`, `stalled`, `pruned`, `diverged`, `oom` or `error`.
        score: The selection score, higher is better: minus the metric for losses and errors. None without a score.
        score_se: The standard error of the score.
        metric: The metric behind the score, such as `accuracy`.
        options: The option of each config group, such as `{"optimizer": "adam"}`.
        params: Sampled values, such as `{"optimizer.adam.lr": 0.002}`.
        metrics: Metrics beside the score, such as `report/accuracy`.
        run_id: The id of its run in MLflow; None if the file that records it is lost.
        config: Its whole configuration.
        failure: Why it has no score, or why it stalled and cannot be the best; None otherwise.
    """

    number: int
    level: str | None
    status: str
    score: float | None
    score_se: float | None
    metric: str
    options: dict[str, str]
    params: dict[str, Value]
    metrics: dict[str, float]
    run_id: str | None
    config: Config
    failure: str | None = None

    @property
    def value(self) -> float | None:
        """The metric that its score is made of: for losses and errors, minus the score."""
        named = replace(self.config.search, metric=self.metric)  # instead of auto
        return None if self.score is None else metric_of(named).score(self.score)

    @property
    def config_yaml(self) -> str:
        """The configuration as YAML, without keys that do not affect results."""
        return config_text(self.config)

    def __repr__(self) -> str:
        params = "".join(f"; {group} {text}" for group, text in show_values(self.params).items())
        return f"<Trial {_named(self)}: {_result(self)}{params}>"


def trial_of(store: SweepStore, record: Record, attempt: int, settings: Config, metric: str) -> Trial:
    """Return the trial of a record.

    Args:
        store: The store of its sweep.
        record: Its record.
        attempt: Number of the attempt with this record.
        settings: Supplies what records do not store, such as the folder of runs.
        metric: The metric of its sweep.
    """
    result, config, failure = record.result, stored_config(record.config_tree, settings), record.result.failure
    if result.status is Status.STALLED:
        from hpsearch.terminal.sweep import stalled_in_words  # noqa: PLC0415 (the words of the command line)

        failure = stalled_in_words(record)
    return Trial(
        record.k,
        None if record.level == NO_LEVEL else record.level,
        result.status.value,
        result.score,
        result.score_se,
        metric,
        dict(config.options),
        dict(record.values),
        dict(result.summary),
        _run_id(store, record, attempt),
        config,
        failure,
    )


def _run_id(store: SweepStore, record: Record, attempt: int) -> str | None:
    try:
        run_id = store.run_file(record.level, record.k, attempt).get("run_id")
    except BrokenFileError:  # no result depends on it
        return None
    return None if run_id is None else str(run_id)


def _named(trial: Trial) -> str:
    return f"{trial.number}" if trial.level is None else f"{trial.number} of {trial.level}"


def _measured(trial: Trial) -> str:
    return show_score(trial.value, trial.score_se)


def _result(trial: Trial) -> str:
    """Return `val/accuracy 0.972 ± 0.014`, or the status and reason of a trial without a score."""
    if trial.score is None:
        return trial.status if trial.failure is None else f"{trial.status}, {trial.failure.splitlines()[0]}"
    return f"{'' if trial.status == Status.OK else f'{trial.status}, '}val/{trial.metric} {_measured(trial)}"


@dataclass(frozen=True, repr=False)
class Report:
    """The report of a sweep; a notebook displays the whole page.

    Attributes:
        name: The name of the sweep.
        path: The page, `report.html`; Markdown, JSON, tables and figures are in the same folder.
        answers: The status of each answer, such as `inconclusive`, and its sentence.
    """

    name: str
    path: Path
    answers: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `report.json`: all findings as numbers and sentences."""
        findings: dict[str, Any] = json.loads(self.path.with_suffix(".json").read_text(encoding="utf-8"))
        return findings

    def __repr__(self) -> str:
        return "\n".join([*(f"{status}: {sentence}" for status, sentence in self.answers), f"<Report {self.path}>"])

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:{PAGE_PX}px;border:0"></iframe>'


@dataclass(frozen=True, repr=False)
class Final:
    """The single evaluation of a champion on the sealed test set.

    Attributes:
        trial: The champion.
        opening: Number of the opening of this very test set, from 1.
        earlier: How often the test set, or rows of it, were opened before, also as part of another data set.
        opened_by: Who opened it: user, host, sweep and trial.
        opened_at: Time of the opening, ISO 8601.
        scores: By metric, the value and its 95 % interval: `{"accuracy": (0.97, 0.95, 0.98)}`.
        baselines: The same of models that are no networks: `{"boosting": {"accuracy": (0.96, 0.94, 0.98)}, ...}`.
        path: The folder of the refitted weights.
        model_uri: The address of the model in MLflow; None if it could not be exported.
    """

    trial: Trial
    opening: int
    earlier: int
    opened_by: str
    opened_at: str
    scores: dict[str, tuple[float, float | None, float | None]]
    baselines: dict[str, dict[str, tuple[float, float | None, float | None]]]
    path: Path
    model_uri: str | None
    _tested: "Tested"
    _target: "FinalTarget"

    def load_model(self) -> "nn.Module":
        """Return the refitted network in evaluation mode; it scales its inputs (N, ...) itself.

        Inputs are floats; of a table, the features of `feature_names` in this order, which `predict` makes of its rows.
        Outputs are logits (N, classes) in the order of `classes`, one logit (N, 1), above 0 for `classes[1]`, or
        predictions (N, targets) in the targets' units; of labels, probabilities of their second values.
        """
        from hpsearch.final.model import deployed, refit_preprocessing  # noqa: PLC0415 (torch)

        model, development = self._tested.model, self._target.development
        return deployed(model, development, refit_preprocessing(model, development)).eval()

    def predict(self, rows: "pd.DataFrame | str | Path | Sequence[str | Path]") -> "pd.DataFrame":
        """Predict rows of a table, which have the columns of its file, or files of images.

        The model in MLflow predicts the same for rows of a table.

        Args:
            rows: The columns of the inputs, in any order; cells may be missing, and other columns are ignored. Of a
                folder of images: a file, several, or a folder, read as those were.

        Returns:
            `prediction` and, where the network gives probabilities, `probability of <class>` for each class; of a
            regression, the targets by name; of labels, their values by name and `probability of <label> <value>`. It
            has the index of the rows, or the names of the files.

        Raises:
            ConfigError: If the data are no table and no folder of images: `load_model` takes arrays.
            DataError: If a file is no image, or damaged.
            ValueError: If a column is absent, or a cell is no number or date.
        """
        data = self._target.data
        if isinstance(data, FolderData) and data.task is not TaskChoice.AUTOENCODER:
            return self._predict_images(data, [rows] if isinstance(rows, str | Path) else rows)
        return self._served_table.predict(rows)

    def _predict_images(self, data: FolderData, paths: Any) -> "pd.DataFrame":
        from hpsearch.data.image_files import images_at  # noqa: PLC0415
        from hpsearch.final.model import predict_images  # noqa: PLC0415 (torch)

        files = [file for path in paths for file in images_at(Path(path))]
        if not files:
            raise ConfigError("predict takes at least one file of an image, or a folder of them")
        return predict_images(self._tested.model, self._target.development, data, files)

    @cached_property
    def _served_table(self) -> "ServedTable":
        from hpsearch.final.model import served_table  # noqa: PLC0415 (torch)

        data = self._target.data
        if not serves_rows(data):
            raise ConfigError(
                f"predict takes rows of a table or files of images, and the data are {data.kind}: use load_model()"
            )
        return served_table(self._tested.model, self._target.development, data)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The inputs of the model in order, such as `age`, `city_Bonn` for a category and `missingindicator_age`.

        Empty for arrays and images.
        """
        from hpsearch.final.model import refit_preprocessing  # noqa: PLC0415 (torch)

        development = self._target.development
        encoder = refit_preprocessing(self._tested.model, development).encoder if development.columns else None
        return () if encoder is None else encoder.feature_names

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in the order of the outputs; empty for regression."""
        return self._target.development.class_names

    def __repr__(self) -> str:
        scores = "; ".join(f"test/{name} {show_interval(*score)}" for name, score in self.scores.items())
        return f"<Final {scores}; trial {_named(self.trial)}, {self._look}>"

    def _repr_html_(self) -> str:
        rows = [{"metric": f"test/{key}", "value [95 % interval]": show_interval(*v)} for key, v in self.scores.items()]
        when = self.opened_at[:16].replace("T", " ")
        caption = f"Trial {_named(self.trial)}, {self._look} (by {self.opened_by}, {when} UTC)"
        return f"{_table(rows)}<p>{html.escape(caption)}</p>"

    @property
    def _look(self) -> str:
        return f"look {self.earlier + 1} at the test rows" if self.earlier else "first look at the test rows"


class Sweep:
    """A sweep on disk: its trials, its report and its final evaluation.

    Args:
        identity: Its name, specification and records.
        settings: Supplies what is not stored, such as the folders of runs and reports.
        command: The command that ran or would resume it.
        observer: Receives the events of its methods.
    """

    def __init__(self, identity: SweepIdentity, settings: Config, command: Command, observer: Observer) -> None:
        self._identity, self._settings, self._command, self._observer = identity, settings, command, observer

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self._identity.name

    @property
    def path(self) -> Path:
        """The folder of its records."""
        return self._identity.store.folder

    @property
    def command(self) -> str:
        """The equivalent command line, for a shell."""
        return self._command.line()

    @cached_property
    def metric(self) -> str:
        """The metric that trials are scored by, such as `accuracy`; for losses and errors, a score is minus it."""
        return self._metric.name

    @property
    def _metric(self) -> Metric:
        specification = self._identity.specification
        config = stored_config(specification.fingerprinted.config, self._settings)
        return metric_of(config.search, classes=specification.data.classes > 0, labels=config.multilabel)

    @property
    def _finished(self) -> dict[tuple[str, int], Attempt]:
        return self._identity.store.finished()

    @property
    def best(self) -> Trial | None:
        """The highest-scoring trial of status `ok`.

        None if there is none, as when every trial stalled: `sweep.trial(number).failure` says why each did.
        """
        champion = find_champion([attempt.record for attempt in self._finished.values() if attempt.record is not None])
        return None if champion is None else self.trial(champion.k, level=champion.level)

    @property
    def front(self) -> list[Trial]:
        """The trials that no other beats by score and all of `search.objectives`, the highest score first.

        Their costs are among their `metrics`. Without objectives, these are the trials with the best score.
        """
        records = [attempt.record for attempt in self._finished.values() if attempt.record is not None]
        return [self.trial(record.k, level=record.level) for record in pareto_front(records)]

    def trial(self, number: int, *, level: str | None = None) -> Trial:
        """Return one trial.

        Args:
            number: Its number, as `trials` lists it.
            level: Its level, in a comparison.

        Raises:
            NotFoundError: If there is no such finished trial.
        """
        attempt = self._finished.get((level or NO_LEVEL, number))
        if attempt is None or attempt.record is None:
            finished = number_of(len(self), "finished trial")
            name = f"trial {number}" if level is None else f"trial {number} of level {level}"
            raise NotFoundError(f"sweep {self.name!r} has no finished {name}: it has {finished}, see sweep.trials")
        return self._trial(attempt)

    def _trial(self, attempt: Attempt) -> Trial:
        assert attempt.record is not None, attempt.folder
        return trial_of(self._identity.store, attempt.record, attempt.number, self._settings, self.metric)

    @property
    def trials(self) -> "pd.DataFrame":
        """A table with one row per trial.

        Its columns are `number`, `level` (in a comparison), `status`, `score`, `score_se`, the metric on `val` rows,
        all metrics on `report` rows and `search.objectives`, one column per sampled value, and `run_id`.
        """
        import pandas as pd  # noqa: PLC0415 (half a second that a search has no use for)

        metric, rows = self.metric, []
        for _, attempt in sorted(self._finished.items()):
            if attempt.record is None:
                continue
            trial = self._trial(attempt)
            row: dict[str, Any] = {"number": trial.number} | ({} if trial.level is None else {"level": trial.level})
            row |= {"status": trial.status, "score": trial.score, "score_se": trial.score_se}
            row[f"val/{metric}"] = trial.value
            costs = trial.config.search.objectives
            row |= {key: value for key, value in trial.metrics.items() if key in costs or key.startswith("report/")}
            rows.append({**row, **trial.params, "run_id": trial.run_id})
        return pd.DataFrame(rows)

    @property
    def baselines(self) -> "pd.DataFrame":
        """A table of what models that are no networks get on the same rows, one row each; see `evaluation.baseline`.

        Its columns are `baseline`, `score`, `score_se`, the metric on `val` rows and metrics on `report` rows.
        """
        import pandas as pd  # noqa: PLC0415 (half a second that a search has no use for)

        rows = []
        for each in self._identity.store.baselines() or ():
            row: dict[str, Any] = {"baseline": each.label, "score": each.score, "score_se": each.score_se}
            row[f"val/{self.metric}"] = self._metric.score(each.score)
            rows.append({**row, **{f"report/{name}": value for name, value in each.report.items()}})
        return pd.DataFrame(rows)

    def report(self) -> Report:
        """Write the report of the sweep, as files and as artifacts of its run.

        Raises:
            ConfigError: If no trial has finished.
        """
        published = run_action(self._command_for("report"), self._observer)
        return Report(published.name, published.page, published.answers)

    def final(
        self,
        *overrides: str,
        retrains: int = 0,
        epochs: int | None = None,
        seeds: int | None = None,
        reason: str | None = None,
        opening: int | None = None,
    ) -> Final:
        """Retrain the champion on fresh seeds, refit it on all development rows, and open the test set once.

        Args:
            overrides: Further overrides of `+final=sweep`, such as `final.run=<run id>`.
            retrains: Number of further networks refitted with other seeds and tested in the same opening.
            epochs: Epochs of the refit; None: those of the sweep.
            seeds: Number of fresh seeds; None: 10.
            reason: Why a test set that was opened before, or rows of it, are opened again.
            opening: The number of that opening, which the refusal names.

        Raises:
            SealOpenedError: If the test set was opened before, with when and by whom.
            ConfigError: If the sweep is not finished, or has no trial that learned anything.
        """
        if any(key_of(each) == "final.dry_run" for each in overrides):
            raise ConfigError("final.dry_run opens nothing, and so makes no Final: see sweep.best instead")
        values: dict[str, Any] = {"final.retrains": retrains or None, "final.epochs": epochs, "confirm.seeds": seeds}
        values |= {"final.reopen.opening": opening, "final.reopen.reason": reason}
        command = self._command_for("final", *value_overrides(values), *overrides)
        try:
            result = run_action(command, self._observer)
        except SealOpenedError as error:
            way_out = f"{error}\n  from Python: final(reason='…', opening={error.opening})"
            raise SealOpenedError(way_out, error.opening) from None
        target, tested = result.final, result.tested
        store, champion = target.named.store, target.champion
        attempt = store.finished()[champion.key].number
        return Final(
            trial_of(store, champion, attempt, self._settings, self.metric),
            tested.opening.opening,
            tested.earlier,
            tested.opening.claimant,
            tested.opening.granted_at,
            _intervals(tested.evaluated.scores),
            {kind: _intervals(scores) for kind, scores in tested.evaluated.baselines.items()},
            tested.model.folder,
            tested.address,
            tested,
            target,
        )

    def _command_for(self, action: str, *overrides: str) -> Command:
        carried = ("execution", "tracking", "trust", "extend")
        settings = [each for each in self._command.overrides if key_of(each).partition(".")[0] in carried]
        settings += self._command.only("report.directory")
        target = f"{action}.sweep={hydra_quoted(self.name)}"
        return Command((f"+{action}=sweep", target, *settings, *overrides), self._command.config_dir)

    def __len__(self) -> int:
        """Return the number of finished trials."""
        return len(self._finished)

    def __repr__(self) -> str:
        best, trials = self.best, number_of(len(self), "trial")
        if best is None:
            return f"<Sweep {self.name!r}: none of {trials} has a score that counts>"
        return f"<Sweep {self.name!r}: best {_result(best)}, trial {_named(best)}, of {trials}>"

    def _repr_html_(self) -> str:
        best, trials = self.best, [self.trial(number, level=level) for level, number in self._finished]
        ranked = sorted(trials, key=lambda trial: (trial != best, trial.status != Status.OK, -(trial.score or 0.0)))
        rows = []
        for trial in ranked[:SHOWN_TRIALS]:
            row = {"trial": str(trial.number)} | ({} if trial.level is None else {"level": trial.level})
            row[f"val/{self.metric}"] = _measured(trial) if trial.status == Status.OK else trial.status
            reported = trial.metrics.get(f"report/{self.metric}")
            row[f"report/{self.metric}"] = "" if reported is None else show_number(reported)
            rows.append({**row, **show_values(trial.params)})
        left = len(ranked) - len(rows)
        rest = f"<p>and {number_of(left, 'more trial')}: <code>.trials</code> has them all</p>" if left > 0 else ""
        return f"<p>{html.escape(repr(self)[1:-1])}</p>{_table(rows)}{rest}"


def _intervals(scores: Mapping[str, "TestScore"]) -> dict[str, tuple[float, float | None, float | None]]:
    return {name: (score.value, score.low, score.high) for name, score in scores.items()}


def _table(rows: list[dict[str, str]]) -> str:
    import pandas as pd  # noqa: PLC0415 (half a second that a search has no use for)

    return str(pd.DataFrame(rows).to_html(index=False, border=0, na_rep=""))


Callback = Callable[[Sweep, Trial], None]
"""A function called after each trial, as in Optuna."""
