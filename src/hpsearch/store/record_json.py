"""The bytes of `record.json`: what determines a trial, and what is determined by it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.records import NO_LEVEL, Signals, Status, Trial, TrialResult, Value
from hpsearch.seeding import FitSeeds
from hpsearch.store.atomic_files import BrokenFileError, dump_checked_json, load_checked_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """A finished trial as it is kept.

    Attributes:
        level: Level of the compared factor.
        k: Number of the trial within its level.
        values: What was drawn, flat.
        config_tree: The configuration as a tree, without the keys that no fingerprint covers.
        result: The scores; `predictions` are kept beside the record, `measured` in `run.json`, both are empty here.
        predictions_sha256: What `digest_arrays` says of the predictions.
    """

    level: str
    k: int
    values: dict[str, Value]
    config_tree: dict[str, Any]
    result: TrialResult
    predictions_sha256: str

    @property
    def key(self) -> tuple[str, int]:
        """(level, k): unique within a sweep."""
        return self.level, self.k

    @property
    def name(self) -> str:
        """What the trial is called: `7`, or `adam 7`."""
        return trial_name(self.key)


def trial_name(key: tuple[str, int]) -> str:
    """What a trial is called: `7`, or `adam 7`."""
    level, k = key
    return str(k) if level == NO_LEVEL else f"{level} {k}"


def encode_record(trial: Trial, result: TrialResult) -> bytes:
    """The record of a trial: the same bytes wherever, whenever and next to whatever it was trained."""
    body = {
        "format": FORMAT,
        "level": trial.level,
        "k": trial.k,
        "values": trial.values,
        "config": trial.config.fingerprinted(),
        "seeds": [asdict(seeds) for seeds in result.seeds],
        "status": result.status.value,
        "failure": result.failure,
        "score": result.score,
        "score_se": result.score_se,
        "curves": result.curves,
        "summary": result.summary,
        "chosen_epochs": result.chosen_epochs,
        "predictions_sha256": digest_arrays(result.predictions),
    }
    if result.signals is not None:  # without any, the record is that of before there were signals
        body["signals"] = asdict(result.signals)
    return dump_checked_json(body)


def decode_record(data: bytes, name: Path | str = "record.json") -> Record:
    """The record that `encode_record` wrote.

    Raises:
        BrokenFileError: Unless it is whole; `name` is for its message.
    """
    body = load_checked_json(data, name)
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise BrokenFileError(name, f"it is not a record of format {FORMAT}")
    signals = body.get("signals")
    result = TrialResult(
        status=Status(body["status"]),
        failure=body["failure"],
        score=body["score"],
        score_se=body["score_se"],
        curves=body["curves"],
        summary=body["summary"],
        chosen_epochs=body["chosen_epochs"],
        seeds=[FitSeeds(**seeds) for seeds in body["seeds"]],
        signals=None if signals is None else Signals(**signals),
    )
    return Record(body["level"], body["k"], body["values"], body["config"], result, body["predictions_sha256"])


def counts_before(one: tuple[int, Status], other: tuple[int, Status]) -> bool:
    """Which of two finished attempts at a trial counts, each given by its number and how it ended.

    It is the earlier one, except that one which failed by an error gives way to later ones.
    """
    (number, status), (other_number, other_status) = one, other
    if status.retried != other_status.retried:
        return other_status.retried
    return number > other_number if status.retried else number < other_number


def digest_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and contents (in C order) of arrays, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name!r} {array.dtype.str} {arrays[name].shape}\n".encode(errors="backslashreplace"))
        digest.update(array.tobytes())
    return digest.hexdigest()
