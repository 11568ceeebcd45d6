"""Everything that the command line does, as functions of Python."""

from hpsearch.api.functions import compare, load, sweep, sweeps, train
from hpsearch.api.results import Final, Report, Sweep, Trial

__all__ = ["Final", "Report", "Sweep", "Trial", "compare", "load", "sweep", "sweeps", "train"]
