"""What workers do under test."""

import ctypes
import os
import signal
import sys
import threading
import time

import numpy as np


def no_state():
    return None


def own_pid():
    return os.getpid()


def refuse():
    raise RuntimeError("the data set is missing")


def die_in_setup():
    os.kill(os.getpid(), signal.SIGKILL)


def slow_setup():
    time.sleep(0.5)


def wait_for(file, patience_s=60):
    """Until there is such a file."""
    end = time.monotonic() + patience_s
    while not file.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"nobody has made {file}")
        time.sleep(0.01)


def wait_for_file(_, file):
    wait_for(file)


def pid(state, _):
    return state, os.getpid()


def double(_, task):
    return 2 * task


def length(_, task):
    return len(task)


def arrays(_, shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def environment(_, name):
    return os.environ.get(name)


def sleep(_, seconds):
    time.sleep(seconds)
    return seconds


def spin(_, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def misbehave(_, how):
    match how:
        case "ok":
            return "fine"
        case "pid":
            time.sleep(0.1)
            return os.getpid()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(0)
        case "memory":
            raise MemoryError("too much")
        case "value":
            raise ValueError("bad learning rate")
        case "sys.exit":
            sys.exit(3)
        case "unpicklable":
            return threading.Lock()
    return None


def eat_memory(_state, _task):
    """Asks for more than there is."""
    return len([os.urandom(2**20) for _ in range(1000)])


def errors_of_streams(_state, _task):
    return {sys.stdout.errors, sys.stderr.errors}
