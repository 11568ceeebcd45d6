"""On PYTHONPATH, this runs at the start of every Python process of the program under test, workers included.

It writes down who opens files of an IDX set, lets `data=mnist` mean the set that the tests made, and can kill the
process that is about to read a test set which it has opened by a claim.
"""

import json
import os
import signal
import sys
from pathlib import Path

LOG = os.environ["WATCH_LOG"]


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
    if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    name = Path(os.fsdecode(arguments[0])).name
    if name.endswith("ubyte"):
        callers = stack()
        with Path(LOG).open("a") as log:
            log.write(json.dumps({"pid": os.getpid(), "file": name, "callers": callers}) + "\n")
        if ["data/seal.py", "open"] in callers and Path(LOG + ".kill").exists():
            os.kill(os.getpid(), signal.SIGKILL)


def use_made_set():
    from hpsearch.data import sources  # noqa: PLC0415  # not needed by every process
    from hpsearch.data.download import Digest, Mirrors  # noqa: PLC0415
    from hpsearch.data.idx import IdxSet  # noqa: PLC0415

    files = [Digest(*file) for file in json.loads(os.environ["WATCH_FILES"])]
    made = IdxSet("mnist", "MNIST/raw", *files, tuple("abcd"), Mirrors(tuple, 1, 1), "put it there")
    sources.find_source.__kwdefaults__["sets"] = {"mnist": made, "fashion": made}


sys.addaudithook(watch)
if not any("resource_tracker" in word for word in sys.orig_argv):
    use_made_set()
