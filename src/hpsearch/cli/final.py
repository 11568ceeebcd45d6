"""`+final=…`: the champion of a sweep, confirmed on fresh seeds, refitted, and shown the sealed test set once."""

import getpass
import json
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from hpsearch.cli.building import build_executor, check_configs, connect, open_run
from hpsearch.cli.champion import Final, prepare_final
from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import require_sweeps, require_target
from hpsearch.config import Config
from hpsearch.config.tree import to_tree
from hpsearch.final.claims import Request, claim, require_right
from hpsearch.final.evaluation import TestScore, evaluate, result_text
from hpsearch.final.model import Model, deployed, load_model, save_model
from hpsearch.final.openings import remember, unknown_to
from hpsearch.final.refit import DEFAULT_SEEDS, plan_refit, shrinkage
from hpsearch.records import Status, TrialResult
from hpsearch.search.confirm import Confirmation
from hpsearch.search.plan import digest
from hpsearch.search.record_files import write_whole
from hpsearch.search.stop import StoppedError, StopSignals
from hpsearch.search.study import config_text, now_ms, option_params
from hpsearch.space import Composed
from hpsearch.terminal import Terminal, show_score, show_values
from hpsearch.tracking.ledger import Opening
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import Ending, Role, SweepRun


def run_final(composer: Composer, base: Composed, terminal: Terminal) -> int:
    """Confirms, refits, claims and evaluates; returns the exit status."""
    asked = base.config
    require_target(asked, base.actions["final"])
    require_sweeps(asked)
    directory, reopen = Path(asked.tracking.directory), asked.final.reopen
    with connect(asked) as tracker:
        final = prepare_final(composer, asked, tracker, terminal)
        openings = tracker.ledger.openings(final.sealed.digest)
        elsewhere = unknown_to(directory, final.sealed.digest, openings)
        _introduce(terminal, final, len(openings) + len(elsewhere), chosen=asked.final.run is not None)
        if asked.final.dry_run:
            terminal.line("final.dry_run=true: nothing was trained and nothing opened")
            return 0
        require_right(openings, reopen.reason, reopen.opening, None, elsewhere)
        _evaluate_champion(final, asked, tracker, elsewhere, terminal)
    return 0


def _evaluate_champion(
    final: Final, asked: Config, tracker: Tracker, elsewhere: Sequence[str], terminal: Terminal
) -> None:
    """Everything that writes; the parent run is closed whatever happens."""
    seeds = DEFAULT_SEEDS if asked.confirm.seeds is None else asked.confirm.seeds
    with ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        executor = stack.enter_context(build_executor(asked, final.data, seeds))
        final.named.require_device(check_configs(executor, [final.config], signals), asked)
        stack.enter_context(final.named.store.lock())
        final.freeze()
        run = open_run(tracker, final.named, [])
        store = final.named.store.confirmation(final.champion.level, final.champion.k)
        told = partial(_tell, terminal, seeds)
        confirmation = Confirmation(final.trial, store, tracker, run, executor, signals, told)
        try:
            model = _confirm_and_refit(final, asked, confirmation, seeds, terminal)
            _Evaluation(final, asked, model, tracker, run, terminal).open(elsewhere)
        except StoppedError:
            tracker.close_sweep(run, Ending.KILLED, ended_ms=now_ms())
            raise
        except Exception:
            tracker.close_sweep(run, Ending.FAILED, ended_ms=now_ms())
            raise
        tracker.close_sweep(run, Ending.FINISHED, ended_ms=now_ms())


def _introduce(terminal: Terminal, final: Final, opened: int, *, chosen: bool) -> None:
    result = final.champion.result
    drawn = " · ".join(show_values(final.champion.values).values())
    score = show_score(result.score, result.score_se)
    twice = f", {final.sealed.duplicates} of them also in the development set" if final.sealed.duplicates else ""
    before = f"opened {opened} time{'s' if opened > 1 else ''} before" if opened else "never opened"
    terminal.line(f"final of sweep {final.named.name}", style="bold")
    what = "trial   " if chosen else "champion"
    terminal.line(f"  {what}  trial {final.champion.k} of {final.trials}, score {score} on val rows")
    terminal.line(f"            {drawn or 'one configuration, nothing was searched'}")
    terminal.line(
        f"  test set  {final.sealed.size:,} sealed rows of {final.development.name}{twice}, {before} "
        f"(content {final.sealed.digest[:12]})"
    )


def _tell(terminal: Terminal, seeds: int, done: int) -> None:
    terminal.line(f"  confirm   fresh seed {done} of {seeds}")


def _confirm_and_refit(
    final: Final, asked: Config, confirmation: Confirmation, seeds: int, terminal: Terminal
) -> Model:
    results = confirmation.finish(seeds)
    if results:
        _show_shrinkage(terminal, final, results)
    job = plan_refit(final.config, asked.final.epochs, results)
    what = {"config": job.config.covered(), "stop_after": job.stop_after, "recorded": to_tree(job.recorded)}
    folder = final.folder / f"refit-{job.stop_after}-epochs-{digest(what)[:8]}"
    model = load_model(folder)
    if model is None:
        terminal.line(f"  refit     {job.stop_after} epochs on the {final.development.n:,} development rows")
        model = save_model(folder, job, confirmation.refit(job))
    return model


