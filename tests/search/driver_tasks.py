"""What worker processes in tests of the driver do: they answer, or fail in the way that a learning rate stands for."""

import os
import signal
from pathlib import Path

from hpsearch.config import ConfigError
from hpsearch.records import Status, TrialResult

RESULT = TrialResult(Status.OK, None, 0.5, 0.1, {"val/accuracy": [0.25, 0.5]}, {"last/val/accuracy": 0.5}, [2], [])


def set_up(folder, behaviours):
    """Args: the behaviour of a worker by learning rate; files in `folder` count the tries."""
    if (Path(folder) / "no more workers").exists():
        raise RuntimeError("the data set is gone")
    return Path(folder), behaviours


def work(state, job):
    folder, behaviours = state
    (trial,) = job.trials
    lr = trial.config.optimizer.lr
    how = behaviours.get(lr, "answer")
    with (folder / "tries").open("a") as tries:
        tries.write(f"{lr!r}\n")
    tried = (folder / "tries").read_text().splitlines().count(repr(lr))
    match how:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once" if tried == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        case "die for good":
            (folder / "no more workers").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit 0":
            os._exit(0)
        case "raise":
            raise ZeroDivisionError("division by zero")
        case "memory":
            raise MemoryError("out of it")
        case "torch memory":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        case "refuse":
            raise ConfigError("model.width must fit the loss, got 3", "loss must fit the data, got mse")
    return (RESULT,)
