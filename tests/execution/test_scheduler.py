"""How trials become tasks of workers, and results of tasks become results of trials."""

from collections import Counter
from dataclasses import replace

import pytest

from hpsearch.config import Engine
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.execution.executor import Raised, WorkerDied
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.jobs import FleetSettings, PartialTrialJob, ScoreJob, TrialJob
from tests.fakes import Workshop

DIED = WorkerDied(-9)
NO_MEMORY = Raised("OutOfMemoryError", "no more", "")
BROKEN = Raised("ZeroDivisionError", "division by zero", "")
REFUSED = Raised("ConfigError", "loss must fit", "")


def trials(make_config, n, width=16):
    """Trials of one shape, told apart by their learning rate 1, 2 …"""
    model = {"kind": "mlp", "width": width}
    return {k: make_config(model=model, optimizer={"kind": "sgd", "lr": float(k + 1)}) for k in range(n)}


def run(scheduler, configs):
    """Drives like a driver; (results by key, failures by key)."""
    todo, scores, failures = list(scheduler.order(configs)), {}, {}
    while todo or scheduler.busy:
        while todo and scheduler.free:
            k = todo.pop(0)
            scheduler.submit(k, TrialJob(configs[k]))
        for done in scheduler.wait(0.1):
            (failures if done.failure else scores)[done.key] = done.failure or done.value.score
    return scores, failures


def scheduler_of(workshop, configs, *, width=8, fits=1, steps=0, engine=Engine.FLEET):
    fleet_settings = {shape_key(config): FleetSettings(engine, width, 1.0) for config in configs.values()}
    return FleetScheduler(workshop, fleet_settings, fits, steps, list(configs.values()))


def sizes(workshop):
    return [len(job.trials) for job in workshop.seen]


def test_each_trial_gets_its_own_result_back(make_config):
    configs = trials(make_config, 13)
    scores, failures = run(scheduler_of(Workshop(2), configs), configs)
    assert scores == {k: k + 1.0 for k in range(13)}
    assert failures == {}


@pytest.mark.parametrize(
    ("n", "workers", "width", "fits", "expected"),
    [
        (20, 2, 256, 1, [10, 10]),
        (20, 2, 8, 1, [5, 5, 5, 5]),
        (20, 2, 20, 5, [4, 4, 4, 4, 4]),
        (3, 2, 256, 1, [2, 1]),
        (4, 2, 2, 5, [1, 1, 1, 1]),
    ],
)
def test_fleets_are_as_wide_as_they_may_be_and_every_worker_has_its_share(
    n, workers, width, fits, expected, make_config
):
    configs, workshop = trials(make_config, n), Workshop(workers)
    run(scheduler_of(workshop, configs, width=width, fits=fits), configs)
    assert sizes(workshop) == expected


def test_a_batch_is_no_longer_than_half_a_minute(make_config):
    configs, workshop = trials(make_config, 20), Workshop(1)
    run(scheduler_of(workshop, configs, width=256, steps=7500), configs)  # 7.5 s a trial at 1 ms a step
    assert sizes(workshop) == [4] * 5


def test_the_reference_engine_trains_trial_by_trial(make_config):
    configs, workshop = trials(make_config, 5), Workshop(2)
    run(scheduler_of(workshop, configs, engine=Engine.REFERENCE, width=1), configs)
    assert sizes(workshop) == [1] * 5
    assert {job.engine for job in workshop.seen} == {Engine.REFERENCE}


def test_only_trials_of_one_shape_train_together(make_config):
    narrow, wide = trials(make_config, 6, width=4), trials(make_config, 6, width=5)
    configs = {2 * k: config for k, config in narrow.items()} | {2 * k + 1: config for k, config in wide.items()}
    workshop = Workshop(2)
    scores, _ = run(scheduler_of(workshop, configs), configs)
    assert len(scores) == 12
    assert sizes(workshop) == [3] * 4
    assert all(len({shape_key(trial.config) for trial in job.trials}) == 1 for job in workshop.seen)


def test_a_fleet_that_kills_its_worker_is_tried_again_trial_by_trial(make_config):
    configs = trials(make_config, 6)

    def fate(job):
        return DIED if any(trial.config.optimizer.lr == 3.0 for trial in job.trials) else None

    workshop = Workshop(1, fate)
    scores, failures = run(scheduler_of(workshop, configs), configs)
    assert failures == {2: DIED}
    assert sorted(scores) == [0, 1, 3, 4, 5]
    assert sizes(workshop) == [6, 1, 1, 1, 1, 1, 1]


