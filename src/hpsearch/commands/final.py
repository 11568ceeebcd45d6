"""`+final=…`: confirms the champion of a sweep on fresh seeds, refits it, and evaluates it on the sealed test set."""

import getpass
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hpsearch.commands.confirm import SeedProgress
from hpsearch.commands.final_target import choose
from hpsearch.commands.observer import Observer
from hpsearch.commands.previous_reports import noted_by_user
from hpsearch.commands.tracking_run import connect, stored
from hpsearch.compose.composer import Composer
from hpsearch.config import Config
from hpsearch.config.conversion import to_tree
from hpsearch.config.data import serves_rows
from hpsearch.config.search import BaselineKind
from hpsearch.data.dataset import Rows
from hpsearch.data.preprocessing import frame
from hpsearch.data.row_fingerprints import OpenedRows
from hpsearch.errors import SealOpenedError, StorageError
from hpsearch.execution.interrupts import StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.execution.throughput import build_executor, build_scheduler, check_configs, fits_of
from hpsearch.final.claims import Request, begin_claim, claim, end_claim, pending_nonce, require_right
from hpsearch.final.earlier_openings import noted, noted_in, recurring, remember, unknown_to, user_folder
from hpsearch.final.evaluation import (
    BITMAPS,
    Evaluated,
    TestScore,
    evaluate,
    evaluate_baselines,
    pack,
    result_json,
    right_of,
)
from hpsearch.final.frozen_champion import Chosen, Final, prepare_final
from hpsearch.final.model import (
    Model,
    Models,
    deployed,
    load_model,
    refit_preprocessing,
    save_model,
    served_table,
)
from hpsearch.final.refit import DEFAULT_SEEDS, plan_refit, require_plan, train_refits
from hpsearch.formatting import number_of
from hpsearch.import_path import described
from hpsearch.jobs import RefitJob, TrialJob
from hpsearch.records import Status, TrialResult
from hpsearch.search.driver import Driver
from hpsearch.search.retraining import FrozenRecipe, RetrainingLog, retrain
from hpsearch.search.space import Composed
from hpsearch.secrets import mask_uri
from hpsearch.store.atomic_files import write_atomic
from hpsearch.store.provenance import Provenance
from hpsearch.store.specification import digest
from hpsearch.store.trial_config import config_text, option_params
from hpsearch.tracking.claim_ledger import Opening, require_unaltered
from hpsearch.tracking.run_format import Role, SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


def _refit(
    final: Final,
    current: Config,
    confirmed: Sequence[TrialResult],
    scheduler: FleetScheduler,
    signals: StopSignals,
    observer: Observer,
) -> Models:
    """Return the networks to evaluate; stored ones are not trained again."""
    job = plan_refit(final.config, current.final.epochs, confirmed)
    jobs = [replace(job, retrain=number) for number in range(current.final.retrains + 1)]
    stored_models = {job.retrain: load_model(_folder(final.folder, job), job.config) for job in jobs}
    models = {number: model for number, model in stored_models.items() if model is not None}
    missing = [job for job in jobs if job.retrain not in models]
    if missing:
        observer.refit_started(final, missing)
    with observer.phase("refitting") if missing else nullcontext():
        for job, result in train_refits(missing, scheduler, signals, observer.underway):
            models[job.retrain] = save_model(_folder(final.folder, job), job, result)
            if job.retrain:
                observer.retrain_finished(sum(number > 0 for number in models), len(jobs) - 1)
    shipped, *retrained = (models[job.retrain] for job in jobs)
    return Models(shipped, tuple(retrained))


def _folder(final: Path, job: RefitJob) -> Path:
    inputs = {"config": job.config.fingerprinted(), "stop_after": job.stop_after, "recorded": to_tree(job.recorded)}
    name = f"refit-{job.stop_after}-epochs-{digest(inputs)[:8]}"
    return final / (f"{name}-retrain-{job.retrain}" if job.retrain else name)


@dataclass(frozen=True, slots=True)
class Tested:
    """The results of one opening of a sealed test set.

    Attributes:
        opening: The opening in the ledger, which counts those of this very test set.
        earlier: How often the test set, or rows of it, were opened before, in this ledger or elsewhere.
        evaluated: Scores with intervals, by metric.
        model: The refitted network on disk.
        address: The model's address in MLflow; None if it could not be exported.
    """

    opening: Opening
    earlier: int
    evaluated: Evaluated
    model: Model
    address: str | None


