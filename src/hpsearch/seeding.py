"""Every seed of hpsearch, derived from the sweep seed alone.

A seed is a pure function of (sweep seed, purpose, indices), never of time, order, process or a global generator. Level
and trial number enter only the seed of the sampled parameters: all trials of a sweep share splits, initialization,
order and dropout streams, so that they are paired by common random numbers.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a seed is for; the numbers determine the seeds and must never change."""

    PARAMETERS = 1
    TEST_SPLIT = 2
    SPLIT = 3
    LIMIT = 4
    MONITOR = 5
    INIT = 6
    ORDER = 7
    DROPOUT = 8
    EPOCH = 9
    QMC = 10
    CONFIRM = 11
    RETRAIN = 12
    AUGMENTATION = 13


@dataclass(frozen=True, slots=True)
class FitSeeds:
    """The three random streams of one fit: initial weights, minibatch order, dropout bits."""

    init: int
    order: int
    dropout: int


def derive(seed: int, purpose: Purpose, *path: int | str) -> int:
    """Derive a 63-bit seed for one purpose.

    Args:
        seed: The sweep seed, or a derived seed; >= 0.
        purpose: What the seed is for.
        path: Further coordinates: level name, trial, fold, replicate, epoch.

    Returns:
        An integer in [0, 2**63), from `numpy.random.SeedSequence` with the coordinates as its spawn key.
    """
    key = [int(purpose)]
    for part in path:
        key += _words(part)
    state = np.random.SeedSequence(seed, spawn_key=tuple(key)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def fit_seeds(seed: int, fold: int, replicate: int) -> FitSeeds:
    """Return the seeds of a fit (fold and replicate count from 0), which are the same for every trial of a sweep."""
    return FitSeeds(
        init=derive(seed, Purpose.INIT, fold, replicate),
        order=derive(seed, Purpose.ORDER, fold, replicate),
        dropout=derive(seed, Purpose.DROPOUT, fold, replicate),
    )


def epoch_order(order_seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order of the training rows in one epoch: a permutation of 0 to n - 1, shape (n,).

    Args:
        order_seed: `FitSeeds.order`.
        epoch: Number of the epoch, from 0.
        n: Number of training rows.
    """
    return np.random.default_rng(derive(order_seed, Purpose.EPOCH, epoch)).permutation(n)


def _words(part: int | str) -> list[int]:
    if isinstance(part, int):
        return [part]
    digest = hashlib.sha256(part.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "big") for i in (0, 4, 8, 12)]
