"""Signals that nothing has measured."""

from hpsearch.records import Signals

NAMES = ("dead", "saturated", "gradient_norm")


def made(layers=3, **rows):
    """Signals of two points."""
    given = {name: [[None] * layers] * 2 for name in NAMES} | rows
    other = [[0.5] * layers] * 2
    return Signals(
        steps=[0, 1],
        epochs=[0, 1],
        layers=[str(number) for number in range(layers)],
        activation_mean=other,
        activation_sd=other,
        activation_second_moment=other,
        gradient_second_moment=other,
        weight_norm=other,
        update_ratio=other,
        **given,
    )
