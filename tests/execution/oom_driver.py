"""A driver for a test that gives it too little memory: enters a control group, and prints why its worker died."""

import os
import sys
from pathlib import Path

from hpsearch.execution.local import LocalExecutor
from tests.execution import local_tasks


def main(group):
    (Path(group) / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    with LocalExecutor(local_tasks.no_state, local_tasks.eat_memory, workers=1) as executor:
        executor.submit(0, None)
        (done,) = executor.wait(60)
    sys.stdout.write(done.failure.cause)


if __name__ == "__main__":
    main(sys.argv[1])
