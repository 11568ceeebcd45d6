"""How many processes train side by side."""

import pytest

from hpsearch.config import Engine
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.execution.interrupts import StopSignals
from hpsearch.execution.throughput import WORTH_S, WorkerPool
from hpsearch.jobs import FleetSettings
from tests.fakes import TimedWorkers

ROWS = 1000


def look(config, workers, trials=10):
    found = WorkerPool(workers, Engine.AUTO, StopSignals(), ROWS)
    found.probe([config] * trials)
    return found.checked.fleet_settings[shape_key(config)]


@pytest.fixture
def config(make_config):
    return make_config(execution={"workers": None}, training={"epochs": 10, "batch_size": 10})


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({8: 800.0, 4: 400.0, 2: 200.0, 1: 100.0}, 8),
        ({8: 400.0, 4: 390.0, 2: 200.0, 1: 100.0}, 4),
        ({8: 100.0, 4: 110.0, 2: 120.0, 1: 130.0}, 1),
    ],
)
def test_the_fewest_processes_that_get_nearly_most_done_are_taken(rates, expected, config):
    workers = TimedWorkers(8, 100.0, rates)
    assert look(config, workers).processes == expected
    assert workers.timed == [8, 4, 2, 1]


def test_little_work_is_not_timed(config):
    steps = 10 * 80 * 10
    workers = TimedWorkers(8, 1000 * WORTH_S / steps * 0.99, {})
    assert look(config, workers).processes is None
    assert workers.timed == []


def test_a_number_of_workers_that_was_given_is_used(make_config):
    config = make_config(execution={"workers": 8}, training={"epochs": 10, "batch_size": 10})
    assert look(config, TimedWorkers(8, 100.0, {})).processes is None


def test_what_is_of_a_kind_that_was_looked_at_is_not_looked_at_again(config):
    workers = TimedWorkers(1, 1.0, {})
    force = WorkerPool(workers, Engine.AUTO, StopSignals(), ROWS)
    force.probe([config])
    before, workers.step_ms = force.checked, 2.0
    force.probe([config, config])
    assert force.checked is before


def test_the_run_of_a_sweep_says_widths_and_processes(config):
    force = WorkerPool(TimedWorkers(4, 100.0, {4: 4.0, 2: 4.0, 1: 1.0}), Engine.AUTO, StopSignals(), ROWS)
    force.probe([config] * 10)
    assert force.tags == {"fleet_width": "64", "processes": "2"}


def test_a_number_of_workers_that_was_given_beats_one_that_was_remembered(make_config):
    config = make_config(execution={"workers": 8}, training={"epochs": 10, "batch_size": 10})
    workers = TimedWorkers(8, 100.0, {})
    force = WorkerPool(workers, Engine.AUTO, StopSignals(), ROWS)
    pace = force._with_processes(FleetSettings(Engine.FLEET, 64, 1.0, processes=1), shape_key(config), [config], 10)
    assert pace.processes is None
