"""What the options of `data` may set."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from hpsearch.config.checks import require
from hpsearch.config.option import Option


class Normalize(StrEnum):
    """How inputs are scaled; every statistic comes from the training rows of the fit alone."""

    UNIT = "unit"  # image bytes / 255; other features to [0, 1] by their training minimum and maximum
    STANDARD = "standard"  # zero mean, unit variance: a feature each, all pixels of images together
    NONE = "none"


class Packaged(StrEnum):
    """When the 5,000 packaged MNIST images stand in for the 70,000 of the full data set."""

    AUTO = "auto"  # only where the full data set is neither cached nor to be had from a mirror
    ALWAYS = "always"
    NEVER = "never"


class TaskChoice(StrEnum):
    """What the targets of a user's own table are."""

    AUTO = "auto"  # text or at most 20 distinct whole numbers: classes; anything else: regression
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    AUTOENCODER = "autoencoder"  # the targets are the inputs


@dataclass(kw_only=True, slots=True)
class Data(Option):
    """Digits, breast cancer, diabetes (scikit-learn), Fashion-MNIST, XOR; `limit` keeps that many training rows."""

    group: ClassVar[str] = "data"
    normalize: Normalize
    limit: int | None

    def __post_init__(self) -> None:
        require(self.limit is None or self.limit >= 1, "data.limit", "must be >= 1 or null", self.limit)


@dataclass(kw_only=True, slots=True)
class MnistData(Data):
    """MNIST, full or packaged."""

    packaged: Packaged


@dataclass(kw_only=True, slots=True)
class OwnData(Data):
    """A user's own file; `test` is the share of rows that is sealed, `target` the column or array of the targets."""

    path: str
    target: str | None
    task: TaskChoice
    test: float

    def __post_init__(self) -> None:
        super(OwnData, self).__post_init__()
        require(0 < self.test < 1, "data.test", "must lie between 0 and 1, both excluded", self.test)
        named = self.target is not None or self.task is TaskChoice.AUTOENCODER
        require(named, "data.target", "must name the target unless data.task=autoencoder", self.target)


@dataclass(kw_only=True, slots=True)
class CsvData(OwnData):
    """A table in a CSV file with a header line."""

    delimiter: str


@dataclass(kw_only=True, slots=True)
class NpzData(OwnData):
    """Arrays in a NPZ file; `inputs` names the array of the inputs."""

    inputs: str
