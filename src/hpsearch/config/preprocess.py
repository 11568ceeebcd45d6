"""Options of `preprocess`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.bounds import IMPORT_PATH, at_least, require_kwargs
from hpsearch.config.option import Option, recipe_group


class Missing(StrEnum):
    """What replaces a missing number, by the training rows of each fit; a missing word is a category of its own."""

    MEDIAN = "median"
    MEAN = "mean"
    MOST_FREQUENT = "most_frequent"
    CONSTANT = "constant"  # `fill_value`
    REFUSE = "refuse"


class Categories(StrEnum):
    """How words become numbers."""

    ONEHOT = "onehot"  # one 0/1 feature for each category, rare ones together
    ORDINAL = "ordinal"  # one feature: the place of the word in the alphabet
    TARGET = "target"  # the mean target of the training rows with this word, cross-fitted and shrunk
    HASH = "hash"  # `hash_features` features for each column, whatever words it holds


class Dates(StrEnum):
    """How dates become numbers, besides the time since 1970."""

    PARTS = "parts"  # year, month, day, day of the week and, if there are times, hour
    CYCLIC = "cyclic"  # sine and cosine of the time of the year, the week and, if there are times, the day


class TargetScale(StrEnum):
    """How the targets of a regression are scaled for the loss; errors are told in the units of the data."""

    STANDARD = "standard"
    LOG = "log"  # the logarithm, then standard: targets > 0
    LOG1P = "log1p"  # log(1 + t), then standard: targets >= 0
    NONE = "none"


@dataclass(kw_only=True, slots=True)
class Preprocess(Option):
    """What is done to rows, by statistics of the training rows of each fit alone."""

    group: ClassVar[str] = "preprocess"
    target: Annotated[TargetScale, "how numbers to predict are scaled; errors stay in the units of the data"]


@dataclass(kw_only=True, slots=True)
class CustomPreprocess(Preprocess):
    """The user's own transformer of scikit-learn's kind: from a DataFrame of the columns to features."""

    import_path: Annotated[str, IMPORT_PATH, "your transformer, or a function that makes it, as package.module:name"]
    kwargs: Annotated[dict[str, Any], "its keyword arguments: preprocess.kwargs.NAME=..."]

    def __post_init__(self) -> None:
        super(CustomPreprocess, self).__post_init__()
        require_kwargs("preprocess.kwargs", self.kwargs)


@dataclass(kw_only=True, slots=True)
class ColumnPreprocess(Preprocess):
    """Columns become features by their kinds; features and pixels are scaled as the option says."""

    missing: Annotated[Missing, "what replaces a missing number"]
    fill_value: Annotated[float, "the number that replaces a missing one with missing=constant"]
    indicator: Annotated[bool, "adds a 0/1 feature to each column in which numbers are missing"]
    categories: Annotated[Categories, "how words become numbers"]
    min_frequency: Annotated[int, at_least(1), "training rows {} that a category needs for a feature of its own"]
    max_categories: Annotated[int, at_least(1), "columns with more categories are hashed, rather than onehot"]
    hash_features: Annotated[int, at_least(1), "features of a hashed column"]
    dates: Annotated[Dates, "how dates become numbers, besides the time since 1970"]


GROUPS = (
    recipe_group(
        name="preprocess",
        kinds={
            **dict.fromkeys(("standard", "minmax", "robust", "quantile", "log", "none"), ColumnPreprocess),
            "custom": CustomPreprocess,
        },
    ),
)
