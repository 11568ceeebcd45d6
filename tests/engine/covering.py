"""Covering arrays: rows in which every pair of values of every two factors occurs."""

import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

Pair = tuple[tuple[str, int], tuple[str, int]]
CANDIDATES = 20


def pairs_of(choice: Mapping[str, int]) -> set[Pair]:
    """All pairs of a row of value numbers."""
    return set(combinations(sorted(choice.items()), 2))


def all_pairs(factors: Mapping[str, Sequence[Any]], seed: int) -> list[dict[str, Any]]:
    """Rows that cover all pairs; each the best of a few that are filled up greedily around a pair that is missing."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    missing = {
        pair
        for (a, of_a), (b, of_b) in combinations(sorted(factors.items()), 2)
        for pair in (((a, i), (b, j)) for i in range(len(of_a)) for j in range(len(of_b)))
    }
    rows = []
    while missing:
        ordered = sorted(missing)
        grown = [_grown(dict(chance.choice(ordered)), factors, missing, chance) for _ in range(CANDIDATES)]
        best = max(grown, key=lambda choice: len(pairs_of(choice) & missing))
        missing -= pairs_of(best)
        rows.append({name: factors[name][number] for name, number in best.items()})
    return rows


def _grown(
    choice: dict[str, int], factors: Mapping[str, Sequence[Any]], missing: set[Pair], chance: random.Random
) -> dict[str, int]:
    for name in chance.sample(sorted(factors.keys() - choice.keys()), len(factors) - len(choice)):

        def new_pairs(number: int, name: str = name) -> tuple[int, float]:
            found = sum(tuple(sorted(((name, number), other))) in missing for other in choice.items())
            return found, chance.random()

        choice[name] = max(range(len(factors[name])), key=new_pairs)
    return choice
