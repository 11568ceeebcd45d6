"""Trains what a final evaluates: the network that ships, and those that retrain its recipe. All before any claim."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from hpsearch.cli.champion import Final
from hpsearch.cli.final_screens import show_confirmed, show_refit, show_retrained
from hpsearch.config import Config
from hpsearch.config.tree import to_tree
from hpsearch.final.model import Model, Models, load_model, save_model
from hpsearch.final.refit import plan_refit
from hpsearch.jobs import RefitJob
from hpsearch.search.confirm import Confirmation
from hpsearch.search.plan import digest
from hpsearch.terminal import Terminal
from hpsearch.wording import number_of


def confirm_and_refit(
    final: Final, asked: Config, confirmation: Confirmation, seeds: int, terminal: Terminal
) -> Models:
    """The fresh seeds, then the networks that are evaluated; what is stored of either is not trained again."""
    with terminal.phase(f"confirming on {number_of(seeds, 'fresh seed')}"):
        (results,) = confirmation.finish(seeds)
    if results:
        show_confirmed(terminal, final, results)
    job = plan_refit(final.config, asked.final.epochs, results)
    jobs = [replace(job, retrain=number) for number in range(asked.final.retrains + 1)]
    found = {job.retrain: load_model(_folder(final.folder, job), job.config) for job in jobs}
    known = {number: model for number, model in found.items() if model is not None}
    return _train_missing(final, confirmation, jobs, known, terminal)


def _train_missing(
    final: Final, confirmation: Confirmation, jobs: Sequence[RefitJob], known: dict[int, Model], terminal: Terminal
) -> Models:
    missing = [job for job in jobs if job.retrain not in known]
    if missing:
        show_refit(terminal, final, missing)
    with terminal.phase("refitting") if missing else nullcontext():
        for job, result in confirmation.refit(missing):
            known[job.retrain] = save_model(_folder(final.folder, job), job, result)
            if job.retrain:
                show_retrained(terminal, sum(number > 0 for number in known), len(jobs) - 1)
    shipped, *retrained = (known[job.retrain] for job in jobs)
    return Models(shipped, tuple(retrained))


def _folder(final: Path, job: RefitJob) -> Path:
    """Where a network is kept: by everything that decides what it is."""
    what = {"config": job.config.covered(), "stop_after": job.stop_after, "recorded": to_tree(job.recorded)}
    name = f"refit-{job.stop_after}-epochs-{digest(what)[:8]}"
    return final / (f"{name}-retrain-{job.retrain}" if job.retrain else name)
