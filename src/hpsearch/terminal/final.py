"""Prints a final: champion, confirmation, test scores, and how to load the model."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpsearch.config.data import MAX_CLASSES, CsvData, FolderData, ParquetData, serves_rows
from hpsearch.config.search import BaselineKind
from hpsearch.data.dataset import name_columns
from hpsearch.final.claims import stated
from hpsearch.final.refit import shrinkage
from hpsearch.formatting import number_of, plural, show_interval, show_like, show_number, show_score, show_values
from hpsearch.nn.output_layer import output_count
from hpsearch.records import TrialResult
from hpsearch.scoring.score_format import Score
from hpsearch.secrets import MASK
from hpsearch.statistics.intervals import standard_error
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.sweep import describe_duplicates, relative
from hpsearch.tracking.claim_ledger import Opening

if TYPE_CHECKING:
    from hpsearch.final.evaluation import Evaluated, TestScore
    from hpsearch.final.frozen_champion import Final
    from hpsearch.final.model import Model


def introduce(terminal: Terminal, final: "Final", uri: str, opened: int, *, chosen: bool) -> None:
    """Print the trial, the test set, and how often it was opened; see `Observer.final_started`."""
    result, score, sealed = final.champion.result, Score.of(final.config, final.development), final.sealed
    sampled = " · ".join(show_values(final.champion.values).values())
    before = f"opened {number_of(opened, 'time')} before" if opened else f"never opened in {relative(uri)}"
    label = "trial   " if chosen else "champion"
    terminal.line(f"final of sweep {final.named.name}", style="bold")
    shown = score.show(result.score, result.score_se)
    terminal.line(f"  {label}  trial {final.champion.name} of {final.trials}, {score.name} {shown}")
    terminal.line(f"            {sampled or 'one configuration, nothing was searched'}")
    terminal.line(
        f"  test set  {number_of(sealed.size, 'sealed row')} of {final.development.name}"
        f"{describe_duplicates(sealed.duplicates)}, {before} (content {sealed.digest[:12]})"
    )


def show_confirmed(terminal: Terminal, final: "Final", results: Sequence[TrialResult]) -> None:
    """Print the scores of the champion on fresh seeds beside that of the search."""
    result, score = final.champion.result, Score.of(final.config, final.development)
    assert result.score is not None
    fresh = shrinkage(result.score, results)
    if fresh.confirmed is None:
        have = plural(fresh.failed, "has", "have")
        terminal.warn(
            f"{fresh.failed} of {number_of(fresh.n, 'fresh seed')} {have} no score: the champion is not reliable"
        )
        return
    error = None if fresh.sd is None else fresh.sd / math.sqrt(fresh.n)
    seeds = f"mean ± SE of {fresh.n} fresh seeds" if fresh.n > 1 else "by one fresh seed"
    gain = fresh.confirmed - fresh.search
    gap = show_like(abs(gain), math.hypot(error or 0.0, result.score_se or 0.0)) if gain else ""
    verdict = f"no worse (better by {gap})" if gain > 0 else f"worse by {gap}" if gain else "exactly reproduced"
    terminal.line(
        f"  confirmed {score.name} {score.show_mean(fresh.confirmed, error)}, {seeds}; the "
        f"search said {score.show(fresh.search, result.score_se)}: {verdict}"
    )


def show_test_scores(terminal: Terminal, final: "Final", opening: Opening, evaluated: "Evaluated") -> None:
    """Print the test scores, with a warning unless this is the first opening."""
    shown = {name: _show_test(score) for name, score in sorted(evaluated.scores.items())}
    width = max(map(len, shown.values()))
    means = {name: _show_mean(values) for name, values in evaluated.retrained.items()}
    lines = [(f"test/{name}", f"{text:<{width}}{means[name]}".rstrip()) for name, text in shown.items()]
    number = opening.opening
    terminal.steps(f"Test, {number_of(final.sealed.size, 'row')}, 95 % intervals, opening {number} of {number}", lines)
    _show_baselines(terminal, final, evaluated)
    if number > 1:
        times = "once" if number == 2 else f"{number - 1} times"
        terminal.warn(f"this test set was opened {times} before: not a first look ({stated(opening.purpose)})")


def _show_baselines(terminal: Terminal, final: "Final", evaluated: "Evaluated") -> None:
    """Print what baselines get on the same test rows, with a warning if the network is behind one."""
    from hpsearch.scoring.baselines import label_of  # noqa: PLC0415 (torch, which has been loaded by now)

    metric = Score.of(final.config, final.development).metric
    scores = {kind: of_kind[metric.name] for kind, of_kind in evaluated.baselines.items() if metric.name in of_kind}
    if not scores or metric.name not in evaluated.scores:
        return
    classes, own = final.development.classes > 0 or final.config.multilabel, evaluated.scores[metric.name]
    labels = {kind: label_of(BaselineKind(kind), metric, classes=classes) for kind in scores}
    told = (f"{labels[kind]} {show_interval(score.value, score.low, score.high)}" for kind, score in scores.items())
    terminal.paragraph(f"On the same rows by {metric}: {', '.join(told)}.")
    best = max(scores, key=lambda kind: metric.score(scores[kind].value))
    if metric.score(scores[best].value) >= metric.score(own.value):
        within = own.low is not None and own.high is not None and own.low <= scores[best].value <= own.high
        how = "no better than" if within else "behind"
        terminal.warn(f"the network is {how} {labels[best]} on the test rows")


def _show_test(score: "TestScore") -> str:
    # An interval without spread among the rows carries no information.
    empty = ", no spread among the rows" if score.low is not None and score.low == score.high else ""
    return f"{show_interval(score.value, score.low, score.high)}  ({score.method}{empty})"


def _show_mean(values: np.ndarray) -> str:
    """Show the mean of the S retrained networks' values (S,) with its standard error s / sqrt(S)."""
    if not len(values):
        return ""
    if len(values) == 1:
        return f"  retrained once: {show_number(float(values[0]))}"
    shown = show_score(float(values.mean()), standard_error(values))
    return f"  mean of {len(values)} retrained: {shown} (s/√{len(values)})"


