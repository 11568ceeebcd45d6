"""What a fit does to rows before its network sees them, fitted to its training rows alone.

Cells of a table become features by a `ColumnTransformer` of scikit-learn, see `TableEncoder`; then features and numeric
targets are scaled, see `scaling`. Images, and numbers of which none is missing, are only scaled.
"""

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpsearch.config.preprocess import Categories, ColumnPreprocess, CustomPreprocess, Dates, Missing, Preprocess
from hpsearch.data.dataset import Column, ColumnKind, Rows, as_floats, columns_of, name_columns
from hpsearch.data.scaling import Scaling, TargetScaling, fit_scaling, fit_target_scaling
from hpsearch.errors import ConfigError
from hpsearch.import_path import build_named, trying

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer

PARTS = 5
"""Parts of the training rows by which a target encoding is cross-fitted."""

ALONE = 10
"""Rows that are transformed once more, without the others, to see that a transformer treats each row by itself."""

STATE = 0
"""Random state of scikit-learn's transformers; what is fitted depends on the training rows alone."""


@dataclass(frozen=True, slots=True, eq=False)
class TableEncoder:
    """Turns cells of a table into features.

    Attributes:
        columns: The columns of the table.
        transformer: The fitted `ColumnTransformer`, or the user's own transformer, which takes `frame`.
        scaled: Shape (D,), whether each feature is a number, which is scaled afterwards; others are 0, 1 or -1.
        dtype: Type of the features: float32, or float64 where that would blur differences, see `as_floats`.
        own: What the user's own transformer is called in messages; empty for the library's.
    """

    columns: tuple[Column, ...]
    transformer: "ColumnTransformer"
    scaled: np.ndarray
    dtype: np.dtype[Any]
    own: str = ""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the D features."""
        names = self.transformer.get_feature_names_out()
        return tuple(str(name).partition("__")[2] or str(name) for name in names)

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        """Return features (N, D) of cells (N, columns).

        Raises:
            ConfigError: If the user's own transformer fails, or makes something else than D finite numbers of a row.
        """
        if self.own:
            with trying(self.own, f"transform of {len(inputs):,} rows"):
                made = self.transformer.transform(frame(self.columns, inputs))
            return np.ascontiguousarray(_as_features(self.own, made, len(self.scaled)), self.dtype)
        with warnings.catch_warnings():
            # a word that no training row has gets no feature, as its docstring says
            warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
            features = self.transformer.transform(frame(self.columns, inputs))
        return np.ascontiguousarray(features, self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessing:
    """What one fit does to its rows.

    Attributes:
        encoder: Turns the cells of a table into features; None where inputs are features already.
        scaling: Scaling of the features.
        target: Scaling of the targets; None for classes.
    """

    encoder: TableEncoder | None
    scaling: Scaling
    target: TargetScaling | None

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        """Return the features of inputs, which are not yet scaled."""
        return inputs if self.encoder is None else self.encoder.encode(inputs)


def is_encoded(rows: Rows, preprocess: Preprocess) -> bool:
    """Return whether the inputs of these rows are encoded before they are scaled."""
    return not rows.images and (preprocess.kind in ("quantile", "log", "custom") or not rows.numbers_only)


def fit_preprocessing(
    rows: Rows, train: np.ndarray, preprocess: Preprocess, *, always_encode: bool = False
) -> tuple[Preprocessing, np.ndarray]:
    """Fit the preprocessing to training rows.

    Args:
        rows: The rows.
        train: Shape (n,) int64 training rows of the fit, at least one.
        preprocess: What is done to them.
        always_encode: Whether a table of numbers gets an encoder too, which other rows with missing numbers need; it
            changes nothing in these rows.

    Returns:
        The preprocessing, and the features of all rows, which are not yet scaled.

    Raises:
        ConfigError: If a number is missing and `preprocess.missing=refuse`, targets do not suit the preprocessing, or
            the user's own transformer fails, or is for images.
    """
    if isinstance(preprocess, CustomPreprocess) and rows.images:
        raise ConfigError(f"preprocess=custom is for tables, and {rows.name} holds images: use preprocess=standard")
    target = None if rows.classes else fit_target_scaling(rows, train, preprocess)
    if not is_encoded(rows, preprocess) and (rows.images or not always_encode):
        return Preprocessing(None, fit_scaling(rows.inputs, train, preprocess), target), rows.inputs
    if isinstance(preprocess, CustomPreprocess):
        encoder, features = _fit_custom(rows, train, preprocess)
    else:
        assert isinstance(preprocess, ColumnPreprocess), preprocess.kind
        encoder, features = _fit_encoder(rows, train, preprocess)
    scaling = fit_scaling(features, train, preprocess)
    shift = np.where(encoder.scaled, scaling.shift, 0).astype(scaling.shift.dtype)
    scale = np.where(encoder.scaled, scaling.scale, 1).astype(scaling.scale.dtype)
    return Preprocessing(encoder, Scaling(shift, scale), target), features


def frame(columns: tuple[Column, ...], inputs: np.ndarray) -> "pd.DataFrame":
    """Return cells (N, columns) as a DataFrame of numbers, words and dates, missing ones as NaN and NaT."""
    import pandas as pd  # noqa: PLC0415 - takes half a second, and only tables need it

    series: dict[str, Any] = {}
    for column, cells in zip(columns, inputs.T, strict=True):
        missing = np.isnan(cells)
        if column.kind is ColumnKind.CATEGORY:
            words = np.array([*column.categories, np.nan], object)
            places = np.where(missing, len(column.categories), cells).astype(np.int64)
            series[column.name] = pd.Series(words[places], dtype=object)
        elif column.kind is ColumnKind.DATE:
            microseconds = np.where(missing, 0, np.round(cells.astype(np.float64) * 1e6)).astype("datetime64[us]")
            series[column.name] = pd.Series(np.where(missing, np.datetime64("NaT", "us"), microseconds))
        else:
            series[column.name] = cells
    return pd.DataFrame(series)


def _fit_custom(rows: Rows, train: np.ndarray, preprocess: CustomPreprocess) -> tuple[TableEncoder, np.ndarray]:
    """Fit the user's own transformer to training rows; what it makes of them is kept, as if it were cross-fitted."""
    columns, key = columns_of(rows), "preprocess"
    transformer = build_named(key, preprocess.import_path, preprocess.kwargs, {})
    who = f"{key}.import_path {preprocess.import_path}"
    targets = rows.targets if rows.targets.ndim == 1 or rows.targets.shape[1] > 1 else rows.targets[:, 0]
    with trying(who, f"fit_transform of {len(train):,} training rows"):
        fitted = _as_features(who, transformer.fit_transform(frame(columns, rows.inputs[train]), targets[train]))
    dtype = as_floats(fitted, rows.name).dtype
    encoder = TableEncoder(columns, transformer, np.ones(fitted.shape[1], bool), dtype, who)
    features = encoder.encode(rows.inputs)
    if not np.allclose(encoder.encode(rows.inputs[:ALONE]), features[:ALONE], rtol=1e-4, atol=1e-6):
        raise ConfigError(
            f"{who} must make the same features of a row whenever it is asked, whatever rows stand beside it: its "
            "transform draws at random, or uses statistics of the rows that it gets; fit must keep what it needs"
        )
    features[train] = fitted
    return encoder, features


