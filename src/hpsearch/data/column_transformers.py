"""Transformers of scikit-learn's kind for columns of a table, beside those that it ships.

They are pickled by value with a served model, so they import nothing of hpsearch.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction import FeatureHasher
from sklearn.preprocessing import TargetEncoder

DAY_S = 86400.0


class PositiveLog(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Take the logarithm of columns that are positive in all fitted rows; later values below their minimum become it.

    Examples:
        >>> PositiveLog().fit_transform(np.array([[1.0, -1.0], [np.e, 1.0]]))
        array([[ 0., -1.],
               [ 1.,  1.]])
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's signature
        """Find the positive columns of X (n, D) and their minima."""
        self.minimum_ = np.nanmin(np.asarray(X, np.float64), axis=0)
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return X (n, D) with the logarithm of the positive columns."""
        values = np.array(X, np.result_type(np.asarray(X), np.float32))
        positive = self.minimum_ > 0
        values[:, positive] = np.log(np.maximum(values[:, positive], self.minimum_[positive]))
        return values

    def get_feature_names_out(self, input_features: Any) -> np.ndarray:
        """Return the names of the columns."""
        return np.asarray(input_features, object)


class HashedWords(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Hash each column of words (n, D) into features of its own, with signs (Weinberger et al., 2009)."""

    def __init__(self, n_features: int = 32) -> None:
        self.n_features = n_features

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Learn nothing: the features of a word depend on the word alone."""
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return (n, D * n_features) of 0, 1 and -1."""
        hasher = FeatureHasher(self.n_features, input_type="string", dtype=np.float32)
        words = np.asarray(X, object)
        columns = [hasher.transform([[str(word)] for word in column]).toarray() for column in words.T]
        return np.concatenate(columns, axis=1)

    def get_feature_names_out(self, input_features: Any) -> np.ndarray:
        """Return `column#0`, `column#1` and so on."""
        names = [f"{name}#{number}" for name in input_features for number in range(self.n_features)]
        return np.array(names, object)


class TargetMeans(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode columns of words by a `TargetEncoder` for each of several numeric targets, which takes one alone.

    Args:
        cv: The splitter by which the encoding of the fitted rows is cross-fitted.
    """

    def __init__(self, cv: Any) -> None:
        self.cv = cv

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit the encoders to X (n, D) and y (n, T)."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any) -> np.ndarray:  # noqa: N803
        """Fit the encoders, and return the cross-fitted encodings (n, T D)."""
        self.encoders_ = [TargetEncoder(target_type="continuous", cv=self.cv) for _ in y.T]
        return np.hstack([each.fit_transform(X, of) for each, of in zip(self.encoders_, y.T, strict=True)])

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the encodings (n, T D): all columns by the first target, then by the others."""
        return np.hstack([each.transform(X) for each in self.encoders_])

    def get_feature_names_out(self, input_features: Any) -> np.ndarray:
        """Return `column by target 0`, and so on."""
        names = [f"{name} by target {at}" for at in range(len(self.encoders_)) for name in input_features]
        return np.array(names, object)


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn dates into the days since 1970 and parts of the calendar.

    Args:
        cyclic: Whether the time of the year, the week and the day become a sine and a cosine each, instead of year,
            month, day, day of the week and hour.

    Examples:
        >>> DateParts().fit_transform(pd.DataFrame({"day": pd.to_datetime(["1970-02-01"])}))
        array([[3.10e+01, 1.97e+03, 2.00e+00, 1.00e+00, 6.00e+00]])
    """

    def __init__(self, *, cyclic: bool = False) -> None:
        self.cyclic = cyclic

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Find the columns that have times of day."""
        columns = [pd.to_datetime(X[name]) for name in X]
        self.timed_ = [bool((column.dropna() != column.dropna().dt.normalize()).any()) for column in columns]
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the parts of all columns (n, parts) float64, NaN where a date is missing."""
        parts = [
            part
            for name, timed in zip(X, self.timed_, strict=True)
            for part in self._parts(pd.to_datetime(X[name]), timed=timed)
        ]
        return np.stack(parts, axis=1)

    def _parts(self, dates: pd.Series, *, timed: bool) -> list[np.ndarray]:
        moments = dates.to_numpy("datetime64[us]")  # nanoseconds would end in 2262
        days = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / (DAY_S * 1e6))
        calendar, time_of_day = dates.dt, days % 1
        if not self.cyclic:
            parts = [days, calendar.year, calendar.month, calendar.day, calendar.day_of_week]
            parts += [calendar.hour] if timed else []
            return [np.asarray(part, np.float64) for part in parts]
        leap = np.where(calendar.is_leap_year, 366, 365)
        turns = [(calendar.day_of_year - 1 + time_of_day) / leap, (calendar.day_of_week + time_of_day) / 7]
        turns += [time_of_day] if timed else []
        angles = [2 * np.pi * np.asarray(turn, np.float64) for turn in turns]
        return [np.asarray(days, np.float64), *(wave(angle) for angle in angles for wave in (np.sin, np.cos))]

    def get_feature_names_out(self, input_features: Any) -> np.ndarray:
        """Return `column days`, `column year` and so on."""
        if self.cyclic:
            parts = [f"{wave} of the {turn}" for turn in ("year", "week", "day") for wave in ("sine", "cosine")]
        else:
            parts = ["year", "month", "day", "day of week", "hour"]
        timed = 2 if self.cyclic else 1
        names = [
            f"{name} {part}"
            for name, has_times in zip(input_features, self.timed_, strict=True)
            for part in ["days", *(parts if has_times else parts[:-timed])]
        ]
        return np.array(names, object)
