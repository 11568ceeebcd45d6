"""Transforms of images, each with parameters of its own.

The bits of an image do not depend on the others: a matrix product, for one, may have other bits in another batch.

N images of C channels and H x W pixels.
"""

import torch
from torch.nn import functional


def flip_and_crop(
    images: torch.Tensor, mirrored: torch.Tensor, top: torch.Tensor, left: torch.Tensor, *, edge: bool
) -> torch.Tensor:
    """Return the part of each image that begins at (top, left), mirrored or not, without interpolation.

    Args:
        images: Shape (N, C, H, W).
        mirrored: Shape (N, 1) bool: whether left and right are exchanged.
        top: Shape (N, 1) int64, from -H to H: first row of pixels.
        left: Shape (N, 1) int64, from -W to W: first column of pixels.
        edge: Whether pixels outside the image are those of its nearest edge; otherwise they are 0.
    """
    height, width = images.shape[2:]
    y, x = (torch.arange(side, device=images.device) for side in (height, width))
    y, x = y + top, torch.where(mirrored, width - 1 - x, x) + left  # (N, H), (N, W)
    places = (y.clamp(0, height - 1) * width).unsqueeze(2) + x.clamp(0, width - 1).unsqueeze(1)  # (N, H, W)
    places = places.view(len(images), 1, -1).expand(-1, images.shape[1], -1)
    moved = images.flatten(2).gather(2, places).view(images.shape)
    if edge:
        return moved
    outside = ((y < 0) | (y >= height)).unsqueeze(2) | ((x < 0) | (x >= width)).unsqueeze(1)
    return moved.masked_fill(outside.unsqueeze(1), 0)


def scale_rotate_shift(
    images: torch.Tensor,
    factor: torch.Tensor,
    angle: torch.Tensor,
    down: torch.Tensor,
    right: torch.Tensor,
    *,
    edge: bool,
) -> torch.Tensor:
    """Return images scaled and rotated about their centre, then shifted, in one bilinear resampling.

    The pixel at p shows the image at R(-angle) (p - shift) / factor, both measured from the centre.

    Args:
        images: Shape (N, C, H, W) floating point.
        factor: Shape (N, 1) float64, as the following; > 1 enlarges.
        angle: Shape (N, 1) in degrees, clockwise.
        down: Shape (N, 1) pixels.
        right: Shape (N, 1) pixels.
        edge: See `flip_and_crop`.
    """
    height, width = images.shape[2:]
    angle = torch.deg2rad(angle)
    cosine, sine = angle.cos() / factor, angle.sin() / factor
    terms = (cosine, sine, cosine * right + sine * down, cosine * down - sine * right)
    grid = torch.zeros(len(images), height * width * 2, dtype=images.dtype, device=images.device)
    for term, basis in zip(terms, _bases(height, width, images), strict=True):
        grid += term.to(images.dtype) * basis
    padding = "border" if edge else "zeros"
    return functional.grid_sample(images, grid.view(-1, height, width, 2), padding_mode=padding, align_corners=False)


def erase(images: torch.Tensor, y: torch.Tensor, x: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return images in which pixels are 0 whose centre lies in a rectangle, which may reach beyond the image.

    Args:
        images: Shape (N, C, H, W).
        y: Shape (N, 1): vertical place of the centre of the rectangle, as a share of the height.
        x: Shape (N, 1): horizontal place, as a share of the width.
        share: Shape (N, 1): sides of the rectangle, as a share of height and width.
    """
    near = []
    for centre, side in zip((y, x), images.shape[2:], strict=True):
        pixels = (torch.arange(side, dtype=centre.dtype, device=images.device) + 0.5) / side
        near.append((pixels - centre).abs() < share / 2)
    return images.masked_fill((near[0].unsqueeze(2) & near[1].unsqueeze(1)).unsqueeze(1), 0)


def _bases(height: int, width: int, like: torch.Tensor) -> list[torch.Tensor]:
    """Return what the terms of `scale_rotate_shift` add to the places that are read, (1, H * W * 2) each, x before y.

    In the units of `grid_sample`: the outer edges of the image are at -1 and 1.
    """
    y, x = (torch.arange(side, dtype=like.dtype, device=like.device) - (side - 1) / 2 for side in (height, width))
    y, x = y.unsqueeze(1).expand(height, width), x.expand(height, width)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    parts = ((x, y), (y, -x), (-one, zero), (zero, -one))
    return [torch.stack([a * (2 / width), b * (2 / height)], 2).view(1, -1) for a, b in parts]
