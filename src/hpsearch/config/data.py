"""Options of `data`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.bounds import BETWEEN_0_AND_1, at_least, require
from hpsearch.config.option import Option, OptionGroup


class Normalize(StrEnum):
    """Scaling of inputs, by statistics of the training rows of each fit."""

    UNIT = "unit"  # image bytes / 255; other features to [0, 1] by their training minimum and maximum
    STANDARD = "standard"  # zero mean and unit variance, of each feature, or of all pixels together
    NONE = "none"


class Packaged(StrEnum):
    """When to use the 5,000 packaged MNIST images instead of all 70,000."""

    AUTO = "auto"  # only if the full data set is neither cached nor available from a mirror
    ALWAYS = "always"
    NEVER = "never"


class TaskChoice(StrEnum):
    """The kind of targets."""

    AUTO = "auto"  # the default of the data set; in a user's file, text or at most 20 distinct integers are classes
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    AUTOENCODER = "autoencoder"  # the targets are the inputs


class Layout(StrEnum):
    """Order of the axes of images."""

    CHW = "chw"  # rows, channels, height, width
    HWC = "hwc"  # rows, height, width, channels


@dataclass(kw_only=True, slots=True)
class Data(Option):
    """Digits, breast cancer, diabetes (scikit-learn), Fashion-MNIST, XOR."""

    group: ClassVar[str] = "data"
    tasks: ClassVar[tuple[TaskChoice, ...]] = (TaskChoice.AUTO, TaskChoice.AUTOENCODER)
    task: Annotated[TaskChoice, "what is predicted; autoencoder: the inputs themselves; shipped data take no other"]
    normalize: Annotated[Normalize, "how inputs are scaled, by statistics of the training rows alone"]
    limit: Annotated[int | None, at_least(1), "keeps so many rows of each training part, and all scored rows; {}"]

    def __post_init__(self) -> None:
        super(Data, self).__post_init__()
        rule = "must be one of " + ", ".join(self.tasks) + f" with data={self.kind}"
        require(self.task in self.tasks, "data.task", rule, self.task.value)


@dataclass(kw_only=True, slots=True)
class MnistData(Data):
    """MNIST, full or packaged."""

    packaged: Annotated[Packaged, "whether 5,000 packaged images stand in: auto, where no mirror gives all 70,000"]


_TEST_SHARE = replace(BETWEEN_0_AND_1, rule="must lie between 0 and 1, both excluded")


@dataclass(kw_only=True, slots=True)
class OwnData(Data):
    """A user's own file."""

    tasks: ClassVar[tuple[TaskChoice, ...]] = tuple(TaskChoice)
    path: Annotated[str, "the file"]
    target: Annotated[str | None, "the column or array to predict; null only with data.task=autoencoder"]
    test: Annotated[float, _TEST_SHARE, "share of the rows that is sealed; {}"]

    def __post_init__(self) -> None:
        super(OwnData, self).__post_init__()
        named = self.target is not None or self.task is TaskChoice.AUTOENCODER
        require(named, "data.target", "must name the target unless data.task=autoencoder", self.target)


@dataclass(kw_only=True, slots=True)
class CsvData(OwnData):
    """A table in a CSV file with a header line."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"decimal": None, "thousands": None}
    delimiter: Annotated[str, "one character between two values, or tab"]
    drop: Annotated[list[str], "columns that are left out, such as [id,name]"]
    decimal: Annotated[str | None, "the decimal mark, . or a comma in quotes; null: seen from each column"]
    thousands: Annotated[str | None, "what separates thousands, or none; null: seen from each column"]

    def __post_init__(self) -> None:
        super(CsvData, self).__post_init__()
        require(self.target not in self.drop, "data.drop", "must not hold the target", self.target)
        require(self.decimal in (None, ".", ","), "data.decimal", "must be one of . , or null", self.decimal)
        known = (None, "none", ",", ".", " ", "'")
        rule = "must be a comma, a point, a space, an apostrophe, none or null"
        require(self.thousands in known, "data.thousands", rule, self.thousands)
        differ = self.decimal is None or self.decimal != self.thousands
        require(differ, "data.thousands", "must differ from data.decimal", self.thousands)


@dataclass(kw_only=True, slots=True)
class NpzData(OwnData):
    """Arrays in a NPZ file."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"layout": None}
    inputs: Annotated[str, "the array of the inputs, first axis rows"]
    layout: Annotated[Layout | None, "which axis of images holds the channels; null: seen from the shape"]


GROUPS = (
    OptionGroup(
        name="data", shapes_fleet=True, per_member=("normalize",), confounds=True,
        kinds={
            "mnist": MnistData, **dict.fromkeys(("fashion", "digits", "breast_cancer", "diabetes", "xor"), Data),
            "csv": CsvData, "npz": NpzData,
        },
    ),
)  # fmt: skip
