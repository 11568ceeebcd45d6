"""Encoding of `record.json`: everything that determines a trial, and its results."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from hpsearch.errors import BrokenFileError
from hpsearch.records import NO_LEVEL, Signals, Status, Trial, TrialResult, Value
from hpsearch.seeding import FitSeeds
from hpsearch.store.atomic_files import dump_checked_json, load_checked_json

FORMAT = 1

_PLAIN = ("failure", "score", "score_se", "curves", "summary", "chosen_epochs")
"""Fields of `TrialResult` that are stored as they are."""


@dataclass(frozen=True, slots=True)
class Record:
    """A finished trial as stored.

    Attributes:
        level: Level of the compared factor.
        k: Number of the trial within its level.
        values: The drawn values, flat.
        config_tree: The configuration as a tree, fingerprinted keys only.
        result: The result, with empty `predictions` (stored in their own file) and `measured` (stored in `run.json`).
        predictions_sha256: `digest_arrays` of the predictions.
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
        """Name of the trial: `7`, or `adam 7`."""
        return trial_name(self.key)


def trial_name(key: tuple[str, int]) -> str:
    """Name of a trial: `7`, or `adam 7`."""
    level, k = key
    return str(k) if level == NO_LEVEL else f"{level} {k}"


def encode_record(trial: Trial, result: TrialResult) -> bytes:
    """The bytes of a record, which do not depend on where, when or next to which other trials it was trained."""
    body = {
        "format": FORMAT,
        "level": trial.level,
        "k": trial.k,
        "values": trial.values,
        "config": trial.config.fingerprinted(),
        "seeds": [asdict(seeds) for seeds in result.seeds],
        "status": result.status.value,
        **{name: getattr(result, name) for name in _PLAIN},
        "predictions_sha256": digest_arrays(result.predictions),
    }
    if result.signals is not None:  # left out otherwise, as in records from before there were signals
        body["signals"] = asdict(result.signals)
    return dump_checked_json(body)


def decode_record(data: bytes, name: Path | str = "record.json") -> Record:
    """The record that `encode_record` wrote.

    Raises:
        BrokenFileError: If it is damaged; the message gives `name`.
    """
    body = load_checked_json(data, name)
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise BrokenFileError(name, f"it is not a record of format {FORMAT}")
    signals = body.get("signals")
    result = TrialResult(
        status=Status(body["status"]),
        **{name: body[name] for name in _PLAIN},
        seeds=[FitSeeds(**seeds) for seeds in body["seeds"]],
        signals=None if signals is None else Signals(**signals),
    )
    return Record(body["level"], body["k"], body["values"], body["config"], result, body["predictions_sha256"])


def attempt_rank(number: int, status: Status) -> tuple[bool, int]:
    """Sort key of the finished attempts at a trial: the smallest one counts.

    That is the first attempt that did not fail with an error, or else the last attempt.
    """
    return status.retried, -number if status.retried else number


def decode_arrays(
    data: bytes | None, record: Record, name: Path | str, mismatch: str, way_out: str = ""
) -> dict[str, np.ndarray]:
    """The predictions of a record from their safetensors file.

    Raises:
        BrokenFileError: If they are damaged, or (with the reason `mismatch`) do not have the digest of the record.
    """
    try:
        arrays = {} if data is None else load(data)
    except SafetensorError as error:
        raise BrokenFileError(name, str(error), way_out) from error
    if digest_arrays(arrays) != record.predictions_sha256:
        raise BrokenFileError(name, mismatch, way_out)
    return arrays


def digest_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and contents (in C order) of arrays, independent of their order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name!r} {array.dtype.str} {arrays[name].shape}\n".encode(errors="backslashreplace"))
        digest.update(array.tobytes())
    return digest.hexdigest()
