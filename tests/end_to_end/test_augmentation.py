"""Augmentation compared, and the champion's refit, from the command line's words to the sealed test."""

import pytest
import yaml

import hpsearch

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning", "ignore:Operation with range is deprecated")  # MLflow
def test_augmentations_are_compared_and_tuned_and_the_champion_opens_the_test_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = hpsearch.sweep(
        "search.compare=augmentation",
        "search.choose.augmentation=[none,shift,noise]",
        "search.tune=[optimizer,augmentation]",
        "augmentation.space.shift.high=0.12",
        *("training.epochs=2", "model.width=16", "confirm.seeds=2", "search.delta=0.05", "execution.workers=2"),
        name="augmented",
        data="digits",
        trials=2,
    )
    trees = [
        yaml.safe_load(path.read_text()) for path in tmp_path.glob("mlruns/sweeps/augmented/trials/*/*/*/record.json")
    ]
    drawn = [tree["body"]["config"].get("augmentation") for tree in trees]
    assert sum(each is None for each in drawn) == 3  # none is left out: records of before are the same
    shifts = {each["shift"] for each in drawn if each and each["kind"] == "shift"}
    assert len(shifts) == 3
    assert 0.1 in shifts  # of the option, in the trial of defaults
    assert all(0.02 <= each <= 0.12 for each in shifts)
    assert "augmentation" in (tmp_path / "experiments" / "augmented" / "report.md").read_text()
    assert sweep.final("confirm.seeds=1").scores
