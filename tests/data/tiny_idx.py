"""A made-up set of IDX files."""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpsearch.data.download import Digest, Mirrors
from hpsearch.data.mnist import IdxSet


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.astype(np.uint8).tobytes()


@dataclass(frozen=True)
class Tiny:
    """40 training and 10 test images of 4 x 3 pixels in 5 classes; 2 test images are training images."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def contents(self) -> dict[str, bytes]:
        return {
            "train-images-idx3-ubyte": idx_bytes(self.images),
            "train-labels-idx1-ubyte": idx_bytes(self.labels),
            "t10k-images-idx3-ubyte": idx_bytes(self.test_images),
            "t10k-labels-idx1-ubyte": idx_bytes(self.test_labels),
        }

    def idx_set(self, urls: Callable[[], tuple[str, ...]] = tuple, idle_s: float = 0.3, total_s: float = 5) -> IdxSet:
        files = [Digest(name, len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in self.contents.items()]
        mirrors = Mirrors(urls, idle_s, total_s)
        return IdxSet("tiny", "Tiny/raw", *files, tuple("abcde"), mirrors, "put it there")

    def write(self, root: Path, *names: str, packed: bool = False) -> Path:
        folder = root / "Tiny" / "raw"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or tuple(self.contents):
            raw = self.contents[name]
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(raw) if packed else raw)
        return folder
