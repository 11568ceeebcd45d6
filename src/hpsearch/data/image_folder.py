"""A user's own images in a folder, whose sub-folders are the classes or whose labels are in a CSV file.

Rows are ordered by the names of their files. They carry the numbers of their files until it is decided which of them
are sealed: development and sealed images are decoded apart, into a memory map each.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hpsearch.config.data import ColorChoice, CsvData, FolderData, TaskChoice
from hpsearch.data.dataset import Rows, name_columns
from hpsearch.data.image_cache import DamagedImagesError, compute_once, fill_rows
from hpsearch.data.image_files import SUFFIXES, ImageFile, Listing, content_of, list_images, pixels_of, shape_of
from hpsearch.data.table import read_labels
from hpsearch.data.target_encoding import Targets, encode_targets
from hpsearch.errors import DataError
from hpsearch.formatting import number_of, plural
from hpsearch.quoting import hydra_quoted, shell_quoted
from hpsearch.records import Task

_TRAIN = frozenset(("train", "training"))

_HELD_OUT = ("test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation")
"""Names of folders of held-out images, in the order in which one is proposed as the sealed test set."""

_LARGE = 128
"""Height or width from which on another size than that of the images is proposed."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFolder:
    """Located images, none of which was decoded.

    Attributes:
        data: The options, with the size and the color that images get.
        files: The N files, those of `data.path` before those of `data.test_path`, each sorted by name.
        rows: The rows; their inputs (N, 1) int64 are indices into `files`.
    """

    data: FolderData
    files: tuple[ImageFile, ...]
    rows: Rows

    def decode(self, rows: Rows) -> Rows:
        """Return rows of `rows` with their pixels, (n, channels, height, width) uint8, as a read-only memory map.

        Raises:
            DataError: If files are damaged.
        """
        files, shape = [self.files[at] for at in rows.inputs[:, 0]], _shape_of_pixels(self.data)
        decode = _decode(self.data)
        try:
            return replace(rows, inputs=compute_once(f"pixels {shape}", files, decode, shape, "u1"))
        except DamagedImagesError:
            fill_rows(None, self.files, decode)  # names all that are damaged, instead of those of one part
            raise

    def digest(self) -> str:
        """Return the SHA-256 of the contents of all files, in whatever folders, and of whatever labels and size."""
        contents = compute_once("SHA-256", self.files, _sha256, (32,), "u1")
        return hashlib.sha256(b"".join(sorted(each.tobytes() for each in contents))).hexdigest()


def open_folder(data: FolderData) -> ImageFolder:
    """Locate the images at `data.path`, with their labels; headers are read if size or color follow from them.

    Raises:
        DataError: If there are no images or no labels, images have several sizes, or files are no images.
    """
    own = list_images(Path(data.path).expanduser(), "data.path")
    test = None if data.test_path is None else list_images(Path(data.test_path).expanduser(), "data.test_path")
    listings = [own, *([test] if test else [])]
    for each in listings:
        _require_images(each)
    if data.labels is not None:
        files, rows = _labelled(data, listings)
    elif data.task is TaskChoice.AUTOENCODER:
        files, rows = _unlabelled(listings)
    else:
        files, rows = _in_classes(data, listings)
    size, color = _shape(data, files)
    settled = replace(data, size=list(size), color=color)
    notes = (*rows.notes, _describe_shape(data, size, color), *filter(None, map(_tell_others, listings)))
    return ImageFolder(settled, files, replace(rows, name=_name(own.folder), notes=notes))


def read_images(data: FolderData, files: Sequence[ImageFile]) -> np.ndarray:
    """Return pixels (n, channels, height, width) uint8 of other files, as those of a folder are decoded.

    Args:
        data: The options of the folder, `ImageFolder.data`.
        files: The files, at least one.

    Raises:
        DataError: If a file is no image, or damaged.
    """
    pixels = np.empty((len(files), *_shape_of_pixels(data)), np.uint8)
    fill_rows(pixels, files, _decode(data))
    return pixels


def _shape_of_pixels(data: FolderData) -> tuple[int, int, int]:
    assert isinstance(data.size, list), data.size
    height, width = data.size
    return 1 if data.color is ColorChoice.GREY else 3, height, width


def _decode(data: FolderData) -> Callable[[ImageFile], np.ndarray]:
    channels, height, width = _shape_of_pixels(data)
    return partial(pixels_of, size=(height, width), channels=channels)


def _sha256(file: ImageFile) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(content_of(file)).digest(), np.uint8)


def _name(folder: Path) -> str:
    resolved = folder.absolute()
    part = resolved.name.casefold() in _TRAIN and resolved.parent.name
    return part or resolved.name or "images"


def _rows(files: int, targets: Targets | None, **about: Any) -> Rows:
    numbers = np.arange(files)[:, None]
    if targets is None:
        return Rows("", Task.REGRESSION, numbers, numbers, 0, **about)
    about["labels"] = targets.labels
    return Rows("", targets.task, numbers, targets.values, targets.classes, targets.class_names, **about)


