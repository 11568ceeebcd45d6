"""Folders of small images, and the options that read them."""

from pathlib import Path

import numpy as np
from PIL import Image

from hpsearch.config.data import ColorChoice, FolderData, MissingTarget, TaskChoice

DEFAULTS = {
    "task": TaskChoice.AUTO, "limit": None, "target": "label", "max_classes": 20, "groups": None, "weight": None,
    "test": 0.2,
    "labels": None, "file_column": "file", "size": None, "color": ColorChoice.AUTO, "test_path": None,
    "test_labels": None, "missing_target": MissingTarget.REFUSE,
}  # fmt: skip


def folder_data(path: Path | str, **changes) -> FolderData:
    return FolderData(kind="folder", path=str(path), **DEFAULTS | changes)


def shades(seed: int, height: int = 4, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def fill(folder: Path, classes: dict[str, int], *, first: int = 0) -> dict[str, np.ndarray]:
    """Write so many grey PNG files of each class, and return their pixels by name."""
    written = {}
    for name, count in classes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for at in range(count):
            pixels = shades(first + len(written))
            Image.fromarray(pixels).save(folder / name / f"{at:02}.png")
            written[f"{name}/{at:02}.png"] = pixels
    return written
