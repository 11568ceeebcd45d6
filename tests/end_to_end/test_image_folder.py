"""Images in a folder, from the folder to the served model; and the seal, which knows them again."""

import numpy as np
import pytest
from PIL import Image

import hpsearch
from hpsearch.errors import HpsearchError

pytestmark = pytest.mark.slow


def draw_shape(kind: str, seed: int) -> np.ndarray:
    """A bright horizontal or vertical bar on noise, (10, 12) uint8."""
    draw = np.random.default_rng(seed)
    pixels, at = draw.integers(0, 90, (10, 12)).astype(np.uint8), draw.integers(1, 8)
    pixels[(slice(at, at + 2), slice(None)) if kind == "flat" else (slice(None), slice(at, at + 2))] += 120
    return pixels


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning", "ignore:Operation with range is deprecated")  # MLflow
def test_a_folder_goes_to_served_predictions_and_its_images_open_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for at in range(120):
        kind = ("flat", "steep")[at % 2]
        path = tmp_path / "bars" / kind / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_shape(kind, at)).save(path)
    how = ["evaluation=stratified_kfold", "training.epochs=8", "execution.workers=2", "optimizer.lr=0.01"]
    sweep = hpsearch.sweep(*how, "model.filters=[8]", name="bars", data="bars", model="cnn", trials=1)
    assert sweep.best.score > 0.8
    final = sweep.final("confirm.seeds=1")
    model = final.load_model()
    kinds, right = ("flat", "steep"), 0
    for at in range(200, 240):
        import torch  # noqa: PLC0415 - slow

        pixels = np.asarray(Image.fromarray(draw_shape(kinds[at % 2], at)), np.float32)
        right += int(model(torch.from_numpy(pixels.reshape(1, 1, 10, 12))).argmax()) == at % 2
    assert right >= 32
    for at in range(200, 240):
        path = tmp_path / "new" / f"{at} {kinds[at % 2]}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draw_shape(kinds[at % 2], at)).save(path)
    predicted = final.predict("new")
    assert sum(name.split()[1] == f"{kind}.png" for name, kind in predicted["prediction"].items()) == right
    assert list(predicted) == ["prediction", "probability of flat", "probability of steep"]
    one = final.predict([tmp_path / "new" / "200 flat.png"])
    np.testing.assert_allclose(one.iloc[0, 1:].astype(float), predicted.iloc[0, 1:].astype(float), rtol=1e-5)
    other = hpsearch.sweep(*how, "data.size=8", name="smaller", data="bars", trials=1)
    with pytest.raises(HpsearchError, match="these are the same images"):
        other.final("confirm.seeds=1")
