"""From final runs in a tracking store to the rows of the test section."""

import math

import numpy as np
import pytest

from hpsearch.analysis.evidence import Design
from hpsearch.commands.test_set_evidence import Opened, opened_by, rows_of
from hpsearch.errors import BrokenFileError, TrackingError
from hpsearch.final.evaluation import BITMAPS, pack
from hpsearch.metrics import ACCURACY, CROSS_ENTROPY, metric_of
from hpsearch.tracking.reader import Child
from hpsearch.tracking.run_format import Attempt, Role
from hpsearch.tracking.sanitize import key_name

CORRECT = np.arange(20) < 17
METRICS = {"test/accuracy": 0.85, "test/accuracy/low": 0.64, "test/accuracy/high": 0.95, "test/cross_entropy": 0.4}
TAGS = {"opening": "1", "config_sha256": "c" * 64, "weights_sha256": "e" * 64, "retrains": "0", "bitmaps": BITMAPS}
LEDGER = [
    {
        "opening": "1",
        "claimant": "ada@here",
        "granted_at": "2026-11-02 10:00",
        "purpose": "final evaluation [weights e]",
    }
]


class FakeStore:
    """Final runs with one artifact each."""

    def __init__(self, *children, artifact=b""):
        self.found, self.data, self.asked = children, artifact, []

    def children(self, _sweep, *roles):
        assert roles == (Role.FINAL,)
        return list(self.found)

    def artifact(self, run_id, name):
        self.asked.append((run_id, name))
        return self.data


def final(metrics=METRICS, run_id="r1", **tags):
    attempt = Attempt(run_id, "s", Role.FINAL, "adam", 4, "opening 1", 1, running=False, status="ok")
    return Child(attempt, {**TAGS, **tags}, metrics)


def design(metric=ACCURACY):
    unread = dict.fromkeys(Design.__dataclass_fields__)
    return Design(**{**unread, "metric": metric, "rows": {"test": 20}})


def row(child, correct=None, metric=ACCURACY):
    (found,) = rows_of([Opened(child, correct)], design(metric), LEDGER)
    return found


def test_a_row_says_what_the_run_and_the_ledger_know():
    found = row(final(), CORRECT)
    assert (found.opening, found.level, found.trial, found.n) == (1, "adam", 4, 20)
    assert (found.value, found.low, found.high) == (0.85, 0.64, 0.95)
    assert (found.who, found.when, found.purpose) == ("ada@here", "2026-11-02 10:00", "final evaluation")
    assert (found.config, found.weights, found.retrained) == ("c" * 12, "e" * 12, ())
    assert found.correct is CORRECT


def test_a_metric_at_a_class_is_found_by_its_name_in_mlflow():
    metric = metric_of("recall@>50K")
    logged = {key_name(f"test/recall@>50K{end}"): value for end, value in (("", 0.7), ("/low", 0.5), ("/high", 0.9))}
    found = row(final({**METRICS, **logged}), metric=metric)
    assert (found.value, found.low, found.high) == (0.7, 0.5, 0.9)


def test_retrained_values_are_of_the_metric_in_the_order_of_their_numbers():
    values = {f"test/accuracy/retrain/{number}": 0.8 + number / 100 for number in range(12, 0, -1)}
    others = {f"test/macro_f1/retrain/{number}": 0.1 for number in range(1, 13)}
    found = row(final({**METRICS, **others, **values}, retrains="12"))
    assert found.retrained == pytest.approx([0.8 + number / 100 for number in range(1, 13)])


def test_a_retrained_value_that_was_not_logged_is_missing_and_not_left_out():
    found = row(final({**METRICS, "test/cross_entropy/retrain/2": 0.5}, retrains="2"), metric=CROSS_ENTROPY)
    assert math.isnan(found.retrained[0])
    assert found.retrained[1] == 0.5


def test_a_run_from_before_there_were_bitmaps_has_none_and_is_asked_for_none():
    old = Child(final().attempt, {"opening": "1"}, METRICS)
    store = FakeStore(old)
    (found,) = opened_by(store, None)
    assert (found.correct, store.asked) == (None, [])
    told = row(old)
    assert (told.config, told.weights, told.retrained, told.correct) == ("", "", (), None)


def test_the_bitmap_of_a_row_is_that_of_the_shipped_network():
    store = FakeStore(final(), artifact=pack(np.stack([CORRECT, ~CORRECT])))
    (found,) = opened_by(store, None)
    assert found.correct.tolist() == CORRECT.tolist()
    assert store.asked == [("r1", BITMAPS)]


def test_a_bitmap_that_does_not_add_up_to_the_logged_accuracy_is_refused():
    store = FakeStore(final(), artifact=pack(~CORRECT[None]))
    with pytest.raises(
        BrokenFileError, match=r"correct.safetensors of run r1' is not whole: its rows are not those of"
    ):
        opened_by(store, None)


class WithoutArtifacts(FakeStore):
    def artifact(self, run_id, name):
        raise TrackingError(f"run {run_id} has no {name}: deleted")


def test_a_bitmap_that_is_gone_leaves_the_numbers_and_says_so():
    (found,) = opened_by(WithoutArtifacts(final()), None)
    (told,) = rows_of([found], design(), LEDGER)
    assert (told.value, told.correct) == (0.85, None)
    assert told.unread == "correct.safetensors of run r1 could not be read"


def test_a_run_that_ended_before_it_measured_anything_is_no_opening_of_the_report():
    store = FakeStore(final({}))
    assert (opened_by(store, None), store.asked) == ([], [])


def test_an_opening_that_did_not_measure_the_metric_is_left_out():
    assert rows_of([Opened(final({"test/mse": 3.0}), None)], design(), LEDGER) == ()


def test_openings_are_in_the_order_of_their_numbers():
    runs = [Opened(final(opening=number), None) for number in ("10", "9", "1")]
    assert [one.opening for one in rows_of(runs, design(), LEDGER)] == [1, 9, 10]
