"""Seeds x images: how much a difference of accuracies would vary with other seeds and other images at once.

S seeds (pairing keys), n scored rows, the same rows for every seed and both levels.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class Crossed:
    """Difference of accuracies A minus B over seeds and images.

    Attributes:
        diff: Mean over all S n cells.
        low: Lower end of its interval.
        high: Upper end.
        seed_part: Its variance if only seeds were redrawn: s^2 / S of the seeds' means.
        image_part: Its variance if only images were redrawn: s^2 / n of the images' means.
        var: Its variance if both are redrawn; at least either part, at most their sum.
        dominated_by: The larger part; `seeds` if they are equal.
    """

    diff: float
    low: float
    high: float
    seed_part: float
    image_part: float
    var: float
    dominated_by: Literal["seeds", "images"]


def crossed(correct_a: np.ndarray, correct_b: np.ndarray, alpha: float) -> Crossed:
    """Return the difference with an interval that holds for new seeds and new images from the same source (Owen, 2007).

    Var = (MS_seed + MS_image - MS_rest) / (S n) from the mean squares of the two-way layout with one value per cell
    (Searle, Casella & McCulloch, 1992), at least the larger part. The interval uses t(S - 1) if seeds dominate,
    otherwise the normal distribution.

    Args:
        correct_a: Shape (S, n) bool: whether A's run with seed s classifies row i correctly; S, n >= 2.
        correct_b: Shape (S, n) bool for B, the same seeds and rows.
        alpha: 1 - coverage, in (0, 1).

    Raises:
        ValueError: If the bitmaps are not bool, differ in shape, or are too small.
    """
    difference = _differences(correct_a, correct_b)
    seeds, images = difference.shape
    cells = seeds * images
    seed_ms, image_ms, rest_ms = _mean_squares(difference)
    seed_part, image_part = seed_ms / cells, image_ms / cells
    var = max(seed_part + image_part - rest_ms / cells, seed_part, image_part)
    diff, half = (
        int(difference.sum(dtype=np.int64)) / cells,
        crossed_half_width(seed_part, image_part, var, seeds, alpha),
    )
    largest: Literal["seeds", "images"] = "seeds" if seed_part >= image_part else "images"
    return Crossed(diff, diff - half, diff + half, seed_part, image_part, var, largest)


def crossed_half_width(seed_part: float, image_part: float, var: float, seeds: int, alpha: float) -> float:
    """Return half the width of the 1 - alpha interval: by t(S - 1) if seeds dominate, else by the normal distribution.

    Args:
        seed_part: Variance of the difference if only seeds were redrawn.
        image_part: The same of images.
        var: The same of both.
        seeds: Number of seeds S, >= 2.
        alpha: 1 - coverage, in (0, 1).
    """
    by_seeds = seed_part >= image_part
    quantile = stats.t.ppf(1 - alpha / 2, seeds - 1) if by_seeds else stats.norm.ppf(1 - alpha / 2)
    return float(quantile) * math.sqrt(var)


def _differences(correct_a: np.ndarray, correct_b: np.ndarray) -> np.ndarray:
    """Return A minus B, (S, n) int8 of -1, 0 and 1."""
    shapes = np.shape(correct_a), np.shape(correct_b)
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or min(shapes[0]) < 2:
        raise ValueError(
            f"needs two bitmaps of the same 2 or more seeds and rows, got shapes {shapes[0]} and {shapes[1]}"
        )
    if correct_a.dtype != bool or correct_b.dtype != bool:
        raise ValueError(f"bitmaps must be bool, got {correct_a.dtype} and {correct_b.dtype}")
    difference: np.ndarray = correct_a.astype(np.int8) - correct_b.astype(np.int8)
    return difference


def _mean_squares(difference: np.ndarray) -> tuple[float, float, float]:
    """Return mean squares of seeds, images and residual; Python's integers keep the sums of squares exact."""
    seeds, images = difference.shape
    by_seed = difference.sum(axis=1, dtype=np.int64)
    by_image = difference.sum(axis=0, dtype=np.int64)
    total = int(by_seed.sum()) ** 2
    seed = seeds * int(np.square(by_seed).sum()) - total
    image = images * int(np.square(by_image).sum()) - total
    rest = seeds * images * int(np.count_nonzero(difference)) - total - seed - image
    cells = seeds * images
    return seed / (cells * (seeds - 1)), image / (cells * (images - 1)), rest / (cells * (seeds - 1) * (images - 1))
