"""The jobs, and who does them by which command."""

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROWS = 50_000
"""Training rows of the MNIST job; of the 60,000, 5,000 are scored after each epoch and 5,000 after the last."""
MNIST_SEARCH = ("-m", "hpsearch", "data=mnist", "data.packaged=never", "evaluation.val=5000", "evaluation.report=5000")
MNIST_SEARCH += ("model.widths=[100,100]", "training.batch_size=100", "regularization=both")
MNIST_SEARCH += ("search.choose.optimizer=[adam,momentum]", "search.tune=[optimizer,regularization]")
"""What the MNIST job is to hpsearch, but for name, trials and epochs."""
LOOCV_FITS = 1_438
"""Development rows of digits: 1,797 less a sealed fifth."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Someone who does a job.

    Attributes:
        key: What `--only` calls it.
        label: What the table calls it.
        command: Arguments of the Python interpreter; `{n}` stands for the number of trials or fits.
        few, many: The two numbers whose times make the slope; equal: one run of everything, no slope.
        package: What must be importable.
        slow: Measured in the first round only.
        warm_up: A short run that fills the disk cache; empty: `command` with n = 1.
    """

    key: str
    label: str
    command: tuple[str, ...]
    few: int
    many: int
    package: str = "torch"
    slow: bool = False
    warm_up: tuple[str, ...] = ()

    def arguments(self, n: int) -> list[str]:
        """The command for n trials or fits."""
        return [part.replace("{n}", str(n)) for part in self.command]

    @property
    def short(self) -> list[str]:
        """The command of the warm-up."""
        return list(self.warm_up) or self.arguments(1)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do; `contenders` begins with hpsearch. `whole`: how many units the whole job has, None: any."""

    name: str
    title: tuple[str, ...]
    unit: str
    contenders: tuple[Contender, ...]
    whole: int | None = None


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: trials of hpsearch and the expert, trials (or fits) of slow peers, MNIST training rows."""

    few: int = 24
    many: int = 96
    slow: tuple[int, int] | None = None
    rows: int = ROWS

    def of_slow(self, few: int, many: int) -> tuple[int, int]:
        """What was asked for, or else these defaults."""
        return self.slow or (few, many)


def data_root() -> str:
    """The folder of cached data sets unless `--data` says otherwise, as hpsearch finds it."""
    return os.environ.get("HPSEARCH_DATA") or "data"


def mnist(sizes: Sizes, train_only: Path) -> Job:
    """Random search over optimizer, learning rate, weight decay and dropout of a 784-100-100-10 network."""
    few, many = sizes.few, sizes.many
    hpsearch = (*MNIST_SEARCH, "name=peers", "training.epochs=2", "search.trials={n}")
    hpsearch += () if sizes.rows == ROWS else (f"data.limit={sizes.rows}",)
    own = ("--trials", "{n}", "--rows", str(sizes.rows), "--data", str(train_only))
    return Job(
        "mnist",
        (
            f"random trials of 784-100-100-10 with dropout on MNIST, {sizes.rows:,} training rows, batch 100,",
            "2 epochs, Adam or momentum; 5,000 rows scored after each epoch, 5,000 at the end; all trials in MLflow",
        ),
        "trial",
        (
            Contender("hpsearch", "hpsearch", hpsearch, few, many),
            Contender("c", "(c) an expert's loop", script("expert", *own), few, many),
            Contender("a", "(a) textbook loop", script("textbook", *own), *sizes.of_slow(2, 10), slow=True),
            Contender("b", "(b) Ray Tune", script("ray_tune", *own), *sizes.of_slow(4, 12), "ray", slow=True),
        ),
    )


def digits(sizes: Sizes) -> Job:
    """Random search over the learning rate of a 64-50-10 network, 5-fold."""
    few, many = sizes.few, sizes.many
    hpsearch = _on_digits("evaluation=stratified_kfold", "training.epochs=10", "search.tune=[optimizer]")
    own = ("--trials", "{n}")
    return Job(
        "digits",
        (
            "random trials x 5 folds of 64-50-10 on the development rows of digits, batch 32, 10 epochs, Adam;",
            "hpsearch writes each trial to MLflow and to its records; its engine alone and the peers keep none",
        ),
        "trial of 5 fits",
        (
            Contender("hpsearch", "hpsearch", (*hpsearch, "search.trials={n}"), few, many),
            Contender("engine", "its engine alone", script("engine_digits", *own), few, many),
            Contender("c", "(c) an expert's loop", script("expert_digits", *own), few, many),
            Contender(
                "e", "(e) skorch, sklearn", script("skorch_digits", *own), *sizes.of_slow(8, 32), "skorch", slow=True
            ),
        ),
    )


def loocv(sizes: Sizes) -> Job:
    """Leave-one-out of a 64-50-10 network."""
    few, many = sizes.of_slow(8, 40)
    own = ("--fits", "{n}")
    return Job(
        "loocv",
        (
            f"leave-one-out on the {LOOCV_FITS:,} development rows of digits: 64-50-10, batch 32, 10 epochs, Adam;",
            f"hpsearch: the whole command; peers: {few} and {many} fits are timed, {LOOCV_FITS:,} are EXTRAPOLATED",
        ),
        "fit",
        (
            Contender(
                "hpsearch",
                "hpsearch",
                _on_digits("evaluation=loocv", "training.epochs=10"),
                LOOCV_FITS,
                LOOCV_FITS,
                warm_up=_on_digits("evaluation=stratified_kfold", "training.epochs=1"),
            ),
            Contender("d", "(d) Lightning", script("lightning_loocv", *own), few, many, "lightning", slow=True),
            Contender("e", "(e) skorch, sklearn", script("skorch_digits", *own), few, many, "skorch", slow=True),
        ),
        LOOCV_FITS,
    )


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """The command of a peer; -P: its neighbours are no modules to it."""
    return ("-P", str(HERE / f"{name}.py"), *arguments)


def _on_digits(*more: str) -> tuple[str, ...]:
    common = ("-m", "hpsearch", "name=peers", "data=digits", "model.depth=1", "model.width=50")
    return (*common, "training.batch_size=32", *more)
