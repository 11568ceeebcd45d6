"""Which engine trains what, and how wide a fleet may be."""

import math

import pytest

from hpsearch.config import Engine
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet import autotune
from hpsearch.jobs import FleetSettings


@pytest.mark.parametrize(
    ("model", "images", "expected"),
    [
        ("linear", False, Engine.FLEET),
        ({"kind": "mlp", "widths": [50]}, False, Engine.FLEET),
        ({"kind": "mlp", "widths": [600, 600]}, False, Engine.REFERENCE),
        ("cnn", True, Engine.REFERENCE),
        ("custom", False, Engine.REFERENCE),
    ],
)
def test_on_a_cpu_fleets_are_for_small_dense_networks(model, images, expected, make_config, make_rows, make_fit):
    data = to_device(make_rows(40, images=images, width=8 if images else 5))
    assert autotune.engine_for(Engine.AUTO, make_fit(make_config(model=model), 40), data) is expected


@pytest.mark.parametrize("asked", [Engine.REFERENCE, Engine.FLEET])
def test_an_engine_that_is_asked_for_is_used(asked, make_config, make_rows, make_fit):
    fit = make_fit(make_config(model="linear"), 40)
    assert autotune.engine_for(asked, fit, to_device(make_rows(40))) is asked


def test_a_fleet_is_as_narrow_as_its_memory_budget(make_config, make_rows, make_fit):
    fit, data = make_fit(make_config(model={"kind": "mlp", "widths": [500, 500]}), 40), to_device(make_rows(40))
    narrow, wide = (autotune.widest(fit, data, gib, 1) for gib in (0.1, 1.0))
    assert 1 <= narrow < wide <= 256
    assert autotune.widest(fit, data, 1e-9, 1) == 1
    assert autotune.fastest_settings([fit], data, narrow).width <= narrow


def test_a_pace_is_recalled_for_the_same_shape_alone(make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    fit, other = (make_fit(make_config(model={"kind": "mlp", "widths": [width]}), 40) for width in (5, 6))
    known = {autotune.key(fit, data, 2): FleetSettings(Engine.FLEET, 64, 0.5)}
    assert autotune.recall(fit, data, 256, known, 2) == FleetSettings(Engine.FLEET, 64, 0.5)
    assert autotune.recall(fit, data, 3, known, 2) == FleetSettings(Engine.FLEET, 3, 0.5)
    assert autotune.recall(other, data, 256, known, 2) is None
    assert autotune.recall(fit, data, 256, known, 3) is None


def test_a_measured_pace_names_a_width_that_was_tried(make_config, make_rows, make_fit):
    found = autotune.fastest_settings([make_fit(make_config(), 40)], to_device(make_rows(40)), 256)
    assert found.width in autotune.WIDTHS
    assert 0 < found.member_step_ms < math.inf


def test_the_few_members_that_there_will_be_are_not_timed(make_config, make_rows, make_fit):
    fit, data = make_fit(make_config(), 40), to_device(make_rows(40))
    assert autotune.fastest_settings([fit], data, 3) == FleetSettings(Engine.FLEET, 3, 0.0)
