"""Repairs the artifact paths of a store whose folder was moved or copied: MLflow stores absolute paths.

MLflow has no call that changes them (3.17), and relative ones would be resolved against another folder in `mlflow ui`.
So they are corrected in the tables of a SQLite store, which belongs to the owner of its folder; a server keeps its own.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

CHECKED_RUNS = 50
"""Number of an experiment's runs to check for artifacts; at least one of these has one."""

WAIT_S = 30
"""Maximum wait for another process that writes to the store."""

PATHS = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"))
"""Tables and columns in which MLflow stores paths."""


def follow_moved(database: Path, root: Path) -> list[str]:
    """Update the paths of artifacts that were moved or copied to `root`.

    Args:
        database: A SQLite store with MLflow's schema.
        root: Current absolute location of its artifacts. Experiments whose artifacts are not there are left unchanged.

    Returns:
        The former locations.
    """
    with closing(sqlite3.connect(database, timeout=WAIT_S)) as store, store:
        query = "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location != ?"
        others = [str(place) for (place,) in store.execute(query, (str(root),))]
        together = database.absolute().parent == root.parent
        moved = [place for place in others if _is_here(store, place, root, together=together)]
        for place in moved:
            for table, column in PATHS:
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  # names of our own
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (str(root), len(place) + 1, place, len(place) + 1, f"{place}/"),
                )
    return moved


def _is_here(store: sqlite3.Connection, place: str, root: Path, *, together: bool) -> bool:
    """Return whether the artifacts recorded at `place` now lie at `root`.

    If the store was not moved with them, none may remain at `place`: of a folder copied without its store, the original
    goes on being the store's.
    """
    runs = (
        "SELECT run_uuid FROM runs JOIN experiments USING (experiment_id) WHERE artifact_location = ? "
        "ORDER BY start_time LIMIT ?"
    )
    names = [str(run) for (run,) in store.execute(runs, (place, CHECKED_RUNS))]
    here = any((root / name).exists() for name in names)
    return here and (together or not any(Path(place, name).exists() for name in names))
