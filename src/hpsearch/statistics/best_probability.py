"""The probability that a level yields the best model when every level gets k trials.

Legend: J levels, N trials of a level, U distinct `report` scores of a level, Y of all levels together, Q nodes, M
columns: several weightings of the same trials, such as budgets or resamples. Higher is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.statistics.tuning_curves import refuse_unordered, tied_weights

Level = tuple[np.ndarray, np.ndarray]
"""The `val` (N,) and `report` (N,) scores of a level's trials."""


def prob_best(levels: Sequence[Level], k: int) -> np.ndarray:
    """Return the probability of each level that its best of k trials has the highest `report` score.

    P(a) = Σ_y p_a(y) ∫₀¹ Π_{b≠a} (F_b(y⁻) + t p_b(y)) dt: levels that tie at the top share it equally.

    Args:
        levels: `val` and `report` scores of each level, J >= 1.
        k: Budget, at most the number of trials of the smallest level.

    Returns:
        Shape (J,), of sum 1.

    Raises:
        ValueError: If a score is NaN or +inf, or k exceeds the trials of a level.

    Examples:
        >>> scores = [np.array([0.1, 0.4]), np.array([0.2, 0.3])]
        >>> prob_best([(each, each) for each in scores], k=1).tolist()
        [0.5, 0.5]
        >>> prob_best([(each, each) for each in scores], k=2).tolist()
        [1.0, 0.0]
    """
    ladder = StepCdfs.of([report for _, report in levels])
    return ladder.prob_best([tied_weights(val, k)[:, None] for val, _ in levels])[:, 0]


@dataclass(frozen=True, slots=True)
class _Steps:
    """Positions of one level's distinct scores among the nodes.

    Attributes:
        order: Shape (N,) trials by ascending `report` score.
        starts: Shape (U,) start of each group of equal scores in that order.
        below: Shape (Q,) number of the level's distinct scores below the score of each node.
        own: Indices of the nodes whose score is one of the level's.
        t: Shape (len(own), 1) position t of these nodes.
    """

    order: np.ndarray
    starts: np.ndarray
    below: np.ndarray
    own: np.ndarray
    t: np.ndarray

    def mass(self, weights: np.ndarray) -> np.ndarray:
        """Return the probability (U, M) of each distinct score, from weights (N, M)."""
        ordered: np.ndarray = weights[self.order]
        return ordered if len(self.starts) == len(self.order) else np.add.reduceat(ordered, self.starts, axis=0)


@dataclass(frozen=True, slots=True)
class StepCdfs:
    """The quadrature nodes (y, t) that make `prob_best` exact for any weights of the same trials.

    The integrand at y is a polynomial of degree c - 1 in t, where c is the number of levels with a trial at y;
    ceil(c/2) Gauss-Legendre nodes integrate it exactly. A score of one or two levels thus needs a single node.

    Attributes:
        steps: Steps of each level.
        quadrature: Shape (Q, 1) weight of each node.
    """

    steps: tuple[_Steps, ...]
    quadrature: np.ndarray

    @classmethod
    def of(cls, reports: Sequence[np.ndarray]) -> "StepCdfs":
        """Build the nodes for levels with these `report` scores, (N,) each.

        Raises:
            ValueError: If a score is NaN or +inf.
        """
        refuse_unordered(*reports)
        distinct = [np.unique(report) for report in reports]
        scores, levels_at = np.unique(np.concatenate(distinct), return_counts=True)
        rules = [np.polynomial.legendre.leggauss((c + 1) // 2) for c in range(1, len(reports) + 1)]
        node_t = np.concatenate([(rules[c - 1][0] + 1) / 2 for c in levels_at])
        node_y = np.repeat(scores, (levels_at + 1) // 2)
        quadrature = np.concatenate([rules[c - 1][1] / 2 for c in levels_at])
        return cls(tuple(_steps(report, node_y, node_t) for report in reports), quadrature[:, None])

    def prob_best(self, weights: Sequence[np.ndarray]) -> np.ndarray:
        """Return the probability (J, M) of each level to be best, for `weights` (N, M) of each level's trials."""
        product = np.ones((len(self.quadrature), weights[0].shape[1]))
        terms = []
        for step, of_level in zip(self.steps, weights, strict=True):
            mass = step.mass(of_level)
            up_to = np.concatenate([np.zeros((1, mass.shape[1])), np.cumsum(mass, axis=0)])
            chance = up_to[step.below]  # (Q, M) F(y⁻), at the level's own scores F(y⁻) + t p(y)
            at = mass[step.below[step.own]]
            chance[step.own] += step.t * at
            product *= chance
            terms.append((at * self.quadrature[step.own], chance[step.own]))
        return np.stack(
            [_without(product[step.own], chance, at) for step, (at, chance) in zip(self.steps, terms, strict=True)]
        )


def _steps(report: np.ndarray, node_y: np.ndarray, node_t: np.ndarray) -> _Steps:
    scores, counts = np.unique(report, return_counts=True)
    below = np.searchsorted(scores, node_y)
    own = np.flatnonzero(np.isin(node_y, scores))
    return _Steps(np.argsort(report, kind="stable"), np.cumsum(counts) - counts, below, own, node_t[own, None])


def _without(product: np.ndarray, chance: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the sums (M,) of at · product / chance; where the level's own chance is zero, so is its mass."""
    others = np.divide(product, chance, out=np.zeros_like(product), where=chance > 0)
    sums: np.ndarray = (others * at).sum(axis=0)
    return sums