@dataclass(frozen=True, slots=True)
class FinalResult:
    """The final evaluation of a champion, with its results unless it was a dry run."""

    final: Final
    tested: Tested | None


def run_final(
    composer: Composer, base: Composed, chosen: Chosen | None, observer: Observer, signals: StopSignals
) -> FinalResult:
    """Confirm, refit, claim and evaluate.

    Args:
        composer: The composer of the command line.
        base: The configuration without the settings that the stored sweep records.
        chosen: The trial; None: looked up in the tracking store.
        observer: Receives events.
        signals: Stop signals of the process.

    Raises:
        ConfigError: If the trial, its data or its code cannot be found unchanged.
        SealOpenedError: If the test set was opened before without acknowledgment.
        StoppedError: On a signal; the same command resumes.
    """
    current = base.config
    with ExitStack() as stack:
        with observer.phase("reading the sweep, its data and the openings of its test set"):
            tracker = stack.enter_context(connect(current, observer))
            chosen = chosen or choose(composer, current, tracker.find_trial(str(current.final.run)))
            if chosen.note:
                observer.warn(chosen.note)
            final = prepare_final(chosen)
            require_plan(final.config, current.final.epochs, _seeds(current))
            openings = tracker.ledger.openings(final.sealed.digest)
            require_unaltered(openings)
            elsewhere = _openings_elsewhere(openings, final, Path(current.tracking.directory), tracker, observer)
        observer.final_started(
            final,
            tracker.uri,
            len(openings) + len(elsewhere),
            chosen=current.final.run is not None,
            retrains=current.final.retrains,
        )
        if current.final.dry_run:
            _dry_run(observer, openings, final, current, elsewhere)
            return FinalResult(final, None)
        _require_right(openings, final, current, elsewhere)
        return FinalResult(final, _evaluate_champion(final, current, tracker, elsewhere, observer, signals))


def _openings_elsewhere(
    openings: Sequence[Opening], final: Final, directory: Path, tracker: Tracker, observer: Observer
) -> list[str]:
    """Return a sentence for each opening that counts but is not in the ledger under this test set.

    These are openings of this test set in another ledger, and openings of other test sets that have shown rows of this
    data set. Matches that chance explains, and openings made from other folders, cause warnings alone.
    """
    listed = noted_in(tracker.ledger, mask_uri(tracker.uri))
    for note in listed:
        if note.rows is None:
            observer.warn(f"rows are not known again, since the store has lost the list of them: {note.sentence}")
    counted = {note.entry: note for note in [*noted(directory), *listed]}
    uncounted = {note.entry: note for note in noted_by_user(observer) if note.entry not in counted}
    digest, parts = final.sealed.digest, (final.development, final.sealed)
    matches = recurring(counted.values(), *parts, other=True)
    warnings = [note.sentence for note in unknown_to(openings, uncounted.values(), digest)]
    warnings += [each.sentence for each in recurring(uncounted.values(), *parts, other=True)]
    warnings += [each.sentence for each in matches if each.chance]
    for sentence in warnings:
        observer.warn(f"known of this test set, and not counted: {sentence}")
    unlisted = [note.sentence for note in unknown_to(openings, counted.values(), digest)]
    return unlisted + [each.sentence for each in matches if not each.chance]


