"""Batch normalization by option."""

from torch import nn

from hpsearch.config.network import BatchNorm, Norm


def build_norm(norm: BatchNorm, features: int, *, image: bool) -> nn.Module:
    """Batch normalization (Ioffe & Szegedy, 2015) of `features` units or, for images, channels; gamma 1, beta 0."""
    kind = nn.BatchNorm2d if image else nn.BatchNorm1d
    return kind(features, eps=norm.eps, momentum=norm.momentum, affine=norm.affine)


def needs_bias(norm: Norm) -> bool:
    """Whether the layer beside `norm` keeps its own bias.

    A bias before batch normalization is cancelled by the mean, and beta takes its place. It is left out in both
    placements, so that `before` and `after` differ in the placement alone and have equally many parameters.
    """
    return not (isinstance(norm, BatchNorm) and norm.affine)
