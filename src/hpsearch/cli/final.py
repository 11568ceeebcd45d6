"""`+final=…`: the champion of a sweep, confirmed on fresh seeds, refitted, and shown the sealed test set once."""

import getpass
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hpsearch.cli.building import build_executor, connect, now_ms, open_run
from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import Named, find_sweep, require_sweeps, require_target
from hpsearch.config import Config, ConfigError
from hpsearch.config.run import UNCOVERED
from hpsearch.data.rows import Development
from hpsearch.data.seal import SealedTest, data_digest, load_development, seal
from hpsearch.data.sources import find_source
from hpsearch.final import (
    DEFAULT_SEEDS,
    Model,
    Request,
    TestScore,
    claim,
    deployed,
    evaluate,
    load_model,
    plan_refit,
    require_right,
    result_text,
    save_model,
    shrinkage,
)
from hpsearch.records import Status, Trial, TrialResult
from hpsearch.search.champion import find_champion
from hpsearch.search.confirm import Confirmation
from hpsearch.search.record_files import write_whole
from hpsearch.search.stop import StoppedError, StopSignals
from hpsearch.search.study import config_text, option_params
from hpsearch.search.trial_records import Record
from hpsearch.space import Composed
from hpsearch.terminal import Terminal, show_score, show_values
from hpsearch.tracking.ledger import Opening
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import Ending, Role, SweepRun


@dataclass(frozen=True, slots=True)
class Final:
    """What one `+final` command works on."""

    named: Named
    champion: Record
    config: Config
    development: Development
    sealed: SealedTest
    data: Any
    trials: int

    @property
    def trial(self) -> Trial:
        """The champion as a trial."""
        return Trial(self.champion.level, self.champion.k, self.champion.values, self.config)

    @property
    def folder(self) -> Path:
        """Where the final of this champion is kept."""
        return self.named.store.final_folder(self.champion.level, self.champion.k)


def run_final(composer: Composer, base: Composed, terminal: Terminal) -> int:
    """Confirms, refits, claims and evaluates; returns the exit status."""
    asked = base.config
    require_target(asked, base.actions["final"])
    require_sweeps(asked)
    with connect(asked) as tracker:
        final = _prepare(composer, asked, tracker, terminal)
        openings = tracker.ledger.openings(final.sealed.digest)
        _introduce(terminal, final, openings)
        if asked.final.dry_run:
            terminal.line("final.dry_run=true: nothing was trained and nothing opened")
            return 0
        require_right(openings, asked.final.reopen.reason, asked.final.reopen.opening, weights=None)
        seeds = DEFAULT_SEEDS if asked.confirm.seeds is None else asked.confirm.seeds
        with (
            final.named.store.lock(),
            StopSignals() as signals,
            build_executor(asked, final.data, seeds) as executor,
        ):
            run = open_run(tracker, final.named.specification, [])
            _freeze(final)
            store = final.named.store.confirmation(final.champion.level, final.champion.k)
            told = partial(_tell, terminal, seeds)
            confirmation = Confirmation(final.trial, store, tracker, run, executor, signals, told)
            try:
                model = _confirm_and_refit(final, asked, confirmation, seeds, terminal)
            except StoppedError:
                tracker.close_sweep(run, Ending.KILLED, ended_ms=now_ms())
                raise
            opening, scores = _open_and_evaluate(final, asked, model, tracker, run)
            _conclude(terminal, final, opening, scores)
            _store_model(final, model, tracker, run, opening, terminal)
            tracker.close_sweep(run, Ending.FINISHED, ended_ms=now_ms())
    return 0


def _prepare(composer: Composer, asked: Config, tracker: Tracker, terminal: Terminal) -> Final:
    wanted = None
    if asked.final.run is not None:
        wanted = tracker.find_trial(asked.final.run)
    named = find_sweep(asked, wanted.sweep if wanted else None)
    records = named.store.records()
    champion = records.get((wanted.level, wanted.k)) if wanted else find_champion(records.values())
    if champion is None or champion.result.score is None:
        what = f"run {asked.final.run}" if wanted else f"sweep {named.name!r}"
        raise ConfigError(f"{what} has no trial with a score: there is nothing to evaluate")
    _refuse_contradictions(composer, asked, champion, named)
    config = _champion_config(asked, champion)
    source = find_source(config.data)
    if source.note:
        terminal.warn(source.note)
    development = load_development(config.data, source=source)
    sealed = seal(config.data, source=source, development=development)
    if sealed is None:
        raise ConfigError(f"{development.name} has no test set: it is trained and scored on the same rows")
    if data_digest(development, sealed) != named.specification["specification"]["data"]:
        raise ConfigError(
            f"the data of sweep {named.name!r} ({named.specification['data']['name']}) is not the data found now "
            f"({development.name}): restore it"
        )
    return Final(named, champion, config, development, sealed, source.data, len(records))


def _champion_config(asked: Config, champion: Record) -> Config:
    """The champion's configuration, with this command's settings where they change no result."""
    now = asked.to_tree()
    tree = {**now, **champion.config_tree, **{key: now[key] for key in UNCOVERED if key in now}}
    tree["search"] = {**champion.config_tree["search"], "trials": 1}
    return Config.from_tree(tree)


def _refuse_contradictions(composer: Composer, asked: Config, champion: Record, named: Named) -> None:
    """The stored specification is authoritative: what the command says otherwise must say the same."""
    stored, now = champion.config_tree, asked.to_tree()
    problems = []
    for group, option in composer.overrides.options.items():
        if group in stored["options"] and group not in UNCOVERED and stored["options"][group] != option:
            problems.append(f"{group}={option} contradicts sweep {named.name!r}, which has {stored['options'][group]}")
    for key in composer.overrides.values:
        group, _, name = key.partition(".")
        if group not in UNCOVERED:
            old, new = (_at(tree.get(group), name) for tree in (stored, now))
            if old != new:
                problems.append(f"{key}={new} contradicts sweep {named.name!r}, which has {old}")
    if problems:
        raise ConfigError(*problems)


