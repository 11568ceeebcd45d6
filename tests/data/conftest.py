"""A tiny IDX data set of random bytes, and the means to keep its files in a folder."""

import numpy as np
import pytest

from tests.data.tiny_idx import Tiny


@pytest.fixture
def tiny() -> Tiny:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 4, 3))
    test_images = np.concatenate([images[[3, 7]], rng.integers(0, 256, (8, 4, 3))])
    return Tiny(images, np.arange(40) % 5, test_images, np.arange(10) % 5)
