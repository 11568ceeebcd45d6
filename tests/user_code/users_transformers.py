"""Transformers of tables that users might write."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


class Power(TransformerMixin, BaseEstimator):
    """Numbers to a power."""

    def __init__(self, power=1.0):
        self.power = power

    def fit(self, X, y=None):  # noqa: N803, ARG002 - scikit-learn's names
        self.fitted_ = len(X)
        return self

    def transform(self, X):  # noqa: N803
        return np.abs(X) ** self.power


def size_and_city(power=1.0):
    """The size to a power and standardized, and the city as sparse one-hot features."""
    size = make_pipeline(SimpleImputer(), Power(power), StandardScaler())
    return make_column_transformer(
        (size, ["size"]), (OneHotEncoder(handle_unknown="ignore"), ["city"]), sparse_threshold=1.0
    )


def as_it_is():
    """Numbers with their missing cells."""
    return make_column_transformer(("passthrough", ["size", "count"]))


class Broken(Power):
    """Cannot be fitted."""

    def fit(self, X, y=None):  # noqa: N803, ARG002
        raise KeyError("age")


class Flat(Power):
    """Makes one number of a row, and no row of it."""

    def transform(self, X):  # noqa: N803
        return np.zeros(len(X))


class Noise(Power):
    """Adds noise to numbers."""

    def transform(self, X):  # noqa: N803
        return X + np.random.default_rng().normal(size=X.shape)


class OfTheBatch(Power):
    """Subtracts the mean of the rows at hand."""

    def transform(self, X):  # noqa: N803
        return X - X.mean()