def _as_features(who: str, made: Any, width: int | None = None) -> np.ndarray:
    """Return what a transformer of the user's made as features (n, D).

    Raises:
        ConfigError: If they are no table of finite numbers, of this width if one is given.
    """
    dense = made.toarray() if hasattr(made, "toarray") else made
    try:
        features = np.asarray(dense, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{who} must make numbers: {error}") from error
    if features.ndim != 2 or (width is not None and features.shape[1] != width):
        wanted = "n features" if width is None else f"{width} features, as in fit_transform,"
        raise ConfigError(f"{who} must make {wanted} of each row, got an array of shape {features.shape}")
    if lacking := int((~np.isfinite(features)).any(axis=0).sum()):
        raise ConfigError(
            f"{who} must make finite numbers, and {lacking} of {features.shape[1]} features hold missing or infinite "
            "ones: fill missing cells in, as sklearn.impute does"
        )
    return features


def _fit_encoder(rows: Rows, train: np.ndarray, preprocess: ColumnPreprocess) -> tuple[TableEncoder, np.ndarray]:
    columns = columns_of(rows)
    inputs = rows.inputs[train]
    _refuse_missing(columns, inputs, preprocess)
    targets = rows.targets if rows.targets.ndim == 1 or rows.targets.shape[1] > 1 else rows.targets[:, 0]
    labels = rows.targets[train] if rows.classes else None
    transformer = _transformer(columns, inputs, preprocess, _target_encoder(rows, _parts(len(train), labels)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
        # of a column that is missing in all training rows, which becomes a constant
        warnings.filterwarnings("ignore", "Skipping features without any observed values", UserWarning)
        warnings.filterwarnings("ignore", "All-NaN slice encountered", RuntimeWarning)
        warnings.filterwarnings("ignore", "n_quantiles", UserWarning)
        fitted = transformer.fit_transform(frame(columns, inputs), targets[train])
    numbers = [transformer.output_indices_[name] for name in ("numbers", "dates", "target", "ordinal")]
    scaled = np.zeros(fitted.shape[1], bool)
    for part in numbers:
        scaled[part] = True
    encoder = TableEncoder(columns, transformer, scaled, as_floats(fitted, rows.name).dtype)
    features = encoder.encode(rows.inputs)
    features[train] = fitted  # a target encoding is cross-fitted on these rows
    return encoder, features


def _parts(n: int, labels: np.ndarray | None) -> Any:
    """Return the splitter by which a target encoding of n training rows is cross-fitted."""
    from sklearn.model_selection import KFold, StratifiedKFold  # noqa: PLC0415

    rarest = 0 if labels is None else int(np.bincount(labels)[np.unique(labels)].min())
    if rarest > 1:
        return StratifiedKFold(min(PARTS, rarest), shuffle=True, random_state=STATE)
    return KFold(max(2, min(PARTS, n)), shuffle=True, random_state=STATE)


def _target_encoder(rows: Rows, parts: Any) -> Any:
    from sklearn.preprocessing import TargetEncoder  # noqa: PLC0415

    from hpsearch.data.column_transformers import TargetMeans  # noqa: PLC0415

    if rows.targets.ndim > 1 and rows.targets.shape[1] > 1:
        return TargetMeans(parts)
    target_type = {0: "continuous", 2: "binary"}.get(rows.classes, "multiclass")
    return TargetEncoder(target_type=target_type, cv=parts)


def _refuse_missing(columns: tuple[Column, ...], inputs: np.ndarray, preprocess: ColumnPreprocess) -> None:
    if preprocess.missing is Missing.REFUSE and np.isnan(inputs).any():
        names = [column.name for column, cells in zip(columns, inputs.T, strict=True) if np.isnan(cells).any()]
        raise ConfigError(
            f"preprocess.missing=refuse: {np.isnan(inputs).sum():,} cells of the training rows are missing, in "
            f"{name_columns(names)}: fill them in, or use preprocess.missing=median"
        )


def _transformer(
    columns: tuple[Column, ...], inputs: np.ndarray, preprocess: ColumnPreprocess, target_encoder: Any
) -> "ColumnTransformer":
    """Return the transformer of these columns, whose kinds of encoding depend on the training rows (n, columns)."""
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415 - takes a second to import
    from sklearn.impute import MissingIndicator  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer  # noqa: PLC0415

    from hpsearch.data.column_transformers import DateParts, HashedWords, PositiveLog  # noqa: PLC0415

    names: dict[ColumnKind, list[str]] = {kind: [] for kind in ColumnKind}
    hashed = []
    for column, cells in zip(columns, inputs.T, strict=True):
        if _is_hashed(column, cells, preprocess):
            hashed.append(column.name)
        else:
            names[column.kind].append(column.name)
    by: dict[Categories, list[str]] = {each: [] for each in Categories} | {
        preprocess.categories: names[ColumnKind.CATEGORY]
    }
    numbers = [_imputer(preprocess)]
    if preprocess.kind == "log":
        numbers.append(PositiveLog())
    if preprocess.kind == "quantile":
        quantiles = min(1000, len(inputs))
        numbers.append(QuantileTransformer(n_quantiles=quantiles, output_distribution="normal", random_state=STATE))
    indicated = names[ColumnKind.NUMBER] if preprocess.indicator else []
    onehot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=preprocess.min_frequency,
        drop="if_binary",
        sparse_output=False,
        dtype=np.float32,
    )
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(*numbers), names[ColumnKind.NUMBER]),
            ("missing", MissingIndicator(error_on_new=False), indicated),
            ("onehot", onehot, by[Categories.ONEHOT]),
            (
                "ordinal",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1),
                by[Categories.ORDINAL],
            ),
            ("target", target_encoder, by[Categories.TARGET]),
            ("hash", HashedWords(preprocess.hash_features), hashed),
            (
                "dates",
                make_pipeline(
                    DateParts(cyclic=preprocess.dates is Dates.CYCLIC),
                    _imputer(replace(preprocess, missing=Missing.MEDIAN)),
                ),
                names[ColumnKind.DATE],
            ),
        ]
    )


def _is_hashed(column: Column, cells: np.ndarray, preprocess: ColumnPreprocess) -> bool:
    if column.kind is not ColumnKind.CATEGORY:
        return False
    many = len(np.unique(cells[~np.isnan(cells)])) > preprocess.max_categories
    return preprocess.categories is Categories.HASH or (preprocess.categories is Categories.ONEHOT and many)


def _imputer(preprocess: ColumnPreprocess) -> Any:
    from sklearn.impute import SimpleImputer  # noqa: PLC0415

    strategy = "median" if preprocess.missing is Missing.REFUSE else preprocess.missing.value
    return SimpleImputer(strategy=strategy, fill_value=preprocess.fill_value, keep_empty_features=True)
