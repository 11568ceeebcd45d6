"""Metrics as a user would write them, and scorers."""

import numpy as np
from sklearn.metrics import fbeta_score, log_loss, make_scorer, mean_absolute_error


def cost(y_true, y_pred, miss=5.0):
    """The mean cost of errors, of which those of class 0 cost more."""
    return np.mean((y_true != y_pred) * np.where(y_true == 0, miss, 1.0))


def largest_error(y_true, y_pred):
    """Of a single number, without a dimension for it."""
    assert y_true.shape == y_pred.shape == (len(y_true),)
    return np.abs(y_true - y_pred).max()


def shares(y_true, y_pred):
    """Probabilities as scikit-learn passes them: of two classes those of the second."""
    return -log_loss(y_true, y_pred, labels=range(2 if y_pred.ndim == 1 else y_pred.shape[1]))


def broken(y_true, _):
    """A typing error."""
    return y_true.maen()


def words(_, __):
    """No number."""
    return "good"


def each_row(y_true, y_pred):
    """One value a row."""
    return y_true == y_pred


def undefined(_, __):
    """Not a number."""
    return np.nan


def needs_all_classes(y_true, y_pred):
    """Raises where a class is missing."""
    if len(np.unique(y_true)) < 3:
        raise ValueError("a class is missing")
    return np.mean(y_true == y_pred)


FBETA = make_scorer(fbeta_score, beta=2, average="macro", zero_division=0)
ERROR = make_scorer(mean_absolute_error, greater_is_better=False)
LOG_LOSS = make_scorer(log_loss, greater_is_better=False, response_method="predict_proba")
