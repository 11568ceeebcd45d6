"""A driver for tests that kill it: starts two busy workers, prints their pids, waits for SIGINT or the end."""

import signal
import sys

from hpsearch.execution.local import LocalExecutor
from tests.execution import local_tasks


def main(kind):
    interrupted = []
    signal.signal(signal.SIGINT, lambda *_: interrupted.append(1))
    work = {"spin": local_tasks.spin, "sleep": local_tasks.sleep, "short": local_tasks.sleep}[kind]
    with LocalExecutor(local_tasks.own_pid, local_tasks.pid, workers=1) as probe:
        probe.submit(0, None)
        probe.wait(20)
    executor = LocalExecutor(local_tasks.no_state, work, workers=2)
    for key in range(2):
        executor.submit(key, 1.0 if kind == "short" else 60.0)
    executor.wait(0.2)
    say(*(worker.process.pid for worker in executor._workers))
    while not interrupted:
        executor.wait(0.1)
    if kind == "short":
        say(sorted(done.value for done in executor.stop(now=False)))
    executor.stop(now=True)


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
