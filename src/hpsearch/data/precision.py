"""How many digits of a user's own numbers are kept."""

import numpy as np

from hpsearch.data.rows import DataError

KEPT = 1e-6
"""Share of its range by which rounding may move a value."""


def as_floats(values: np.ndarray, label: str, *, together: bool = False) -> np.ndarray:
    """The same numbers as float32, or as float64 where float32 would lose what tells them apart.

    Numbers are scaled before they are trained on: 1700000000 and 1700000050 become 0 and 1, but only if they still
    differ then. float32 moves them by up to 64; a column whose values it moves by more than a millionth of their range
    stays float64.

    Args:
        values: (N,) or (N, …) finite real numbers, within the range of float32.
        label: Names the values in messages.
        together: Whether all have one range, as the pixels of images do; otherwise each column has its own.

    Raises:
        DataError: If float64 loses too much of a column, too.
    """
    narrow = values.astype(np.float32)
    if np.can_cast(values.dtype, np.float32, "safe"):
        return narrow
    axis = None if together else 0
    wide = values.astype(np.float64)
    width = np.asarray(wide.max(axis=axis) - wide.min(axis=axis))
    moved = np.asarray(np.abs(wide - narrow).max(axis=axis))
    if not (moved > KEPT * width)[width > 0].any():
        return narrow
    lost = (np.asarray(np.abs(wide).max(axis=axis)) * np.finfo(np.float64).eps / 2 > KEPT * width) & (width > 0)
    if lost.any():
        at = int(np.flatnonzero(lost)[0])
        which = f" (column {at})" if lost.ndim else ""
        raise DataError(
            f"{label}{which} lies near {np.abs(wide).max():.3g} and spreads over {width.flat[at]:.3g} only, which "
            "even float64 cannot tell apart: subtract a constant from it, or leave it out"
        )
    return wide
