"""Transforms of images, each with parameters of its own.

The bits of an image do not depend on the others: a matrix product, for one, may have other bits in another batch.

N images of C channels and H x W pixels.
"""

import torch
from torch.nn import functional


def flip_and_crop(
    images: torch.Tensor, mirrored: torch.Tensor, top: torch.Tensor, left: torch.Tensor, *, border: int, edge: bool
) -> torch.Tensor:
    """Return the part of each image, with a border, that begins at (top, left), mirrored or not; nothing is averaged.

    Args:
        images: Shape (N, C, H, W).
        mirrored: Shape (N, 1) bool: whether left and right are exchanged.
        top: Shape (N, 1) int64, from 0 to 2 * border: first row of pixels.
        left: Shape (N, 1) int64, from 0 to 2 * border: first column of pixels.
        border: Pixels that are added on each side.
        edge: Whether these are those of the nearest edge; otherwise they are 0.
    """
    height, width = images.shape[2:]
    padded = functional.pad(images, [border] * 4, mode="replicate" if edge else "constant")
    y, x = (torch.arange(side, device=images.device) for side in (height, width))
    y, x = y + top, torch.where(mirrored, width - 1 - x, x) + left  # (N, H), (N, W)
    places = (y * (width + 2 * border)).unsqueeze(2) + x.unsqueeze(1)  # (N, H, W)
    places = places.view(len(images), 1, -1).expand(-1, images.shape[1], -1)
    return padded.flatten(2).gather(2, places).view(images.shape)


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
        edge: Whether pixels from outside the image are those of the nearest edge; otherwise they are 0.
    """
    angle = torch.deg2rad(angle)
    cosine, sine = angle.cos() / factor, angle.sin() / factor
    y, x = (torch.arange(n, dtype=factor.dtype, device=images.device) - (n - 1) / 2 for n in images.shape[2:])
    y, x = y - down, x - right  # (N, H), (N, W): from the centre
    grid = images.new_empty(len(images), *images.shape[2:], 2)
    # in the units of `grid_sample`, in which the outer edges of the image are at -1 and 1
    for axis, (of_x, of_y) in enumerate(((cosine * x, sine * y), (-sine * x, cosine * y))):
        of_x, of_y = ((part * (2 / images.shape[3 - axis])).to(images.dtype) for part in (of_x, of_y))  # noqa: PLW2901
        torch.add(of_x.unsqueeze(1), of_y.unsqueeze(2), out=grid[..., axis])
    padding = "border" if edge else "zeros"
    return functional.grid_sample(images, grid, padding_mode=padding, align_corners=False)


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
