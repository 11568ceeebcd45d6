"""On PYTHONPATH, this runs at the start of every Python process of the program under test, workers included."""

import os
import sys

from tests.end_to_end.seal_watch import install, made_sets

install()
if not any("resource_tracker" in word for word in sys.orig_argv):
    from hpsearch.data import datasets as sources  # not needed by every process

    sources.find_source.__kwdefaults__["sets"] = made_sets(os.environ["WATCH_FILES"])
