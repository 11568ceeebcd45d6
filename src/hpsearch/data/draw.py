"""Drawing rows at random, each class in proportion."""

import numpy as np


def draw(rows: np.ndarray, n: int, random_state: int, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The n rows that were drawn, and the others, both ascending.

    Equals `train_test_split(rows, test_size=n, stratify=labels, random_state=random_state)` of scikit-learn, sorted.

    Args:
        rows: (m,) int64.
        n: How many are drawn; at least 1, less than m.
        random_state: At least 0, below 2**32.
        labels: (m,) class of each row, for which `obstacle` found none; None draws without classes.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - takes a second, which a driver may not need

    rest, drawn = train_test_split(rows, test_size=n, random_state=random_state, stratify=labels)
    return np.sort(drawn), np.sort(rest)


def obstacle(labels: np.ndarray, n: int, names: tuple[str, ...]) -> str | None:
    """Why n rows cannot be drawn in proportion to the classes of these labels; None if they can."""
    present, counts = np.unique(labels, return_counts=True)
    rare = int(np.argmin(counts))
    if counts[rare] < 2:
        return f"class {names[present[rare]]!r} has a single row, and each class needs 2 at least"
    smaller = min(n, len(labels) - n)
    if smaller < len(present):
        return f"{smaller} rows cannot hold each of {len(present)} classes"
    return None


def draw_in_proportion(
    rows: np.ndarray, n: int, random_state: int, strata: np.ndarray | None, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """As `draw`, in proportion to the classes where that can be done, and without regard to them where it cannot."""
    labels = None if strata is None else strata[rows]
    if labels is not None and obstacle(labels, n, names) is not None:
        labels = None
    return draw(rows, n, random_state, labels)