def _at(tree: Any, path: str) -> Any:
    for key in path.split(".") if path else []:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _introduce(terminal: Terminal, final: Final, openings: Sequence[Opening]) -> None:
    result = final.champion.result
    terminal.line(f"final of sweep {final.named.name}", style="bold")
    score = show_score(result.score, result.score_se)
    terminal.line(f"  champion  trial {final.champion.k} of {final.trials}, score {score} on val rows")
    drawn = " · ".join(show_values(final.champion.values).values())
    terminal.line(f"            {drawn or 'one configuration, nothing was searched'}")
    twice = f", {final.sealed.duplicates} of them also in the development set" if final.sealed.duplicates else ""
    opened = f"opened {len(openings)} times before" if openings else "never opened"
    terminal.line(
        f"  test set  {final.sealed.size:,} sealed rows of {final.development.name}{twice}, {opened} "
        f"(content {final.sealed.digest[:12]})"
    )


def _freeze(final: Final) -> None:
    """Writes down which trial is evaluated, before anything about it is learned."""
    final.folder.mkdir(parents=True, exist_ok=True)
    facts = {"level": final.champion.level, "k": final.champion.k, "trials": final.trials}
    path = final.folder / "champion.json"
    if not path.exists():
        write_whole(path, json.dumps({**facts, "score": final.champion.result.score}, indent=1).encode())


def _tell(terminal: Terminal, seeds: int, done: int) -> None:
    terminal.line(f"  confirm   fresh seed {done} of {seeds}")


def _confirm_and_refit(
    final: Final, asked: Config, confirmation: Confirmation, seeds: int, terminal: Terminal
) -> Model:
    results = confirmation.finish(seeds)
    if results:
        _show_shrinkage(terminal, final, results)
    job = plan_refit(final.config, asked.final.epochs, results)
    folder = final.folder / f"refit-{job.stop_after}-of-{job.config.training.epochs}"
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


def _open_and_evaluate(
    final: Final, asked: Config, model: Model, tracker: Tracker, run: SweepRun
) -> tuple[Opening, dict[str, TestScore]]:
    reopen = asked.final.reopen
    who = f"{getpass.getuser()}@{socket.gethostname()}, sweep {final.named.name}, trial {final.champion.k}"
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    opening = claim(tracker.ledger, final.sealed, Request(who, now, model.digest, reopen.reason, reopen.opening))
    started_ms = now_ms()
    scores = evaluate(model, final.development, final.sealed, opening)
    _log(final, model, tracker, run, opening, scores, started_ms)
    tracker.ledger.record_result(opening, json.loads(result_text(scores)))
    return opening, scores


def _start_final_run(
    final: Final, model: Model, tracker: Tracker, run: SweepRun, opening: Opening, started_ms: int
) -> str:
    return tracker.start_attempt(
        run,
        final.champion.level,
        final.champion.k,
        1,
        started_ms=started_ms,
        role=Role.FINAL,
        part=f"opening {opening.opening}",
        params=option_params(model.config),
        tags={
            "opening": str(opening.opening),
            "purpose": opening.purpose,
            "test_digest": final.sealed.digest,
            "weights_sha256": model.digest,
        },
        config=config_text(model.config),
    )


def _log(
    final: Final,
    model: Model,
    tracker: Tracker,
    run: SweepRun,
    opening: Opening,
    scores: dict[str, TestScore],
    started_ms: int,
) -> None:
    """The final run: the only one with `test/…` metrics, exactly one for each opening."""
    summary: dict[str, float] = {}
    for name, score in scores.items():
        summary[f"test/{name}"] = score.value
        if score.low is not None and score.high is not None:
            summary |= {f"test/{name}/low": score.low, f"test/{name}/high": score.high}
    run_id = _start_final_run(final, model, tracker, run, opening, started_ms)
    files = {f"model/{path.name}": path for path in sorted(model.folder.iterdir())}
    result = TrialResult(Status.OK, None, None, None, {}, summary, [], [])
    tracker.finish_attempt(run_id, result, ended_ms=now_ms(), artifacts=files)


def _conclude(terminal: Terminal, final: Final, opening: Opening, scores: dict[str, TestScore]) -> None:
    lines = []
    for name, score in sorted(scores.items()):
        interval = "" if score.low is None or score.high is None else f"  [{score.low:.4f}, {score.high:.4f}]"
        lines.append((f"test/{name}", f"{score.value:.4f}{interval}"))
    heading = f"Test, {final.sealed.size:,} rows, 95 % intervals, opening {opening.opening} of {opening.opening}"
    terminal.steps(heading, lines)
    if opening.opening > 1:
        times = "once" if opening.opening == 2 else f"{opening.opening - 1} times"
        terminal.warn(f"this test set was opened {times} before: not a first look ({opening.purpose})")


def _store_model(
    final: Final, model: Model, tracker: Tracker, run: SweepRun, opening: Opening, terminal: Terminal
) -> None:
    """Exports the network to MLflow; the result is safe by now, so that an export that fails costs nothing else."""
    written = [("weights", str(model.folder / "model.safetensors"))]
    network = deployed(model, final.development)
    run_id = _start_final_run(final, model, tracker, run, opening, now_ms())
    try:
        written.append(("MLflow", tracker.log_model(run, run_id, network, final.development.inputs)))
    except Exception as error:  # noqa: BLE001 (torch.export fails in its own ways on modules of users)
        terminal.warn(f"the network could not be exported for MLflow, its weights are stored all the same: {error}")
    terminal.steps("Written", written)
