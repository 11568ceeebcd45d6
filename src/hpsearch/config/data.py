"""Options of `data`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeGuard

from hpsearch.config.bounds import BETWEEN_0_AND_1, at_least, require
from hpsearch.config.option import Option, OptionGroup


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
    MULTILABEL = "multilabel"  # several targets, each of two values, any of which may hold
    AUTOENCODER = "autoencoder"  # the targets are the inputs


class ColumnChoice(StrEnum):
    """What a column of a table is."""

    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"
    DROP = "drop"


class MissingTarget(StrEnum):
    """What becomes of rows whose target is missing."""

    REFUSE = "refuse"
    DROP = "drop"


class Layout(StrEnum):
    """Order of the axes of images."""

    CHW = "chw"  # rows, channels, height, width
    HWC = "hwc"  # rows, height, width, channels


class ColorChoice(StrEnum):
    """What becomes of the colors of images."""

    AUTO = "auto"  # grey if every image is, otherwise rgb
    GREY = "grey"
    RGB = "rgb"


@dataclass(kw_only=True, slots=True)
class Data(Option):
    """Fashion-MNIST, Kuzushiji-MNIST, USPS, CIFAR-10, XOR, and what scikit-learn ships: digits, iris and others."""

    group: ClassVar[str] = "data"
    tasks: ClassVar[tuple[TaskChoice, ...]] = (TaskChoice.AUTO, TaskChoice.AUTOENCODER)
    task: Annotated[TaskChoice, "what is predicted; autoencoder: the inputs themselves; shipped data take no other"]
    limit: Annotated[int | None, at_least(1), "keeps so many rows of each training part, and all scored rows; {}"]

    def __post_init__(self) -> None:
        super(Data, self).__post_init__()
        rule = "must be one of " + ", ".join(self.tasks) + f" with data={self.kind}"
        require(self.task in self.tasks, "data.task", rule, self.task.value)


@dataclass(kw_only=True, slots=True)
class MnistData(Data):
    """MNIST, full or packaged."""

    packaged: Annotated[Packaged, "whether 5,000 packaged images stand in: auto, where no mirror gives all 70,000"]


MAX_CLASSES = 20
"""Default of `data.max_classes`."""

_TEST_SHARE = replace(BETWEEN_0_AND_1, rule="must lie between 0 and 1, both excluded")


@dataclass(kw_only=True, slots=True)
class OwnData(Data):
    """A user's own file."""

    tasks: ClassVar[tuple[TaskChoice, ...]] = tuple(TaskChoice)
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"max_classes": MAX_CLASSES, "groups": None, "weight": None}
    path: Annotated[str, "the file"]
    target: Annotated[
        str | list[str] | None,
        "the column or array to predict, or columns of numbers or labels, [a,b]; null only with data.task=autoencoder",
    ]
    max_classes: Annotated[
        int,
        at_least(2),
        "whole numbers with more different values are a regression, as all are under a loss of numbers",
    ]
    groups: Annotated[str | None, "column or array of groups, such as patients, that no split tears apart; no input"]
    weight: Annotated[
        str | None, "column or array of weights of rows in the training loss, >= 0, no input; scores count all alike"
    ]
    test: Annotated[float, _TEST_SHARE, "share of the rows that is sealed; {}"]

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the columns, or of the array, in `target`."""
        return (self.target,) if isinstance(self.target, str) else tuple(self.target or ())

    def require_labels(self) -> None:
        """Raise `ConfigError` if a single column is predicted where there must be several labels."""
        several = self.task is not TaskChoice.MULTILABEL or isinstance(self.target, list)
        rule = "must name two columns or more with data.task=multilabel: [a,b]"
        require(several, "data.target", rule, self.target)

    def __post_init__(self) -> None:
        super(OwnData, self).__post_init__()
        if isinstance(self.target, list) and len(self.target) == 1:
            self.target = self.target[0]
        names = self.targets
        require(self.groups not in names, "data.groups", "must not be the target", self.groups)
        apart = self.weight is None or self.weight not in (*names, self.groups)
        require(apart, "data.weight", "must not be the target or data.groups", self.weight)
        named = bool(names) or self.task is TaskChoice.AUTOENCODER
        require(named, "data.target", "must name the target unless data.task=autoencoder", self.target)
        require(len(set(names)) == len(names), "data.target", "must not name a column twice", self.target)
        one = len(names) < 2 or self.task is not TaskChoice.CLASSIFICATION
        require(one, "data.target", "must name one column with data.task=classification", self.target)


@dataclass(kw_only=True, slots=True)
class TableData(OwnData):
    """A table with a header line."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {
        **OwnData.fingerprint_defaults,
        **dict.fromkeys(("decimal", "thousands", "missing", "dayfirst", "time", "test_path")),
        "columns": {},
        "missing_target": MissingTarget.REFUSE,
        "ignore_case": True,
    }
    drop: Annotated[list[str], "columns that are left out, such as [id,name]"]
    columns: Annotated[
        dict[str, ColumnChoice | list[str]],
        "what columns are, where they are not what they look like: data.columns.NAME=category, or "
        "data.columns={category: [NAME]}; number, date or drop",
    ]
    missing: Annotated[
        list[str] | None, "words that count as missing, such as ['',-999]; null: empty cells, NA, N/A, nan, null, ?"
    ]
    time: Annotated[str | None, "column of dates or numbers by which rows are ordered: later ones are held out"]
    test_path: Annotated[str | None, "a file of the same form whose rows are sealed, instead of a share of path"]
    missing_target: Annotated[MissingTarget, "what becomes of rows whose target is missing"]
    ignore_case: Annotated[bool, "whether Yes and yes are one category"]
    decimal: Annotated[str | None, "the decimal mark, . or a comma in quotes; null: seen from each column"]
    thousands: Annotated[str | None, "what separates thousands, or none; null: seen from each column"]
    dayfirst: Annotated[bool | None, "whether 3/4/2024 is in April; null: seen from each column"]

    @property
    def choices(self) -> dict[str, ColumnChoice]:
        """What columns are, by name."""
        single = {name: kind for name, kind in self.columns.items() if isinstance(kind, ColumnChoice)}
        listed = {kind: names for kind, names in self.columns.items() if isinstance(names, list)}
        return single | {name: ColumnChoice(kind) for kind, names in listed.items() for name in names}

    def __post_init__(self) -> None:
        super(TableData, self).__post_init__()
        for kind, names in self.columns.items():
            is_kind = not isinstance(names, list) or kind in list(ColumnChoice)
            require(is_kind, "data.columns", "must list names of columns under category, number, date or drop", kind)
        one = self.time is None or self.groups is None
        require(one, "data.time", "must be null where data.groups is given: rows are split by one of them", self.time)
        self.require_labels()
        dropped = next((name for name in self.targets if name in self.drop), None)
        require(dropped is None, "data.drop", "must not hold the target", dropped)
        require(self.weight not in self.drop, "data.drop", "must not hold data.weight", self.weight)
        apart = self.weight is None or self.weight != self.time
        require(apart, "data.weight", "must not be data.time", self.weight)
        require(self.decimal in (None, ".", ","), "data.decimal", "must be one of . , or null", self.decimal)
        known = (None, "none", ",", ".", " ", "'")
        rule = "must be a comma, a point, a space, an apostrophe, none or null"
        require(self.thousands in known, "data.thousands", rule, self.thousands)
        differ = self.decimal is None or self.decimal != self.thousands
        require(differ, "data.thousands", "must differ from data.decimal", self.thousands)


