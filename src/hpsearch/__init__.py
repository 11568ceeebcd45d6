"""hpsearch finds out, honestly and fast, how to train a neural network.

The public names are loaded when they are first used: importing hpsearch loads neither torch nor MLflow.

Examples:
    >>> import hpsearch
    >>> sweep = hpsearch.sweep("mnist", "data=digits", "search.trials=40")  # doctest: +SKIP
    >>> sweep.best.score  # doctest: +SKIP
    0.9653
"""

# Nothing is imported here: `python -m hpsearch` runs this file before `__main__` can move the working folder, which may
# contain the user's random.py, to the end of the module search path.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from hpsearch import errors
    from hpsearch.api import Final, Report, Sweep, Trial, compare, load, sweep, sweeps, train
    from hpsearch.commands.observer import Observer

__version__ = "0.1.0"

__all__ = [
    "Final",
    "Observer",
    "Report",
    "Sweep",
    "Trial",
    "__version__",
    "compare",
    "errors",
    "load",
    "sweep",
    "sweeps",
    "train",
]


def __getattr__(name: str) -> "Any":
    if name == "errors":
        import hpsearch.errors  # noqa: PLC0415

        return hpsearch.errors
    if name == "Observer":
        from hpsearch.commands.observer import Observer  # noqa: PLC0415

        return Observer
    if name in __all__:
        from hpsearch import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
