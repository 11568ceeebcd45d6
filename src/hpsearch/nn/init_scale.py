"""The standard deviation of initial weights: the initializers' formulas, without the sampling."""

import math

from hpsearch.config.model import CustomInit, Fan, Init, LsuvInit, NormalInit, OrthogonalInit, ScaledInit, UniformInit


def standard_deviation(init: ScaledInit, shape: tuple[int, ...]) -> float:
    """Return `gain / sqrt(fan)` for a weight tensor (units, inputs, *kernel).

    Xavier: gain 1, average fan (Glorot & Bengio, 2010, eq. 12) or, in textbooks, fan-in. He: gain sqrt(2), fan-in (He
    et al., 2015, eq. 10). LeCun: gain 1, fan-in (LeCun et al., 1998, eq. 16).
    """
    fan_in, fan_out = _fans(shape)
    fan = {Fan.IN: fan_in, Fan.OUT: fan_out, Fan.AVERAGE: (fan_in + fan_out) / 2}[init.fan]
    return init.gain / math.sqrt(fan)


def weight_deviation(init: Init, shape: tuple[int, ...]) -> float:
    """Return the root mean square of the weights (units, inputs, *kernel) that an initializer draws.

    Uniform in [-a, a]: a / sqrt(3). Orthogonal: rows or columns, whichever are fewer, have norm `gain`.
    Layer-sequential unit variance depends on the data, and the user's own initializer on itself: NaN.
    """
    match init:
        case NormalInit():
            return init.std
        case UniformInit():
            return init.limit / math.sqrt(3)
        case ScaledInit():
            return standard_deviation(init, shape)
        case OrthogonalInit():
            return init.gain / math.sqrt(max(shape[0], math.prod(shape[1:])))
        case LsuvInit() | CustomInit():
            return math.nan
        case _:
            return 0.0


def formula(init: Init) -> str:  # noqa: PLR0911 - one a kind
    """Return the standard deviation as text, such as `1.41 / sqrt(n_in)`."""
    match init:
        case NormalInit():
            return f"{init.std:.3g}"
        case UniformInit():
            return f"{init.limit:.3g} / sqrt(3)"
        case ScaledInit():
            fan = {Fan.IN: "n_in", Fan.OUT: "n_out", Fan.AVERAGE: "((n_in + n_out) / 2)"}[init.fan]
            return f"{init.gain:.3g} / sqrt{fan}" if fan.startswith("(") else f"{init.gain:.3g} / sqrt({fan})"
        case OrthogonalInit():
            return f"{init.gain:.3g} / sqrt(max(n_in, n_out))"
        case LsuvInit():
            return f"orthogonal, scaled to outputs of SD {init.gain:.3g}"
        case CustomInit():
            return f"that of {init.import_path}"
        case _:
            return "0"


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
