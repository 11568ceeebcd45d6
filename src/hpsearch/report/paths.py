"""The paths of four optimizers on f(x, y) = x²/20 + y², a valley that is 20 times steeper across than along.

Published update rules in their original form: Polyak (1964), Duchi et al. (2011), Kingma & Ba (2015, section 2).
"""

from collections.abc import Callable

import numpy as np

Path = np.ndarray
"""(T, 2) points, the start first."""
START, UPDATES = (-7.0, 2.0), 30
EPSILON = 1e-7


def gradient(point: np.ndarray) -> np.ndarray:
    """(2,) of x²/20 + y²."""
    return np.array([point[0] / 10, 2 * point[1]])


def textbook_paths(updates: int = UPDATES) -> dict[str, Path]:
    """SGD, Momentum, AdaGrad and Adam from the same start, each with the learning rate that suits it."""
    rules = {
        "SGD, lr 0.95": _sgd(0.95),
        "Momentum, lr 0.1": _momentum(0.1, 0.9),
        "AdaGrad, lr 1.5": _adagrad(1.5),
        "Adam, lr 0.3": _adam(0.3, 0.9, 0.999),
    }
    return {name: _walk(rule, updates) for name, rule in rules.items()}


def _walk(step: Callable[[np.ndarray], np.ndarray], updates: int) -> Path:
    points = [np.array(START)]
    for _ in range(updates):
        points.append(points[-1] + step(gradient(points[-1])))
    return np.stack(points)


def _sgd(lr: float) -> Callable[[np.ndarray], np.ndarray]:
    def step(slope: np.ndarray) -> np.ndarray:
        return np.asarray(-lr * slope)

    return step


def _momentum(lr: float, momentum: float) -> Callable[[np.ndarray], np.ndarray]:
    velocity = np.zeros(2)

    def step(slope: np.ndarray) -> np.ndarray:
        velocity[:] = momentum * velocity - lr * slope
        return velocity.copy()

    return step


def _adagrad(lr: float) -> Callable[[np.ndarray], np.ndarray]:
    squares = np.zeros(2)

    def step(slope: np.ndarray) -> np.ndarray:
        squares[:] += slope**2
        return np.asarray(-lr * slope / (np.sqrt(squares) + EPSILON))

    return step


def _adam(lr: float, beta1: float, beta2: float) -> Callable[[np.ndarray], np.ndarray]:
    mean, squares, updates = np.zeros(2), np.zeros(2), np.zeros(1)

    def step(slope: np.ndarray) -> np.ndarray:
        updates[:] += 1
        mean[:] = beta1 * mean + (1 - beta1) * slope
        squares[:] = beta2 * squares + (1 - beta2) * slope**2
        corrected = lr * np.sqrt(1 - beta2 ** updates[0]) / (1 - beta1 ** updates[0])
        return np.asarray(-corrected * mean / (np.sqrt(squares) + EPSILON))

    return step
