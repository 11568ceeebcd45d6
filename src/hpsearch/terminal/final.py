"""What a final prints: champion, confirmation, refit, test numbers, and how the model is loaded."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpsearch.final.claims import stated
from hpsearch.final.refit import shrinkage
from hpsearch.formatting import number_of, plural, show_interval, show_like, show_number, show_score, show_values
from hpsearch.jobs import RefitJob
from hpsearch.nn.output_layer import output_count
from hpsearch.records import TrialResult
from hpsearch.scoring.score_format import Score
from hpsearch.secrets import MASK
from hpsearch.statistics.intervals import standard_error
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.sweep import describe_duplicates, describe_limit, relative
from hpsearch.tracking.claim_ledger import Opening

if TYPE_CHECKING:
    from hpsearch.final.evaluation import Evaluated, TestScore
    from hpsearch.final.frozen_champion import Final
    from hpsearch.final.model import Model


def introduce(terminal: Terminal, final: "Final", uri: str, opened: int, *, chosen: bool) -> None:
    """Which trial is evaluated, on which test set, and how often that was opened.

    Args:
        terminal: Where.
        final: The trial.
        uri: Of the tracking store whose ledger counts openings.
        opened: Openings before.
        chosen: Whether the trial was named by the user instead of being the champion.
    """
    result, score, sealed = final.champion.result, Score.of(final.config, final.development), final.sealed
    drawn = " · ".join(show_values(final.champion.values).values())
    before = f"opened {number_of(opened, 'time')} before" if opened else f"never opened in {relative(uri)}"
    what = "trial   " if chosen else "champion"
    terminal.line(f"final of sweep {final.named.name}", style="bold")
    found = score.show(result.score, result.score_se)
    terminal.line(f"  {what}  trial {final.champion.name} of {final.trials}, {score.name} {found}")
    terminal.line(f"            {drawn or 'one configuration, nothing was searched'}")
    terminal.line(
        f"  test set  {number_of(sealed.size, 'sealed row')} of {final.development.name}"
        f"{describe_duplicates(sealed.duplicates)}, {before} (content {sealed.digest[:12]})"
    )


def show_retrains(terminal: Terminal, retrains: int) -> None:
    """What `final.retrains` costs, before anything is trained."""
    if retrains:
        terminal.line(
            f"  retrains  {number_of(retrains, 'more refit')} of the same recipe, with other seeds: "
            f"{retrains + 1} trainings on all development rows instead of 1; all are tested in one opening"
        )


def show_seed(terminal: Terminal, seeds: int, done: int) -> None:
    """One more fresh seed is done."""
    terminal.line(f"  confirm   fresh seed {done} of {seeds}")


def show_confirmed(terminal: Terminal, final: "Final", results: Sequence[TrialResult]) -> None:
    """What is left of the champion's score on fresh seeds."""
    result, score = final.champion.result, Score.of(final.config, final.development)
    assert result.score is not None
    found = shrinkage(result.score, results)
    if found.confirmed is None:
        have = plural(found.failed, "has", "have")
        terminal.warn(
            f"{found.failed} of {number_of(found.n, 'fresh seed')} {have} no score: the champion is not reliable"
        )
        return
    error = None if found.sd is None else found.sd / math.sqrt(found.n)
    seeds = f"mean ± SE of {found.n} fresh seeds" if found.n > 1 else "by one fresh seed"
    verdict = _verdict(found.confirmed - found.search, math.hypot(error or 0.0, result.score_se or 0.0))
    terminal.line(
        f"  confirmed {score.name} {score.show_mean(found.confirmed, error)}, {seeds}; the "
        f"search said {score.show(found.search, result.score_se)}: {verdict}"
    )


def _verdict(gain: float, error: float) -> str:
    """What fresh seeds say of the score of the search."""
    if not gain:
        return "exactly reproduced"
    gap = show_like(abs(gain), error)
    return f"no worse (better by {gap})" if gain > 0 else f"worse by {gap}"


def show_refit(terminal: Terminal, final: "Final", jobs: Sequence[RefitJob]) -> None:
    """How long, on what and how often the recipe is refitted."""
    job, times = jobs[0], f", {len(jobs)} times" if len(jobs) > 1 else ""
    rows = describe_limit(job.config, final.development.n, "development row")
    terminal.line(f"  refit     {number_of(job.stop_after, 'epoch')} on {rows}{times}")


def show_retrained(terminal: Terminal, done: int, retrains: int) -> None:
    """One more retrained network is stored."""
    terminal.line(f"  retrained {done} of {retrains}")


def conclude(terminal: Terminal, final: "Final", opening: Opening, found: "Evaluated") -> None:
    """The test numbers, and that they are no first look if they are none."""
    shown = {name: _show_test(score) for name, score in sorted(found.scores.items())}
    width = max(map(len, shown.values()))
    means = {name: _show_mean(values) for name, values in found.retrained.items()}
    lines = [(f"test/{name}", f"{text:<{width}}{means[name]}".rstrip()) for name, text in shown.items()]
    number = opening.opening
    terminal.steps(f"Test, {number_of(final.sealed.size, 'row')}, 95 % intervals, opening {number} of {number}", lines)
    if number > 1:
        times = "once" if number == 2 else f"{number - 1} times"
        terminal.warn(f"this test set was opened {times} before: not a first look ({stated(opening.purpose)})")


def _show_test(score: "TestScore") -> str:
    """A test number with its interval and the method of that, which may say nothing where no row differs."""
    empty = ", no spread among the rows" if score.low is not None and score.low == score.high else ""
    return f"{show_interval(score.value, score.low, score.high)}  ({score.method}{empty})"


def _show_mean(values: np.ndarray) -> str:
    """The mean of the (S,) retrained networks with s / sqrt(S): what another training would give, on these rows."""
    if not len(values):
        return ""
    if len(values) == 1:
        return f"  retrained once: {show_number(float(values[0]))}"
    shown = show_score(float(values.mean()), standard_error(values))
    return f"  mean of {len(values)} retrained: {shown} (s/√{len(values)})"


def show_model(terminal: Terminal, final: "Final", model: "Model", uri: str, address: str | None) -> None:
    """Where the model is, and the lines of Python that load it.

    Args:
        terminal: Where.
        final: What was evaluated.
        model: The refitted network on disk.
        uri: Of the tracking store.
        address: Of the model in MLflow; None if it is not there.
    """
    weights = ("weights", str(model.folder / "model.safetensors"))
    if address is None:
        terminal.steps("Written", [weights])
        return
    terminal.steps("Written", [weights, ("MLflow", address)])
    one = ", ".join(map(str, (1, *final.development.inputs.shape[1:])))
    where = f"mlflow.set_tracking_uri({relative(uri)!r})"
    kind = "float64" if final.development.inputs.dtype == np.float64 else "float32"
    dtype = ", dtype=torch.float64" if kind == "float64" else ""
    code = (
        "import mlflow, torch",
        "# MLFLOW_TRACKING_URI holds the address, whose password is not printed" if MASK in uri else where,
        f"model = mlflow.pytorch.load_model({address!r})",
        f"outputs = model(torch.zeros({one}{dtype}))  # raw inputs as {kind}, any number of rows; {_outputs(final)}",
    )
    terminal.steps("Load it in Python", [("", line) for line in code])


def _outputs(final: "Final") -> str:
    """What the stored model gives."""
    rows = final.development
    if not rows.classes:
        return "predictions in the targets' units"
    single = output_count(final.config.loss, rows.task, rows.classes, 0) == 1
    return "one logit: class 1 where it is above 0" if single else f"logits of {rows.classes} classes"
