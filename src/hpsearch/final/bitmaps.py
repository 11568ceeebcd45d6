"""Which test rows a network classifies correctly, one bit a row: all that is kept of single test rows.

M networks of one opening, n test rows.
"""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hpsearch.search.record_files import BrokenFileError

BITMAPS = "correct.safetensors"
"""Name of the file among the artifacts of a final run."""


def pack(correct: np.ndarray) -> bytes:
    """The file: `correct` (M, ceil(n / 8)) uint8, eight rows a byte as `numpy.packbits` packs them, and `rows`, n.

    Args:
        correct: (M, n) bool.
    """
    packed = np.packbits(correct, axis=1)
    return save({"correct": np.ascontiguousarray(packed), "rows": np.array([correct.shape[1]])})


def unpack(data: bytes, name: str) -> np.ndarray:
    """The (M, n) bool of `pack`.

    Raises:
        BrokenFileError: If the file is damaged; `name` is for its message.
    """
    try:
        arrays = load(data)
        packed, rows = arrays["correct"], int(arrays["rows"][0])
        correct: np.ndarray = np.unpackbits(packed, axis=1, count=rows).astype(bool)
    except (SafetensorError, KeyError, IndexError, ValueError, TypeError) as error:
        raise BrokenFileError(name, f"{type(error).__name__}: {error}") from error
    return correct
