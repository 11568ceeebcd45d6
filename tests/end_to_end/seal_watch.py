"""Writes down who opens files of an IDX set, and can kill the process that is about to read a test set.

That is a test set which the process has opened by a claim. It can also kill the one that is about to write the result.
`data=mnist` means the set that the tests made.
"""

import functools
import json
import os
import signal
import sys
from pathlib import Path


def stack():
    """(file, function) of the callers within hpsearch, the innermost first."""
    found, frame = [], sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if f"{os.sep}hpsearch{os.sep}" in path:
            found.append([path.split(f"{os.sep}hpsearch{os.sep}")[-1], frame.f_code.co_name])
        frame = frame.f_back
    return found


def watch(event, arguments):
    """An audit hook; it watches where `WATCH_LOG` says where to write."""
    if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    name, log = Path(os.fsdecode(arguments[0])).name, os.environ.get("WATCH_LOG")
    if log is not None and name == "result.json.tmp" and Path(log + ".kill-result").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if name.endswith("ubyte") and log is not None:
        callers = stack()
        with Path(log).open("a") as file:
            file.write(json.dumps({"pid": os.getpid(), "file": name, "callers": callers}) + "\n")
        if ["data/seal.py", "open"] in callers and Path(log + ".kill").exists():
            os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def install():
    """In this process, once: an audit hook stays for good."""
    sys.addaudithook(watch)


def made_sets(files):
    """The set that the tests made, by the names that it is to have."""
    from hpsearch.data.download import Digest, Mirrors  # noqa: PLC0415  # not needed by every process
    from hpsearch.data.mnist import IdxSet  # noqa: PLC0415

    digests = [Digest(*file) for file in json.loads(files)]
    made = IdxSet("mnist", "MNIST/raw", *digests, tuple("abcd"), Mirrors(tuple, 1, 1), "put it there")
    return {"mnist": made, "fashion": made}