def _evaluate_champion(
    final: Final, current: Config, tracker: Tracker, elsewhere: Sequence[str], observer: Observer, signals: StopSignals
) -> Tested:
    """Confirm, refit and evaluate; results go to the runs of fresh seeds and of the final, not to the sweep's own."""
    seeds = _seeds(current)
    with ExitStack() as stack:
        stack.enter_context(signals)
        configs, rows = [final.config] * max(seeds, 1), final.development.n
        trainings = max(len(configs) * fits_of(final.config, rows), current.final.retrains + 1)
        executor = stack.enter_context(build_executor(final.config, final.data, trainings))
        with observer.phase("starting workers"):
            checked = check_configs(executor, configs, final.named.engine, signals)
        final.named.on_device(checked.device, current)
        stack.enter_context(final.named.store.lock())
        final.freeze()
        run = stack.enter_context(stored(tracker, final.named))
        scheduler = build_scheduler(executor, checked, [TrialJob(config) for config in configs], rows)
        recipe = FrozenRecipe(final.trial, final.named.store.confirmation(final.champion.level, final.champion.k))
        log = RetrainingLog(tracker, run, Provenance.here(checked.device), [recipe])
        with observer.phase(f"confirming on {number_of(seeds, 'fresh seed')}"):
            progress = SeedProgress(observer)
            driver = Driver(log, lambda _: scheduler, signals, progress.seed_done, observer.underway)
            asked = retrain([recipe], (seeds,), driver, lambda _: (), progress.expect)
        results = [record.result for record in asked.records]
        if results:
            observer.champion_confirmed(final, results)
        models = _refit(final, current, results, scheduler, signals, observer)
        return _Evaluation(final, current, models, tracker, run, observer).open(elsewhere)


def _require_right(openings: Sequence[Opening], final: Final, current: Config, elsewhere: Sequence[str]) -> int:
    """Return the number of the opening that may be claimed, as far as it is known before the weights are."""
    reopen, nonce = current.final.reopen, pending_nonce(final.folder)
    return require_right(openings, reopen.reason, reopen.opening, None, nonce, elsewhere, final.sealed.shared)


def _seeds(current: Config) -> int:
    return DEFAULT_SEEDS if current.confirm.seeds is None else current.confirm.seeds


