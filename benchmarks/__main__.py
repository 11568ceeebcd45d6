"""`python -m benchmarks overhead|peers`."""

import sys

from benchmarks import overhead, peers

BENCHMARKS = {"overhead": overhead.main, "peers": peers.main}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m benchmarks {'|'.join(BENCHMARKS)}")
    BENCHMARKS[sys.argv[1]](sys.argv[2:])