def serves_rows(data: Data) -> TypeGuard[TableData]:
    """Whether a model takes rows of a table, with names and words, rather than arrays."""
    return isinstance(data, TableData) and data.task is not TaskChoice.AUTOENCODER


@dataclass(kw_only=True, slots=True)
class CsvData(TableData):
    """A CSV or TSV file."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {
        **TableData.fingerprint_defaults,
        "quote": '"',
        "encoding": None,
    }
    delimiter: Annotated[str, "one character between two values, or tab"]
    quote: Annotated[str, "the character around values that hold the delimiter"]
    encoding: Annotated[str | None, "such as utf-8, utf-16 or cp1252; null: seen from the file"]

    def __post_init__(self) -> None:
        super(CsvData, self).__post_init__()
        one = len(self.quote.encode()) == 1
        require(one, "data.quote", "must be one character of ASCII", self.quote)


@dataclass(kw_only=True, slots=True)
class ParquetData(TableData):
    """A Parquet file."""


@dataclass(kw_only=True, slots=True)
class ExcelData(TableData):
    """A sheet of an Excel file."""

    sheet: Annotated[str | None, "name of the sheet; null: the first"]


@dataclass(kw_only=True, slots=True)
class NpzData(OwnData):
    """Arrays in a NPZ file."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {**OwnData.fingerprint_defaults, "layout": None}
    inputs: Annotated[str, "the array of the inputs, first axis rows"]
    layout: Annotated[Layout | None, "which axis of images holds the channels; null: seen from the shape"]

    def __post_init__(self) -> None:
        super(NpzData, self).__post_init__()
        one = not isinstance(self.target, list)
        require(one, "data.target", "must name one array, whose columns may be several targets", self.target)