def show_model(terminal: Terminal, final: "Final", model: "Model", uri: str, address: str | None) -> None:
    """Print where the model is stored, and the Python code that loads it; see `Observer.model_stored`."""
    weights = ("weights", str(model.folder / "model.safetensors"))
    if address is None:
        terminal.steps("Written", [weights])
        return
    terminal.steps("Written", [weights, ("MLflow", address)])
    set_uri = f"mlflow.set_tracking_uri({relative(uri)!r})"
    tracking = "# MLFLOW_TRACKING_URI holds the address, whose password is not printed" if MASK in uri else set_uri
    if serves_rows(final.data):
        code = [
            "import mlflow, pandas",
            tracking,
            f"model = mlflow.pyfunc.load_model({address!r})",
            f"predictions = model.predict({_reader(final)})  # rows as in your file",
        ]
    elif isinstance(final.data, FolderData):
        code = [
            "import mlflow, numpy, torch",
            "from PIL import Image, ImageOps",
            tracking,
            f"model = mlflow.pytorch.load_model({address!r})",
            *_image_reader(final),
            f"outputs = model(torch.from_numpy(pixels))  # any number of images; {_outputs(final)}",
        ]
        if 0 < final.development.classes <= MAX_CLASSES:
            code.append(f"classes = {list(final.development.class_names)}")
    else:
        shape = ", ".join(map(str, (1, *final.development.inputs.shape[1:])))
        kind = "float64" if final.development.inputs.dtype == np.float64 else "float32"
        dtype = ", dtype=torch.float64" if kind == "float64" else ""
        code = [
            "import mlflow, torch",
            tracking,
            f"model = mlflow.pytorch.load_model({address!r})",
            f"outputs = model(torch.zeros({shape}{dtype}))  # raw inputs as {kind}, any number; {_outputs(final)}",
        ]
    terminal.steps("Load it in Python", [("", line) for line in code])


def _image_reader(final: "Final") -> list[str]:
    """Return code that makes raw inputs of the network, `pixels`, of a file, as `pixels_of` does."""
    _, channels, height, width = final.development.inputs.shape
    mode, resampling = "L" if channels == 1 else "RGB", "Image.Resampling.BILINEAR"
    return [
        f"image = ImageOps.exif_transpose(Image.open('photo.png')).convert({mode!r})",
        f"image = ImageOps.fit(image, ({width}, {height}), {resampling})  # width, height",
        f"pixels = numpy.asarray(image, 'float32').reshape(1, {height}, {width}, {channels}).transpose(0, 3, 1, 2)",
    ]


def _reader(final: "Final") -> str:
    """Return the call of pandas that reads rows as the file has them, as text, so that nothing is lost."""
    data, notes = final.data, final.development.notes
    assert serves_rows(data), data.kind
    if isinstance(data, ParquetData):
        return f"pandas.read_parquet({data.path!r})"
    kept = "dtype=str, keep_default_na=False"
    if not isinstance(data, CsvData):
        return f"pandas.read_excel({data.path!r}, {kept})"
    told = any(note.startswith("columns are separated by") for note in notes)
    sep = ", sep=None, engine='python'" if told or data.delimiter != "," else ""
    encodings = {"the file is in UTF-16": "utf-16", "the file is in Windows": "cp1252"}
    found = next((name for start, name in encodings.items() if any(note.startswith(start) for note in notes)), None)
    encoding = data.encoding or found
    return f"pandas.read_csv({data.path!r}, {kept}{sep}{f', encoding={encoding!r}' if encoding else ''})"


def _outputs(final: "Final") -> str:
    rows = final.development
    if final.config.loss.kind == "gaussian_nll":
        return "means in the targets' units, then their standard deviations"
    if not rows.classes:
        if rows.labels:
            held = [f"{name} {yes}" for name, (_, yes) in zip(rows.target_names, rows.labels, strict=False)]
            return f"probabilities of {name_columns(held) if held else f'{len(rows.labels)} labels'}"
        of = f" of {name_columns(rows.target_names)}" if rows.target_names else ""
        return f"predictions{of} in the targets' units"
    single = output_count(final.config.loss, rows.task, rows.classes, 0) == 1
    return "one logit: class 1 where it is above 0" if single else f"logits of {rows.classes} classes"
