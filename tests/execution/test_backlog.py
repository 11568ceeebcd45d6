"""Workers that train faster than the driver writes down: what has an attempt, what is safe, what is lost."""

import types
from pathlib import Path

import pytest

from hpsearch.config import Engine
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.jobs import FleetSettings
from hpsearch.records import Status, TrialResult
from hpsearch.search.commit_and_resume import Finished
from hpsearch.search.driver import Driver
from hpsearch.search.search_loop import SearchLoop
from hpsearch.store.record_json import Record
from tests.driver_processes import ignore, plan_of
from tests.fakes import InstantWorkers, SilentListener

RESULT = TrialResult(Status.OK, None, 0.5, 0.1, {}, {}, [1], [])
WORKERS, WIDTH, TRIALS = 2, 4, 60


class Ledger:
    """Attempts that write down nothing but what happened, in order."""

    def __init__(self, log):
        self.events, self.open, self.log = [], set(), log

    def reconcile(self):
        return {}

    def is_open(self, key):
        return key in self.open

    def begin(self, trial, started_ms):
        assert started_ms > 0
        self._note("begun", trial.key)
        self.open.add(trial.key)

    def write(self, key, result, more):
        del more
        self._note("written", key)
        self.open.remove(key)
        return Finished(key, 1, result, Path(), "", 0)

    def commit(self, finished):
        level, k = finished.key
        self._note("committed", (level, k))
        return Record(level, k, {}, {}, finished.result, "")

    def close(self, key, failure):
        raise AssertionError((key, failure))

    def close_all(self):
        self.events += [("closed", key) for key in self.open]
        self.open.clear()

    def _note(self, what, key):
        self.events.append((what, key))
        self.log(self)

    def count(self, what):
        return sum(event == what for event, _ in self.events)


def search_of(config, log):
    workers, attempts = InstantWorkers(WORKERS, RESULT), Ledger(log)
    pace = FleetSettings(Engine.FLEET, WIDTH, 1.0)

    def scheduler_for(jobs):
        configs = [job.config for job in jobs.values()]
        return FleetScheduler(workers, {shape_key(configs[0]): pace}, 1, 0, configs)

    driver = Driver(attempts, scheduler_for, StopSignals(), ignore, ignore)
    return SearchLoop(plan_of(config), driver, SilentListener()), attempts, workers


def test_no_more_runs_are_open_than_train_at_once_and_wait_to_be_committed(make_config):
    most = []

    def log(ledger):
        most.append(ledger.count("begun") - ledger.count("committed"))

    search, attempts, workers = search_of(make_config(), log)
    assert len(search.finish(TRIALS)) == TRIALS
    assert attempts.count("committed") == workers.trained == TRIALS
    assert max(most) <= 2 * WORKERS * WIDTH + WIDTH


def test_what_came_back_is_made_safe_before_anything_is_committed_or_begun(make_config):
    search, attempts, workers = search_of(make_config(), lambda _: None)
    unsafe = []
    attempts.log = lambda ledger: unsafe.append((ledger.events[-1][0], workers.trained - ledger.count("written")))
    search.finish(TRIALS)
    assert {left for what, left in unsafe if what == "committed"} == {0}


@pytest.mark.parametrize("trained", [1, 20])
def test_a_signal_loses_nothing_that_came_back_and_what_never_trained_has_no_attempt(make_config, trained):
    signals = types.SimpleNamespace(number=None)

    def log(ledger):
        if ledger.count("written") == trained:
            signals.number = 15

    search, attempts, workers = search_of(make_config(), log)
    search.driver.signals = signals
    with pytest.raises(StoppedError):
        search.finish(TRIALS)
    begun = [key for what, key in attempts.events if what == "begun"]
    assert attempts.count("committed") == attempts.count("written") == workers.trained
    assert workers.trained <= len(begun) <= workers.trained + WORKERS * WIDTH
