"""Signals in a record; that the rest of it comes back is in test_store."""

import json

from hypothesis import given, settings

from hpsearch.records import Signals
from hpsearch.store.atomic_files import load_checked_json
from hpsearch.store.record_json import decode_record, encode_record
from tests.store.store_drivers import result, trial
from tests.strategies import STATISTICS, signals


@settings(max_examples=60, deadline=None)
@given(signals())
def test_signals_come_back_from_a_record_as_they_were(before):
    data = encode_record(trial(), result(signals=before))
    record = decode_record(data)
    assert repr(record.result.signals) == repr(before)
    assert encode_record(trial(), record.result) == data


def test_a_record_says_what_was_measured_where_in_plain_json():
    rows = [[None, 0.5], [float("nan"), float("-inf")]]
    data = encode_record(
        trial(), result(signals=Signals([0, 10], [0, 2], ["hidden.0", "output"], *[rows] * STATISTICS))
    )
    kept = json.loads(data)["body"]["signals"]
    assert (kept["steps"], kept["epochs"], kept["layers"]) == ([0, 10], [0, 2], ["hidden.0", "output"])
    assert kept["dead"] == kept["activation_mean"] == [[None, 0.5], ["NaN", "-Infinity"]]


def test_a_record_without_signals_has_none():
    data = encode_record(trial(), result())
    assert "signals" not in load_checked_json(data, "x")
    assert decode_record(data).result.signals is None