def _dry_run(
    observer: Observer, openings: Sequence[Opening], final: Final, current: Config, elsewhere: Sequence[str]
) -> None:
    """Print what the same command would do without `final.dry_run`."""
    observer.line("final.dry_run=true: nothing was trained and nothing opened")
    try:
        number = _require_right(openings, final, current, elsewhere)
    except SealOpenedError as refusal:
        observer.warn("without final.dry_run, this command is refused:")
        for line in str(refusal).splitlines():
            observer.line(f"  {line}")
    else:
        verb = "makes" if number > len(openings) else "finishes, with the same weights,"
        observer.line(f"without final.dry_run, this command {verb} opening {number}")


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """The single evaluation: claims the test set, evaluates on it, logs the results."""

    final: Final
    current: Config
    models: Models
    tracker: Tracker
    run: SweepRun
    observer: Observer

    def open(self, elsewhere: Sequence[str]) -> Tested:
        """Claim the test set before any of its rows is read, and evaluate the networks on it.

        After a crash at any later step, the same command finishes this opening in the same run with the same numbers
        and bitmaps, since the networks and the claim's nonce are stored.
        """
        with self.observer.phase("claiming the test set"):
            opening = claim(self.tracker.ledger, self.final.sealed, self._request(), elsewhere)
            right = right_of(opening)
            self._keep_rows(opening, self.final.sealed.opened(right, self.final.development))
        started_ms = now_ms()
        run_id = self._start_run(opening, started_ms)
        with self._ends_on_failure(run_id), self.observer.phase(f"evaluating on {self.final.sealed.size:,} test rows"):
            rows = self.final.sealed.open(right)
            evaluated = evaluate(self.models, self.final.development, rows)
            evaluated = replace(evaluated, baselines=self._baselines(rows))
            self._log(run_id, opening, evaluated)
        self.tracker.ledger.record_result(opening, {name: each.value for name, each in evaluated.scores.items()})
        write_atomic(self.final.folder / "result.json", result_json(opening, evaluated))
        self.observer.test_evaluated(self.final, opening, evaluated)
        if elsewhere:
            times = number_of(len(elsewhere), "time")
            self.observer.warn(f"rows of this data set were opened {times} before elsewhere: not a first look")
        address = self._store_model(run_id)
        end_claim(self.final.folder)
        return Tested(opening, opening.opening - 1 + len(elsewhere), evaluated, self.models.shipped, address)

    def _baselines(self, rows: Rows) -> dict[str, dict[str, TestScore]]:
        """Return the test scores of the baselines that this command asks for, or else of those that the sweep has."""
        asked = self.current.evaluation.baseline
        try:
            if asked is None:
                asked = [BaselineKind(each.kind) for each in self.final.named.store.baselines() or ()]
            evaluation = replace(self.final.config.evaluation, baseline=asked)
            return evaluate_baselines(replace(self.final.config, evaluation=evaluation), self.final.development, rows)
        except Exception as error:  # noqa: BLE001 (whatever fails here, the result of the network stands)
            self.observer.warn(f"baselines could not be trained: {described(error)}")
            return {}

    def _keep_rows(self, opening: Opening, rows: OpenedRows) -> None:
        # The rows are recognized in other data, here and in other folders.
        uri = mask_uri(self.tracker.uri)
        remember(Path(self.current.tracking.directory), opening, uri, rows)
        self.tracker.ledger.keep_rows(opening, json.dumps(rows.tree()))
        try:
            remember(user_folder(), opening, uri, rows)
        except StorageError as error:
            self.observer.warn(f"other folders will not be told of this opening: {error}")

    def _request(self) -> Request:
        reopen, champion = self.current.final.reopen, self.final.champion
        who = f"{getpass.getuser()}@{socket.gethostname()}, sweep {self.final.named.name}, trial {champion.name}"
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        nonce = begin_claim(self.final.folder)
        return Request(who, now, self.models.digest, nonce, reopen.reason, reopen.opening)

    def _start_run(self, opening: Opening, started_ms: int) -> str:
        """Start the final run: the only one with `test/…` metrics, exactly one per opening."""
        champion, shipped = self.final.champion, self.models.shipped
        tags = {
            "opening": str(opening.opening),
            "purpose": opening.purpose,
            "test_digest": self.final.sealed.digest,
            "weights_sha256": shipped.digest,
            "retrains": str(len(self.models.retrained)),
        }
        if self.final.development.classes:
            tags["bitmaps"] = BITMAPS
        return self.tracker.start_attempt(
            self.run,
            champion.level,
            champion.k,
            1,
            started_ms=started_ms,
            role=Role.FINAL,
            part=f"opening {opening.opening}",
            params=option_params(shipped.config),
            tags=tags,
            config=config_text(shipped.config),
        )

    @contextmanager
    def _ends_on_failure(self, run_id: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            with suppress(Exception):  # tracking may be what failed
                self.tracker.terminate(run_id, Status.ERROR, ended_ms=now_ms())
            raise

    def _log(self, run_id: str, opening: Opening, evaluated: Evaluated) -> None:
        summary: dict[str, float] = {}
        for name, score in evaluated.scores.items():
            summary[f"test/{name}"] = score.value
            if score.low is not None and score.high is not None:
                summary |= {f"test/{name}/low": score.low, f"test/{name}/high": score.high}
            retrained = evaluated.retrained[name].tolist()
            summary |= {f"test/{name}/retrain/{i}": value for i, value in enumerate(retrained, start=1)}
        for kind, scores in evaluated.baselines.items():
            summary |= {f"baseline/{kind}/test/{name}": score.value for name, score in scores.items()}
        files = {f"model/{path.name}": path for path in sorted(self.models.shipped.folder.iterdir())}
        if evaluated.correct is not None:
            files[BITMAPS] = self.final.folder / f"opening-{opening.opening}-{BITMAPS}"
            write_atomic(files[BITMAPS], pack(evaluated.correct))
        result = TrialResult(Status.OK, None, None, None, {}, summary, [], [])
        self.tracker.finish_attempt(run_id, result, ended_ms=now_ms(), artifacts=files)

    def _log_model(self, run_id: str) -> str:
        model, development, data = self.models.shipped, self.final.development, self.final.data
        if serves_rows(data):
            rows = frame(development.columns, development.inputs)
            return self.tracker.log_table_model(self.run, run_id, served_table(model, development, data), rows)
        network = deployed(model, development, refit_preprocessing(model, development))
        return self.tracker.log_model(self.run, run_id, network, development.inputs)

    def _store_model(self, run_id: str) -> str | None:
        # The result is stored by now: a failing export loses nothing else.
        try:
            with self.observer.phase("writing the model"):
                address = self._log_model(run_id)
        except Exception as error:  # noqa: BLE001 (torch.export fails in its own ways on modules of users)
            self.observer.warn(f"the network could not be exported for MLflow, its weights are stored: {error}")
            address = None
        self.observer.model_stored(self.final, self.models.shipped, self.tracker.uri, address)
        return address