def _sealed(listings: list[list[ImageFile]]) -> np.ndarray | None:
    """Return which rows (N,) are those of the second listing; None if there is none."""
    return np.repeat([False, True], list(map(len, listings))) if len(listings) > 1 else None


def _unlabelled(listings: list[Listing]) -> tuple[tuple[ImageFile, ...], Rows]:
    files = [list(each.images) for each in listings]
    together = tuple(file for each in files for file in each)
    return together, _rows(len(together), None, test=_sealed(files))


def _in_classes(data: FolderData, listings: list[Listing]) -> tuple[tuple[ImageFile, ...], Rows]:
    own = listings[0]
    _refuse_parts(own)
    for each in listings:
        _refuse_without_class(each)
    files = [[file for file in each.images if len(file.parts) > 1] for each in listings]
    names = [np.array([file.parts[0] for file in each]) for each in files]
    if len(listings) > 1 and (unknown := sorted(set(names[1]) - set(names[0]))):
        raise DataError(
            f"{listings[1].folder} (data.test_path) has the class {str(unknown[0])!r}, and {own.folder} has not: add "
            "images of it there, or leave its folder out"
        )
    targets = encode_targets(np.concatenate(names), data, f"{own.folder} (a class is a sub-folder)")
    beside = [file.name for each in listings for file in each.images if len(file.parts) == 1]
    note = f"{number_of(len(beside), 'image')} beside the folders of classes left out: {name_columns(beside)}"
    together = tuple(file for each in files for file in each)
    return together, _rows(len(together), targets, test=_sealed(files), notes=(note,) if beside else ())


def _labelled(data: FolderData, listings: list[Listing]) -> tuple[tuple[ImageFile, ...], Rows]:
    labels = read_labels(_label_table(data, listings[0]), data.file_column)
    parts = [labels.files[: labels.own], labels.files[labels.own :]][: len(listings)]
    keys = zip(listings, parts, ("data.labels", "data.test_labels"), strict=False)
    files = [_find(each, names, key) for each, names, key in keys]
    together = [file for each in files for file in each]
    first = len(files[0])
    order = sorted(range(len(together)), key=lambda at: (at >= first, together[at].name))
    targets = labels.targets
    if targets is not None:
        targets = replace(targets, values=targets.values[order])
    notes, named = list(labels.notes), set(together)
    for each in listings:
        left_out = [file.name for file in each.images if file not in named]
        notes += (
            [f"{number_of(len(left_out), 'image')} without a label left out: {name_columns(left_out)}"]
            if left_out
            else []
        )
    groups = None if labels.groups is None else labels.groups[order]
    several = data.targets if targets is not None and len(data.targets) > 1 else ()
    weights = None if labels.weights is None else labels.weights[order]
    about = {"groups": groups, "weights": weights, "notes": tuple(notes), "target_names": several}
    rows = _rows(len(together), targets, test=_sealed(files), **about)
    return tuple(together[at] for at in order), rows


def _label_table(data: FolderData, listing: Listing) -> CsvData:
    for key in ("labels", "test_labels"):
        given = getattr(data, key)
        if given is None or (path := Path(given).expanduser()).is_file():
            continue
        inside = listing.folder / given
        hint = f"data.{key}={inside}" if inside.is_file() else f"looked for {path.absolute()}"
        raise DataError(f"data.{key}={given}: there is no such file ({hint})")
    assert data.labels is not None, data.kind
    taken = {key: getattr(data, key) for key in ("task", "target", "groups", "weight", "max_classes")}
    defaults: dict[str, Any] = {**CsvData.fingerprint_defaults, **taken, "missing_target": data.missing_target}
    file: dict[str, Any] = {"path": data.labels, "test_path": data.test_labels, "delimiter": ",", "drop": []}
    return CsvData(kind="csv", limit=None, test=data.test, **defaults | file)


def _find(listing: Listing, names: list[str], key: str) -> list[ImageFile]:
    """Return the file of each name in a CSV file, see `_keys`.

    Raises:
        DataError: If a file does not exist, or is named twice.
    """
    files: dict[str, ImageFile] = {}
    for known in zip(*map(_keys, listing.images), strict=True):
        counts = Counter(known)
        files = {name: file for name, file in zip(known, listing.images, strict=True) if counts[name] == 1} | files
    paths = [str(PurePosixPath(name.strip().replace("\\", "/"))) for name in names]
    if absent := sorted({path for path in paths if path not in files}):
        raise DataError(
            f"{number_of(len(absent), 'file')} of {key} {plural(len(absent), 'is', 'are')} no image in "
            f"{listing.folder}: {name_columns(absent)}; remove their rows, or name the folder to which "
            "data.file_column is relative by data.path"
        )
    found = [files[path] for path in paths]
    twice = [file.name for file, count in Counter(found).items() if count > 1]
    if twice:
        raise DataError(f"{key} has several rows for {name_columns(twice)}: an image has one label, keep one row")
    return found


