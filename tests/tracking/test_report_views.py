"""Looks that are kept with the run of a sweep, on a real database."""

import pytest

from hpsearch.tracking.report_views import ReportView, question_tags

ASKED = {"delta": 0.01, "levels": "aa"}


def opened(tracker, name, question="q" * 16, asked=ASKED):
    return tracker.open_sweep(name, identity=name, started_ms=1, tags=question_tags(question, asked))


def test_nobody_has_looked_at_a_new_sweep(tracker):
    assert tracker.looks.of(opened(tracker, "a")) == ()


def test_looks_are_kept_by_their_time_with_what_was_shown_before(tracker):
    sweep = opened(tracker, "a")
    tracker.looks.note(sweep, ReportView("d2", 20, ("d1",)))
    tracker.looks.note(sweep, ReportView("d1", 10))
    assert tracker.looks.of(sweep) == (ReportView("d1", 10), ReportView("d2", 20, ("d1",)))


def test_a_second_look_at_the_same_keeps_the_time_of_the_first(tracker):
    sweep = opened(tracker, "a")
    tracker.looks.note(sweep, ReportView("d1", 10))
    tracker.looks.note(sweep, ReportView("d1", 99, ("d0",)))
    assert tracker.looks.of(sweep) == (ReportView("d1", 10),)


def test_who_has_put_a_question_is_found_whatever_the_sweep_is_called(tracker):
    first, other = opened(tracker, "a"), opened(tracker, "b", asked={"delta": 0.5, "levels": "aa"})
    opened(tracker, "c", question="r" * 16)
    tracker.looks.note(other, ReportView("d1", 10))
    found = tracker.looks.askers("q" * 16, "")
    assert {asker.name: (asker.run_id, asker.asked, asker.looks) for asker in found} == {
        "a": (first.run_id, ASKED, ()),
        "b": (other.run_id, {"delta": 0.5, "levels": "aa"}, (ReportView("d1", 10),)),
    }


def test_a_store_without_a_sweep_has_no_askers(tracker):
    assert tracker.looks.askers("q" * 16, "") == []


def test_who_has_shown_the_same_retrainings_is_found_whatever_was_asked(tracker):
    sweep = opened(tracker, "a", question="r" * 16)
    opened(tracker, "b", question="s" * 16)
    tracker.looks.note(sweep, ReportView("d1", 10))
    assert [asker.name for asker in tracker.looks.askers("q" * 16, "d1")] == ["a"]


@pytest.mark.slow
def test_hundreds_of_looks_are_kept_whole(tracker):
    sweep, digests = opened(tracker, "a"), tuple(f"{at:016x}" for at in range(300))
    for at, digest in enumerate(digests):
        tracker.looks.note(sweep, ReportView(digest, at, digests[:at]))
    found = tracker.looks.of(sweep)
    assert [look.digest for look in found] == list(digests)
    assert found[150].before == digests[:150]
