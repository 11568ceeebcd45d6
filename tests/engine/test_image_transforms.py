"""Transforms of images against torchvision and SciPy."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as torchvision

from hpsearch.engine.image_transforms import erase, flip_and_crop, scale_rotate_shift

SHAPES = [(1, 8, 8), (3, 9, 6), (2, 5, 8)]
ATOL = 1e-5
"""Torchvision makes its grid in single precision."""


def images_of(shape, n=6):
    return torch.from_numpy(np.random.default_rng(1).uniform(1, 255, (n, *shape)))


def columns(*values):
    return [torch.from_numpy(np.array(each)).unsqueeze(1) for each in values]


@pytest.mark.parametrize("shape", SHAPES)
def test_scaling_rotation_and_shift_equal_those_of_torchvision(shape):
    images = images_of(shape)
    factors, angles = [1.0, 1.3, 0.7, 1.0, 1.1, 0.9], [0.0, 0.0, 20.0, -90.0, 180.0, 33.0]
    down, right = [1.0, 0.0, -2.0, 0.0, 1.0, 3.0], [0.0, 2.0, 1.0, 0.0, -1.0, -2.0]
    found = scale_rotate_shift(images, *columns(factors, angles, down, right), edge=False)
    for i, image in enumerate(images):
        expected = torchvision.affine(
            image,
            angle=angles[i],
            translate=[right[i], down[i]],
            scale=factors[i],
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        torch.testing.assert_close(found[i], expected, rtol=0, atol=255 * ATOL)


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_shifts_by_parts_of_pixels_equal_those_of_scipy(shape, edge):
    images = images_of(shape)
    down, right = [0.3, -1.25, 0.0, 2.5, -0.01, 1.0], [-0.4, 0.75, 1.5, -2.25, 0.6, 0.0]
    one, zero = columns([1.0] * 6, [0.0] * 6)
    found = scale_rotate_shift(images, one, zero, *columns(down, right), edge=edge)
    for i, image in enumerate(images.numpy()):
        mode = "nearest" if edge else "grid-constant"  # the image goes over into 0 within the border pixel
        expected = ndimage.shift(image, (0, down[i], right[i]), order=1, mode=mode)
        np.testing.assert_allclose(found[i], expected, rtol=0, atol=1e-9)


def test_a_quarter_turn_is_exact_and_clockwise():
    images = images_of((2, 7, 7), n=1)
    found = scale_rotate_shift(images, *columns([1.0], [90.0], [0.0], [0.0]), edge=False)
    torch.testing.assert_close(found, torch.rot90(images, -1, dims=(2, 3)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_flips_and_crops_equal_those_of_numpy(shape, edge):
    images = images_of(shape)
    mirrored = [False, True, False, True, True, False]
    top, left = [4, 4, 2, 7, 5, 0], [4, 4, 5, 1, 8, 6]
    found = flip_and_crop(images, *columns(mirrored, top, left), border=4, edge=edge)
    height, width = shape[1:]
    for i, image in enumerate(images.numpy()):
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)), mode="edge" if edge else "constant")
        cropped = padded[:, top[i] :, left[i] :][:, :height, :width]
        assert np.array_equal(found[i], cropped[:, :, ::-1] if mirrored[i] else cropped)


def test_a_square_is_erased_and_nothing_else():
    images = images_of((2, 8, 8), n=3)
    found = erase(images, *columns([0.5, 0.0, 0.31], [0.5, 1.0, 0.75], [0.5, 0.5, 0.0]))
    expected = images.clone()
    expected[0, :, 2:6, 2:6] = 0  # centred: half of each side
    expected[1, :, :2, 6:] = 0  # about a corner: a quarter of it lies in the image
    assert torch.equal(found, expected)


def test_the_erased_area_is_that_of_torchvision_where_it_lies_inside():
    (image,) = images_of((1, 10, 10), n=1)
    found = erase(image.unsqueeze(0), *columns([0.4], [0.6], [0.4]))[0]
    expected = torchvision.erase(image, 2, 4, 4, 4, torch.zeros(1, 4, 4, dtype=image.dtype))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bits_of_an_image_do_not_depend_on_the_others(dtype):
    images = images_of((1, 7, 9), n=70).to(dtype)
    draw = np.random.default_rng(2)
    numbers = [
        torch.from_numpy(draw.uniform(low, high, (70, 1))) for low, high in ((0.7, 1.3), (-90, 90), (-3, 3), (-3, 3))
    ]
    together = scale_rotate_shift(images, *numbers, edge=False)
    for start, stop in ((0, 1), (5, 6), (3, 70), (17, 40)):
        part = scale_rotate_shift(images[start:stop], *(each[start:stop] for each in numbers), edge=False)
        assert torch.equal(part, together[start:stop])