def _keys(file: ImageFile) -> tuple[str, ...]:
    """Return by what a CSV file may name a file, if no other has that: its path or name, with or without suffix."""
    stem = file.name.rpartition(".")[0]
    return file.name, stem, file.parts[-1], stem.rpartition("/")[2]


def _require_images(listing: Listing) -> None:
    if listing.images:
        return
    others = f"; it holds {name_columns(listing.others)}" if listing.others else ""
    raise DataError(f"{listing.folder} holds no images, such as {', '.join(sorted(SUFFIXES)[:6])}{others}")


def _refuse_parts(listing: Listing) -> None:
    """Refuse a folder of training and test images, whose names would be taken for classes."""
    names = {name.casefold(): name for name in listing.folders}
    train = next((names[name] for name in names if name in _TRAIN), None)
    if train is None or not names.keys() <= {*_TRAIN, *_HELD_OUT}:
        return
    held_out = next((names[name] for name in _HELD_OUT if name in names), None)
    paths = [f"data.path={hydra_quoted(str(listing.folder / train))}"]
    paths += [f"data.test_path={hydra_quoted(str(listing.folder / held_out))}"] if held_out else []
    raise DataError(
        f"{listing.folder} holds the parts {', '.join(listing.folders)} of a data set, not its classes: "
        f"{' '.join(map(shell_quoted, paths))}; val rows are drawn from the training images"
    )


def _refuse_without_class(listing: Listing) -> None:
    filled = {file.parts[0] for file in listing.images if len(file.parts) > 1}
    if not filled:
        tables = [name for name in listing.others if name.endswith(".csv")]
        table = hydra_quoted(str(listing.folder / tables[0])) if len(tables) == 1 else "FILE.csv"
        raise DataError(
            f"the images of {listing.folder} lie in no folders of classes: move those of a class into a folder, or "
            f"name a CSV file of labels by {shell_quoted(f'data.labels={table}')}; data.task=autoencoder needs none"
        )
    if empty := [name for name in listing.folders if name not in filled]:
        raise DataError(
            f"{listing.folder} has folders without images, and each is a class: {name_columns(empty)}; add images of "
            f"{', '.join(sorted(SUFFIXES))}, or remove the folders"
        )
    if len(filled) == 1:
        inner = listing.folder / next(iter(filled))
        if any(len(file.parts) > 2 for file in listing.images):
            way_out = shell_quoted(f"data.path={hydra_quoted(str(inner))}")
            raise DataError(f"{inner} is the only folder in {listing.folder}, and holds folders: {way_out}")


def _shape(data: FolderData, files: tuple[ImageFile, ...]) -> tuple[tuple[int, int], ColorChoice]:
    """Return height and width and the color of all images, from the options or else from headers."""
    size = [data.size] * 2 if isinstance(data.size, int) else data.size
    color = data.color
    if size is None or color is ColorChoice.AUTO:
        shapes = compute_once("shape", files, lambda file: np.array(shape_of(file)), (3,), "i4")
        if color is ColorChoice.AUTO:
            color = ColorChoice.GREY if (shapes[:, 2] == 1).all() else ColorChoice.RGB
        size = _one_size(files, shapes) if size is None else size
    return (size[0], size[1]), color


def _one_size(files: tuple[ImageFile, ...], shapes: np.ndarray) -> list[int]:
    different = np.flatnonzero((shapes[:, :2] != shapes[0, :2]).any(axis=1))
    if different.size:
        other = int(different[0])
        sizes, counts = np.unique(shapes[:, :2], axis=0, return_counts=True)
        common = sizes[counts.argmax()].tolist()
        proposed = [64, 64] if max(common) > _LARGE else common
        way_out = shell_quoted(f"data.size=[{proposed[0]},{proposed[1]}]")
        named = [f"{files[at].path} is {shapes[at, 0]} x {shapes[at, 1]}" for at in (0, other)]
        raise DataError(f"images must have one size, and {', '.join(named)}: {way_out} resizes them")
    height, width = shapes[0, :2].tolist()
    return [height, width]


def _describe_shape(data: FolderData, size: tuple[int, int], color: ColorChoice) -> str:
    resized = "" if data.size is None else ", resized and cropped to the center"
    other = ColorChoice.RGB if color is ColorChoice.GREY else ColorChoice.GREY
    way_out = f"; if not: data.color={other}" if data.color is ColorChoice.AUTO else ""
    name = "grey" if color is ColorChoice.GREY else "red, green and blue"
    return f"images of {size[0]} x {size[1]}{resized}, {name}{way_out}"


def _tell_others(listing: Listing) -> str:
    if not listing.others:
        return ""
    count, are = number_of(len(listing.others), "file"), plural(len(listing.others), "is no image", "are no images")
    return f"{count} of {listing.folder} {are} and left out: {name_columns(listing.others)}"
