"""What the processes do that test_store.py and test_journal.py start and kill."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna

from hpsearch.records import Status, Trial, TrialResult
from hpsearch.seeding import FitSeeds
from hpsearch.store.optuna_journal import open_journal
from hpsearch.store.sweep_store import SweepStore


@dataclass
class FakeConfig:
    tree: dict

    def fingerprinted(self):
        return self.tree


def trial(level="-", k=0, tree=None, values=None):
    return Trial(level, k, {"optimizer.adam.lr": 0.001} if values is None else values, FakeConfig(tree or {"seed": 0}))


def result(**changes):
    given = {
        "status": Status.OK,
        "failure": None,
        "score": 0.5,
        "score_se": None,
        "curves": {"val/accuracy": [0.25, 0.5]},
        "summary": {"last/val/accuracy": 0.5},
        "chosen_epochs": [2],
        "seeds": [FitSeeds(2**62 + 1, 2, 3)],
    }
    return TrialResult(**(given | changes))


def start(what, *arguments):
    return subprocess.Popen(
        [sys.executable, __file__, what, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def hold_lock(directory, name):
    with SweepStore(directory, name).lock():
        say("held")
        time.sleep(60)


def write_attempts(directory, name):
    """Finishes attempts for ever, with arrays that take a while to write."""
    store = SweepStore(directory, name)
    for k in range(10_000):
        attempt = store.begin_attempt("-", k)
        predictions = {"val": np.full((200, 1000), k, np.float32)}
        store.write_attempt(attempt, trial(k=k), result(predictions=predictions), {"k": k})
        say(k)


def tell_trials(path):
    """Asks and tells for ever."""
    storage = open_journal(path)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    for _ in range(10_000):
        study.tell(study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), 0.5)
        say("told")


def hold_journal(path):
    storage = open_journal(path)
    with storage._backend.lock:
        with Path(path).open("ab") as file:
            file.write(b'{"op_code":4,"wor')
        say("held")
        time.sleep(60)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
