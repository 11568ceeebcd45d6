"""Sixteen processes that claim the same sealed test set at the same moment; prints how many were granted it."""

import contextlib
import os
import sys
from pathlib import Path

import mlflow.store.tracking.sqlalchemy_store
import mlflow.tracking.client  # noqa: F401

from hpsearch.data.seal import SealedTest
from hpsearch.errors import SealOpenedError
from hpsearch.final.claims import Request, claim
from hpsearch.tracking.tracker import Tracker

RACERS = 16


def race(folder, digest, number, start):
    sealed = SealedTest(size=1, digest=digest, duplicates=0, read=lambda: None)
    with Tracker.connect(None, folder) as tracker:
        request = Request(f"racer {number}", "2025-01-01", f"weights {number % 2}", f"nonce {number}", None, None)
        os.read(start, 1)  # returns for all of them when the last writer closes the pipe
        with contextlib.suppress(SealOpenedError):
            claim(tracker.ledger, sealed, request)
            return 1
    return 0


def main(folder, rounds):
    for digest in map(str, range(rounds)):
        start, gate = os.pipe()
        racers = []
        for number in range(RACERS):
            racers.append(os.fork())
            if not racers[-1]:
                os.close(gate)
                status = 2
                try:
                    status = race(Path(folder), digest, number, start)
                finally:
                    os._exit(status)
        os.close(start)
        os.close(gate)
        ends = [os.waitstatus_to_exitcode(os.waitpid(racer, 0)[1]) for racer in racers]
        sys.stdout.write(f"{ends.count(1)} granted, {ends.count(0)} refused\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
