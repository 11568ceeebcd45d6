"""The screen of a final says how a file becomes an input of the model."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from hpsearch.config.data import ColorChoice
from hpsearch.data.datasets import find_source
from hpsearch.data.image_files import list_images, pixels_of
from hpsearch.data.seal import load_development
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.final import show_model
from tests.data.images import fill, folder_data


@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_the_printed_code_reads_a_file_as_the_folder_was_read(tmp_path, monkeypatch, make_config, color):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPSEARCH_DATA", str(tmp_path / "cache"))
    fill(tmp_path / "pets", {"dog": 5, "cat": 5})
    source = find_source(folder_data("pets", size=[6, 5], color=ColorChoice(color)))
    final = SimpleNamespace(data=source.data, development=load_development(source.data), config=make_config())
    out = io.StringIO()
    model = SimpleNamespace(folder=tmp_path)
    show_model(Terminal(Console(file=out, width=300)), final, model, "sqlite:///mlflow.db", "models:/m-1")
    code = [line.strip() for line in out.getvalue().split("Load it in Python")[1].splitlines() if line.strip()]
    assert code[-2:] == [
        "outputs = model(torch.from_numpy(pixels))  # any number of images; logits of 2 classes",
        "classes = ['cat', 'dog']",
    ]
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)).save("photo.png")
    found = {}
    reading = [line for line in code if line.startswith(("from PIL", "image", "pixels"))]
    exec("\n".join(["import numpy", *reading]), found)  # noqa: S102
    (file,) = (each for each in list_images(tmp_path, "").images if each.name == "photo.png")
    np.testing.assert_array_equal(found["pixels"][0], pixels_of(file, (6, 5), 1 if color == "grey" else 3))
    assert found["pixels"].dtype == np.float32
