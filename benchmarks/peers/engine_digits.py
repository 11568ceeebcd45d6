"""hpsearch's engine on digits, called as a library: it keeps as little as the peers do, no records and no MLflow."""

import argparse
from dataclasses import replace

import numpy as np

from hpsearch.compose.composer import Composer
from hpsearch.config import Config, Engine
from hpsearch.execution.interrupts import StopSignals
from hpsearch.execution.throughput import build_executor, build_scheduler, check_configs
from hpsearch.execution.worker_process import preload
from hpsearch.jobs import TrialJob
from hpsearch.records import TrialResult

ROWS, FOLDS = 1_438, 5
JOB = ("data=digits", "model.depth=1", "model.width=50", "training.batch_size=32", "training.epochs=10")


def run(configs: list[Config]) -> list[TrialResult]:
    """The results of these trials, in no order."""
    with build_executor(configs[0], configs[0].data, len(configs) * FOLDS) as executor:
        checked = check_configs(executor, configs, Engine.FLEET, StopSignals())
        scheduler = build_scheduler(executor, checked, [TrialJob(config) for config in configs], ROWS)
        waiting, results = dict(enumerate(configs)), []
        while waiting or scheduler.busy:
            while waiting and scheduler.free:
                scheduler.submit(*_first(waiting))
            results += [done.value for done in scheduler.wait() if isinstance(done.value, TrialResult)]
    return results


def _first(waiting: dict[int, Config]) -> tuple[int, TrialJob]:
    k = next(iter(waiting))
    return k, TrialJob(waiting.pop(k))


def main() -> None:
    """A random search of `--trials` learning rates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    args = parser.parse_args()

    preload("hpsearch.execution.run_job", "torch._dynamo")
    base = Composer([*JOB, "evaluation=stratified_kfold"]).compose().config
    rates = np.exp(np.random.default_rng(0).uniform(np.log(1e-4), np.log(0.1), args.trials)).tolist()
    results = run([replace(base, optimizer=replace(base.optimizer, lr=rate)) for rate in rates])
    assert len(results) == args.trials, len(results)
    print(max(result.score or 0.0 for result in results))


if __name__ == "__main__":
    main()