def _show_shrinkage(terminal: Terminal, final: Final, results: Sequence[TrialResult]) -> None:
    assert final.champion.result.score is not None
    found = shrinkage(final.champion.result.score, results)
    if found.confirmed is None:
        terminal.warn(f"{found.failed} of {found.n} fresh seeds have no score: the champion is not reliable")
        return
    spread = f" (SD {found.sd:.2g})" if found.sd is not None else ""
    change = found.confirmed - found.search
    verdict = f"it shrank by {-change:.4f}" if change < 0 else f"it did not shrink ({change:+.4f})"
    terminal.line(
        f"  confirmed mean score of {found.n} fresh seeds {found.confirmed:.4f}{spread}; the search said "
        f"{found.search:.4f}: {verdict}"
    )


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """The one look: claim, evaluate, log, tell."""

    final: Final
    asked: Config
    model: Model
    tracker: Tracker
    run: SweepRun
    terminal: Terminal

    def open(self, elsewhere: Sequence[str]) -> None:
        """Claims the test set before any of its rows is read, and evaluates the model on it."""
        opening = claim(self.tracker.ledger, self.final.sealed, self._request(), elsewhere)
        remember(Path(self.asked.tracking.directory), opening, self.tracker.uri)
        started_ms = now_ms()
        scores = evaluate(self.model, self.final.development, self.final.sealed, opening)
        run_id = self._start_run(opening, started_ms)
        self._log(run_id, scores)
        self.tracker.ledger.record_result(opening, json.loads(result_text(scores)))
        result = {"opening": opening.opening, "scores": {name: asdict(score) for name, score in scores.items()}}
        write_whole(self.final.folder / "result.json", json.dumps(result, indent=1).encode())
        self._conclude(opening, scores)
        self._store_model(run_id)

    def _request(self) -> Request:
        reopen, champion = self.asked.final.reopen, self.final.champion
        who = f"{getpass.getuser()}@{socket.gethostname()}, sweep {self.final.named.name}, trial {champion.k}"
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        return Request(who, now, self.model.digest, reopen.reason, reopen.opening)

    def _start_run(self, opening: Opening, started_ms: int) -> str:
        """The final run: the only one with `test/…` metrics, exactly one for each opening."""
        champion = self.final.champion
        tags = {
            "opening": str(opening.opening),
            "purpose": opening.purpose,
            "test_digest": self.final.sealed.digest,
            "weights_sha256": self.model.digest,
        }
        return self.tracker.start_attempt(
            self.run,
            champion.level,
            champion.k,
            1,
            started_ms=started_ms,
            role=Role.FINAL,
            part=f"opening {opening.opening}",
            params=option_params(self.model.config),
            tags=tags,
            config=config_text(self.model.config),
        )

    def _log(self, run_id: str, scores: dict[str, TestScore]) -> None:
        summary: dict[str, float] = {}
        for name, score in scores.items():
            summary[f"test/{name}"] = score.value
            if score.low is not None and score.high is not None:
                summary |= {f"test/{name}/low": score.low, f"test/{name}/high": score.high}
        files = {f"model/{path.name}": path for path in sorted(self.model.folder.iterdir())}
        result = TrialResult(Status.OK, None, None, None, {}, summary, [], [])
        self.tracker.finish_attempt(run_id, result, ended_ms=now_ms(), artifacts=files)

    def _conclude(self, opening: Opening, scores: dict[str, TestScore]) -> None:
        lines = []
        for name, score in sorted(scores.items()):
            interval = "" if score.low is None or score.high is None else f"  [{score.low:.4f}, {score.high:.4f}]"
            lines.append((f"test/{name}", f"{score.value:.4f}{interval}"))
        number = opening.opening
        heading = f"Test, {self.final.sealed.size:,} rows, 95 % intervals, opening {number} of {number}"
        self.terminal.steps(heading, lines)
        if number > 1:
            reason = opening.purpose.partition(" [weights")[0]
            times = "once" if number == 2 else f"{number - 1} times"
            self.terminal.warn(f"this test set was opened {times} before: not a first look ({reason})")

    def _store_model(self, run_id: str) -> None:
        """Exports the network to MLflow; the result is safe by now, so that a failing export costs nothing else."""
        written = [("weights", str(self.model.folder / "model.safetensors"))]
        network = deployed(self.model, self.final.development)
        try:
            written.append(("MLflow", self.tracker.log_model(self.run, run_id, network, self.final.development.inputs)))
        except Exception as error:  # noqa: BLE001 (torch.export fails in its own ways on modules of users)
            self.terminal.warn(f"the network could not be exported for MLflow, its weights are stored: {error}")
        self.terminal.steps("Written", written)
