"""A folder that was moved or copied with its runs: MLflow keeps absolute paths of artifacts, which lead elsewhere then.

MLflow has no call that changes them (3.17), and relative ones would mean another folder in `mlflow ui`. So the paths
are put right here in the tables of a SQLite store, which nobody but its folder's owner has; a server keeps its own.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

LOOKED_AT = 50
"""Runs of an experiment of which one at least has kept an artifact."""

WAIT_S = 30
"""Longest wait for another process that writes to the store."""

PATHS = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"))
"""Where MLflow keeps paths."""


def follow_moved(database: Path, root: Path) -> list[str]:
    """Leads paths of artifacts that were moved or copied here to where they are now.

    Args:
        database: A SQLite store with MLflow's schema.
        root: Where its artifacts are kept now, absolute. An experiment whose artifacts are not there is left alone.

    Returns:
        Where they were before.
    """
    with closing(sqlite3.connect(database, timeout=WAIT_S)) as store, store:
        kept = "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location != ?"
        others = [str(place) for (place,) in store.execute(kept, (str(root),))]
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
    """Whether artifacts of the experiments at a place lie at the root: all there are, unless the store came with them.

    Of a folder that was copied without its store, the first one goes on to be the store's.
    """
    runs = (
        "SELECT run_uuid FROM runs JOIN experiments USING (experiment_id) WHERE artifact_location = ? "
        "ORDER BY start_time LIMIT ?"
    )
    names = [str(run) for (run,) in store.execute(runs, (place, LOOKED_AT))]
    here = any((root / name).exists() for name in names)
    return here and (together or not any(Path(place, name).exists() for name in names))
