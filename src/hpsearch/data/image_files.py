"""Image files: which ones a folder holds, and one of them as pixels."""

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpsearch.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
)
"""Suffixes of files that are read; a file of any other format among them is read by its content."""

_SYSTEM = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
"""Names that operating systems leave behind, besides those that begin with a point."""

_GREY = frozenset(("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I"))
"""Pillow's modes of images without colors."""

_ORIENTATION = 0x0112
"""EXIF's tag of the orientation."""

_TURNED = frozenset((5, 6, 7, 8))
"""Values of EXIF's orientation at which height and width change places."""


class ImageError(Exception):
    """Why one file cannot be read as an image."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that may hold an image, with what tells whether it was changed.

    Attributes:
        name: Its path relative to the folder, with slashes, in Unicode's composed form.
        path: Its path.
        size: Its size in bytes.
        mtime_ns: When it was changed.
    """

    name: str
    path: Path = field(compare=False)
    size: int
    mtime_ns: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders and the name of the file."""
        return tuple(self.name.split("/"))


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder holds.

    Attributes:
        folder: The folder.
        images: Files that may hold images, sorted by name, in sub-folders, too.
        others: Names of the other files, sorted.
        folders: Names of the sub-folders of the first level, sorted.
    """

    folder: Path
    images: tuple[ImageFile, ...]
    others: tuple[str, ...]
    folders: tuple[str, ...]


def list_images(folder: Path, key: str) -> Listing:
    """List a folder, without what is hidden; links are followed.

    Args:
        folder: The folder.
        key: The key that names it, for messages.

    Raises:
        DataError: If it is no folder, cannot be read, or a link in it leads nowhere.
    """
    require_folder(folder, key)
    images, others = [], []
    for path in _walk(folder, frozenset()):
        name = _name(path.relative_to(folder).as_posix())
        if path.suffix.lower() not in SUFFIXES:
            others.append(name)
            continue
        images.append(_file(path, name))
    folders = sorted(_name(each.name) for each in folder.iterdir() if each.is_dir() and not _is_hidden(each.name))
    return Listing(folder, tuple(sorted(images, key=lambda each: each.name)), tuple(sorted(others)), tuple(folders))


def images_at(path: Path) -> tuple[ImageFile, ...]:
    """Return the file at a path, named by it, or the images of a folder, named as in `list_images`.

    Raises:
        DataError: If there is none.
    """
    if not path.is_dir():
        return (_file(path, str(path)),)
    listing = list_images(path, "path")
    if not listing.images:
        raise DataError(f"{path} holds no images")
    return listing.images


def _file(path: Path, name: str) -> ImageFile:
    try:
        facts = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): restore or remove it") from error
    return ImageFile(name, path, facts.st_size, facts.st_mtime_ns)


def require_folder(folder: Path, key: str) -> None:
    """Refuse what is no folder, given by a key.

    Raises:
        DataError: If it is none.
    """
    if not folder.is_dir():
        kind = "this is a file, no folder" if folder.exists() else "there is no such folder"
        raise DataError(f"{key}={folder}: {kind} (looked for {folder.absolute()})")


def _walk(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    """Yield all files that are not hidden; a link to a folder above is not followed, since it would never end."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}): allow it, or move the folder away") from error
    for entry in entries:
        if _is_hidden(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), above | {real})
        else:
            yield Path(entry.path)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM


def _name(name: str) -> str:
    """Return a name that is the same on all systems, and can be printed and stored."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode(errors="backslashreplace"))


def shape_of(file: ImageFile) -> tuple[int, int, int]:
    """Return height, width and number of channels (1 or 3), which most formats have in their header.

    Raises:
        ImageError: If the file is no image that Pillow reads.
    """
    with _opened(file) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in _TURNED:
            height, width = width, height
        return height, width, 1 if _is_grey(image) else 3


def pixels_of(file: ImageFile, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return the first image of a file, upright, as (channels, height, width) uint8.

    It is resized until it covers the size, bilinearly and with anti-aliasing, and cropped to its center. Shades of 16
    bits are divided by 257, which maps 65535 to 255. Transparent pixels are laid over white. Grey of colors is ITU-R
    601-2 luma.

    Raises:
        ImageError: If the file is damaged, no image that Pillow reads, or of pixels whose range is unknown.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415 - only images need Pillow

    height, width = size
    with _opened(file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        plain = _in_bytes(image).convert("L" if channels == 1 else "RGB")
        if plain.size != (width, height):
            plain = ImageOps.fit(plain, (width, height), method=Image.Resampling.BILINEAR)
        pixels = np.asarray(plain, np.uint8)
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


def content_of(file: ImageFile) -> bytes:
    """Return the bytes of a file.

    Raises:
        ImageError: If it cannot be read.
    """
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error


@contextmanager
def _opened(file: ImageFile) -> "Iterator[Image.Image]":
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    if file.size == 0:
        raise ImageError("it is empty")
    try:
        with Image.open(file.path) as image:
            yield image
    except UnidentifiedImageError:
        raise ImageError("it is no image, or of a format that is not read") from None
    # Pillow's readers of damaged files raise nearly anything
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, ArithmeticError, Image.DecompressionBombError) as e:
        raise ImageError(str(e)) from e


def _is_grey(image: "Image.Image") -> bool:
    if image.mode != "P":
        return image.mode in _GREY
    palette = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _in_bytes(image: "Image.Image") -> "Image.Image":
    """Return the image with 8 bits per channel and without transparency."""
    from PIL import Image  # noqa: PLC0415

    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        shades = np.asarray(image).astype(np.int64)
        return Image.fromarray(((shades + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        kind = "whole numbers" if image.mode == "I" else "floats"
        raise ImageError(f"its pixels are {kind} of 32 bits, whose range is unknown: save it with 8 or 16 bits")
    if image.has_transparency_data:
        color = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", color.size, "white"), color)
    return image
