"""Options and choices that did so badly in a round that the next one goes without them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hpsearch.analysis.explore_pool import Pool
from hpsearch.analysis.explore_space import label_of
from hpsearch.records import Status

CHANCE = 0.05
"""Probability that any of equally good choices of one name is dropped in a round, at the most."""


def kept_choices(declared: Sequence[Any], name: str, pool: Pool, inside: np.ndarray) -> list[Any]:
    """The choices that the next round draws from, in the order declared; at least one.

    A choice is dropped if both hold:

    - No trial that has it is among those that ranges are narrowed to.
    - All of its trials lie so low by `val` that this is hardly chance. If all choices were equally good, any of the N
      trials that draw the value could have any choice, so that the n trials of one would miss the m highest with
      probability C(N - n, m) / C(N, m) (hypergeometric; Fisher, 1935). With m the trials above the highest of the
      choice, that must be at most 5 %, divided by the number of choices (Bonferroni).

    Hence few trials drop nothing: of 18 with three choices, the six of one must lie below eight others. What diverged
    lies lowest, a tie speaks for the choice, and the choice of the highest trial always stays.

    Args:
        declared: The choices.
        name: Of the value, or of the group.
        pool: The trials of the level, whether they draw the value or not.
        inside: (N,) which of them the ranges are narrowed to.
    """
    having = [(label_of(row.values[name]), at) for at, row in enumerate(pool.rows) if name in row.values]
    places = {at: _place(pool, at) for _, at in having}
    kept = []
    for choice in declared:
        own = [at for label, at in having if label == label_of(choice)]
        above = sum(place > max(places[at] for at in own) for place in places.values()) if own else 0
        lowly = chance_of_none(len(having), len(own), above) * len(declared) <= CHANCE
        if any(inside[at] for at in own) or not lowly:
            kept.append(choice)
    return kept


def _place(pool: Pool, at: int) -> tuple[bool, float]:
    """What trials are put in order by, as the recipe is: `ok` before all others, then `val`; lowest if it diverged."""
    return pool.rows[at].status == Status.OK, -math.inf if pool.diverged[at] else float(pool.val[at])


def chance_of_none(trials: int, own: int, highest: int) -> float:
    """Probability that none of `own` trials is among so many highest of all, if their places are random."""
    return math.comb(trials - own, highest) / math.comb(trials, highest)