@dataclass(kw_only=True, slots=True)
class FolderData(OwnData):
    """Images in a folder, whose sub-folders are the classes, or whose labels are in a CSV file."""

    path: Annotated[str, "the folder"]
    labels: Annotated[str | None, "a CSV file with a row for each image; null: sub-folders are the classes"]
    target: Annotated[str | list[str] | None, "its column to predict, or columns of numbers, [a,b]"]
    groups: Annotated[str | None, "its column of groups, such as patients, that no split tears apart"]
    file_column: Annotated[str, "its column of files: paths below path, or names, with or without suffix"]
    size: Annotated[
        list[int] | int | None,
        "[height,width], or one number for both: images are resized until they cover it, and cropped to their center; "
        "null: all must have one size",
    ]
    color: Annotated[ColorChoice, "auto: grey if every image is, otherwise rgb"]
    test_path: Annotated[str | None, "a folder of the same form whose images are sealed, instead of a share of path"]
    test_labels: Annotated[str | None, "the CSV file for test_path, where labels is one for path"]
    missing_target: Annotated[MissingTarget, "what becomes of images whose label in the CSV file is missing"]

    def __post_init__(self) -> None:
        super(FolderData, self).__post_init__()
        size = self.size if isinstance(self.size, list) else [1 if self.size is None else self.size] * 2
        rule = "must be null, or a number >= 1, or two of them: [height,width]"
        require(len(size) == 2 and min(size) >= 1, "data.size", rule, self.size)
        labelled = self.labels is not None
        rule = "must be given with data.labels and data.test_path, and only then"
        both = labelled and self.test_path is not None
        require((self.test_labels is not None) == both, "data.test_labels", rule, self.test_labels)
        require(labelled or self.groups is None, "data.groups", "needs data.labels, where the column is", self.groups)
        require(labelled or self.weight is None, "data.weight", "needs data.labels, where the column is", self.weight)
        named = self.file_column not in (*self.targets, self.groups, self.weight)
        rule = "must differ from data.target, data.groups and data.weight"
        require(named, "data.file_column", rule, self.file_column)
        one = labelled or not isinstance(self.target, list)
        require(one, "data.target", "must name one column without data.labels: folders are classes", self.target)
        classes = labelled or self.task not in (TaskChoice.REGRESSION, TaskChoice.MULTILABEL)
        rule = f"must not be {self.task} without data.labels: folders are classes"
        require(classes, "data.task", rule, self.task.value)
        self.require_labels()


GROUPS = (
    OptionGroup(
        name="data", shapes_fleet=True, confounds=True,
        kinds={
            "mnist": MnistData, **dict.fromkeys(("fashion", "kmnist", "usps", "cifar10"), Data),
            **dict.fromkeys(("digits", "breast_cancer", "iris", "wine", "diabetes", "linnerud", "xor"), Data),
            "csv": CsvData, "parquet": ParquetData, "excel": ExcelData, "npz": NpzData, "folder": FolderData,
        },
    ),
)  # fmt: skip
