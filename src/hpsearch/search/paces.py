"""Paces that were measured, remembered beside the sweeps of a machine."""

import json
from collections.abc import Mapping
from pathlib import Path

from hpsearch.config import Engine
from hpsearch.jobs import Pace
from hpsearch.search.record_files import write_whole

FILE = "paces.json"


def recall_paces(directory: Path) -> dict[str, Pace]:
    """What `remember_paces` wrote, by key; nothing where there is no such file, or it is not whole.

    Losing it costs a second of measuring, and no result depends on it.
    """
    try:
        found = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return {key: _pace(**one) for key, one in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def remember_paces(directory: Path, measured: Mapping[str, Pace]) -> None:
    """Adds paces that were just measured."""
    if measured:
        paces = {key: _plain(pace) for key, pace in (recall_paces(directory) | dict(measured)).items()}
        write_whole(directory / FILE, json.dumps(paces, indent=1, sort_keys=True).encode())


def _plain(pace: Pace) -> dict[str, float | None]:
    return {"width": pace.width, "member_step_ms": pace.member_step_ms, "processes": pace.processes}


def _pace(width: int, member_step_ms: float, processes: int | None) -> Pace:
    return Pace(
        Engine.FLEET, int(width), float(member_step_ms), processes=None if processes is None else int(processes)
    )