def test_a_fleet_that_runs_out_of_memory_is_halved_until_it_fits(make_config):
    configs = trials(make_config, 8)
    workshop = Workshop(1, lambda job: NO_MEMORY if len(job.trials) > 2 else None)
    scores, failures = run(scheduler_of(workshop, configs), configs)
    assert (len(scores), failures) == (8, {})
    assert Counter(sizes(workshop)) == {8: 1, 4: 2, 2: 4}


def test_the_folds_of_one_trial_are_tried_in_narrower_fleets_before_it_fails_for_memory(make_config):
    configs = trials(make_config, 1)
    workshop = Workshop(1, lambda _: NO_MEMORY)
    _, failures = run(scheduler_of(workshop, configs, width=8, fits=8), configs)
    assert failures == {0: NO_MEMORY}
    assert [job.width for job in workshop.seen] == [8, 4, 2, 1]


def test_a_refused_configuration_is_told_at_once(make_config):
    configs = trials(make_config, 4)
    workshop = Workshop(1, lambda _: REFUSED)
    scheduler = scheduler_of(workshop, configs)
    scheduler.submit(0, TrialJob(configs[0]))
    assert [done.failure for done in scheduler.wait(0.1)] == [REFUSED]


def test_the_fits_of_a_single_trial_are_dealt_out_to_all_workers(make_config):
    configs, workshop = trials(make_config, 1), Workshop(3)
    scores, _ = run(scheduler_of(workshop, configs, fits=5), configs)
    shares, (last,) = workshop.seen[:-1], workshop.seen[-1:]
    assert [(job.share, job.shares) for job in shares] == [(0, 3), (1, 3), (2, 3)]
    assert isinstance(last, ScoreJob)
    assert scores == {0: 1.0 + 0 + 1 + 2}


def test_a_trial_whose_share_fails_fails_once(make_config):
    configs = trials(make_config, 1)
    workshop = Workshop(2, lambda job: BROKEN if job.share == 0 else None)
    scheduler = scheduler_of(workshop, configs, fits=4)
    scores, failures = run(scheduler, configs)
    assert (scores, failures) == ({}, {0: BROKEN})
    assert not scheduler.busy


def test_a_share_that_runs_out_of_memory_is_tried_in_narrower_fleets(make_config):
    configs = trials(make_config, 1)
    workshop = Workshop(2, lambda job: NO_MEMORY if isinstance(job, PartialTrialJob) and job.width > 2 else None)
    scores, failures = run(scheduler_of(workshop, configs, width=8, fits=4), configs)
    assert (list(scores), failures) == ([0], {})
    assert Counter(job.width for job in workshop.seen if isinstance(job, PartialTrialJob)) == {8: 2, 4: 2, 2: 2}


def test_trials_beside_others_are_not_split(make_config):
    configs, workshop = trials(make_config, 2), Workshop(2)
    run(scheduler_of(workshop, configs, fits=4), configs)
    assert sizes(workshop) == [1, 1]


def test_a_batchs_time_is_shared_by_its_trials(make_config):
    configs = trials(make_config, 3)
    scheduler = scheduler_of(Workshop(1), configs)
    for k, config in configs.items():
        scheduler.submit(k, TrialJob(replace(config)))
    assert [done.seconds for done in scheduler.wait(0.1)] == [2.0] * 3


def test_no_more_workers_are_used_than_get_most_done_side_by_side(make_config):
    configs = trials(make_config, 12)
    fleet_settings = {
        shape_key(config): FleetSettings(Engine.FLEET, 4, 1.0, processes=2) for config in configs.values()
    }
    workshop = Workshop(5)
    scheduler = FleetScheduler(workshop, fleet_settings, 1, 1, list(configs.values()))
    for k, config in configs.items():
        if scheduler.free:
            scheduler.submit(k, TrialJob(config))
    scheduler.dispatch()
    assert workshop.free == 3


def test_a_foreman_says_how_much_is_trained_and_for_how_long(make_config, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("hpsearch.execution.scheduler.time.monotonic", lambda: now[0])
    configs = trials(make_config, 3)
    workshop = Workshop(2)
    scheduler = scheduler_of(workshop, configs, width=2)
    assert scheduler.underway == ""
    for k, config in configs.items():
        scheduler.submit(k, TrialJob(config))
    scheduler.dispatch()
    now[0] += 843.0
    assert scheduler.underway == "3 trainings underway, the first for 14 min 3 s"
    scheduler.wait(1.0)
    assert scheduler.underway == "1 training underway, for 14 min 3 s"
    scheduler.wait(1.0)
    assert scheduler.underway == ""
