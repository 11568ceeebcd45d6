"""Every format of images becomes upright bytes, and files that are no images are told."""

import numpy as np
import pytest
from PIL import Image

from hpsearch.data.image_files import ImageError, list_images, pixels_of, shape_of
from hpsearch.errors import DataError
from tests.data.images import shades


@pytest.fixture
def listed(tmp_path):
    def write(image, name="a.png", **options):
        image.save(tmp_path / name, **options)
        (file,) = list_images(tmp_path, "data.path").images
        return file

    return write


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "tiff", "pgm"])
def test_grey_images_of_all_lossless_formats_are_read(listed, suffix):
    pixels = shades(0)
    file = listed(Image.fromarray(pixels), f"a.{suffix}")
    assert shape_of(file) == (4, 3, 1)
    np.testing.assert_array_equal(pixels_of(file, (4, 3), 1), pixels[None])


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {"quality": 95}), ("webp", {"lossless": True})])
def test_photographs_are_read_to_a_few_shades(listed, suffix, options):
    pixels = np.repeat(np.linspace(0, 255, 16).astype(np.uint8)[:, None], 16, axis=1)
    file = listed(Image.fromarray(pixels), f"a.{suffix}", **options)
    np.testing.assert_allclose(pixels_of(file, (16, 16), 1)[0].astype(int), pixels, atol=4)


def test_colors_are_channels(listed):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 3), np.uint8)
    file = listed(Image.fromarray(pixels))
    assert shape_of(file) == (4, 3, 3)
    np.testing.assert_array_equal(pixels_of(file, (4, 3), 3), pixels.transpose(2, 0, 1))


def test_grey_of_colors_is_luma(listed):
    file = listed(Image.new("RGB", (1, 1), (200, 100, 50)))
    assert pixels_of(file, (1, 1), 1).item() == round((299 * 200 + 587 * 100 + 114 * 50) / 1000)


def test_sixteen_bits_keep_their_full_range(listed):
    values = np.array([[0, 257, 65535, 32896, 128, 129]], np.uint16)
    file = listed(Image.fromarray(values))
    assert shape_of(file) == (1, 6, 1)
    assert pixels_of(file, (1, 6), 1).ravel().tolist() == np.rint(values.ravel() / 257).astype(int).tolist()


def test_transparent_pixels_lie_over_white(listed):
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    file = listed(Image.fromarray(pixels))
    assert pixels_of(file, (1, 2), 3)[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_a_transparent_color_of_a_palette_lies_over_white(listed):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([9, 9, 9, 200, 0, 0])
    file = listed(image, transparency=0)
    assert pixels_of(file, (1, 2), 3)[:, 0].T.tolist() == [[255, 255, 255], [200, 0, 0]]


@pytest.mark.parametrize(("palette", "channels"), [([9, 9, 9, 200, 200, 200], 1), ([9, 9, 9, 200, 0, 0], 3)])
def test_a_palette_is_grey_if_all_of_its_colors_are(listed, palette, channels):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette(palette)
    assert shape_of(listed(image)) == (1, 2, channels)


def test_black_and_white_is_grey(listed):
    file = listed(Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"))
    assert shape_of(file)[2] == 1
    assert pixels_of(file, (1, 2), 1).ravel().tolist() == [0, 255]


def test_the_orientation_of_a_camera_is_honoured(listed):
    pixels, exif = shades(0), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    file = listed(Image.fromarray(pixels), exif=exif)
    assert shape_of(file) == (3, 4, 1)
    np.testing.assert_array_equal(pixels_of(file, (3, 4), 1)[0], np.rot90(pixels, -1))


def test_the_first_image_of_an_animation_is_read(listed):
    first, second = (Image.fromarray(shades(seed)) for seed in (0, 1))
    file = listed(first, "a.gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(pixels_of(file, (4, 3), 1)[0], shades(0))


def test_an_image_is_cropped_to_its_center(listed):
    pixels = shades(0, 2, 6)
    np.testing.assert_array_equal(pixels_of(listed(Image.fromarray(pixels)), (2, 2), 1)[0], pixels[:, 2:4])


def test_an_image_is_resized_until_it_covers_the_size(listed):
    pixels = np.zeros((8, 4), np.uint8)
    pixels[2:6] = 200  # what the crop to a square keeps
    assert (pixels_of(listed(Image.fromarray(pixels)), (2, 2), 1) > 150).all()


def test_images_of_floats_are_refused(listed):
    file = listed(Image.fromarray(np.zeros((2, 2), np.float32)), "a.tif")
    with pytest.raises(ImageError, match=r"floats of 32 bits, whose range is unknown: save it with 8 or 16 bits"):
        pixels_of(file, (2, 2), 1)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "it is empty"), (b"<html>", "it is no image, or of a format that is not read")]
)
def test_what_is_no_image_is_refused(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)
    (file,) = list_images(tmp_path, "data.path").images
    with pytest.raises(ImageError, match=reason):
        shape_of(file)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_a_truncated_image_is_refused(listed, suffix, tmp_path):
    listed(Image.fromarray(shades(0, 64, 64)), f"a.{suffix}")
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (file,) = list_images(tmp_path, "data.path").images
    with pytest.raises(ImageError):
        pixels_of(file, (64, 64), 1)


def test_a_listing_is_sorted_and_leaves_out_what_is_hidden(tmp_path):
    for name in (
        "b/2.png",
        "b/10.PNG",
        "a c/x.jpg",
        ".DS_Store",
        "b/.hidden.png",
        ".git/x.png",
        "Thumbs.db",
        "b/n.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listing = list_images(tmp_path, "data.path")
    assert [file.name for file in listing.images] == ["a c/x.jpg", "b/10.PNG", "b/2.png"]
    assert listing.others == ("b/n.txt",)
    assert listing.folders == ("a c", "b")


def test_names_of_one_meaning_are_one_on_all_systems(tmp_path):
    (tmp_path / "cafe\u0301").mkdir()
    (tmp_path / "cafe\u0301" / "a.png").touch()
    assert list_images(tmp_path, "data.path").images[0].parts == ("caf\u00e9", "a.png")


def test_links_are_followed_once(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(folder)
    assert [file.name for file in list_images(folder, "data.path").images] == ["cat/a.png"]


def test_a_link_to_nothing_is_refused(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"a\.png cannot be read \(No such file or directory\): restore or remove it"):
        list_images(tmp_path, "data.path")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match=r"data\.path=.*a\.zip: this is a file, no folder \(looked for"):
        list_images(tmp_path / "a.zip", "data.path")
