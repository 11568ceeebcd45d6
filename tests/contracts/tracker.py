"""What every tracker promises of its sweeps, its ledger of test sets and its views of reports.

A test class of one inherits from here and gives the fixture `tracker`: one whose store is empty.
"""

import math

import pytest

from hpsearch.errors import TrackingError
from hpsearch.metrics import MSE
from hpsearch.records import Baseline, Status, TrialResult
from hpsearch.tracking.claim_ledger import problems
from hpsearch.tracking.report_views import ReportView, question_tags
from hpsearch.tracking.run_format import Attempt, Ending, Role

START, END = 1_700_000_000_000, 1_700_000_005_000
SPLIT = "d" * 64
ASKED = {"delta": 0.01, "levels": "aa"}


def result(status=Status.OK, **changes):
    values = {
        "status": status,
        "failure": None,
        "score": 0.97,
        "score_se": 0.002,
        "curves": {"train/loss": [0.5, 0.25], "val/accuracy": [0.9, 0.97]},
        "summary": {"best/val/accuracy": 0.97, "last/val/accuracy": 0.97, "report/accuracy": 0.96},
        "chosen_epochs": [2],
        "seeds": [],
        "measured": {"fit_s": 3.5},
    }
    return TrialResult(**values | changes)


def opened(tracker, name="mnist", identity="a", **known):
    return tracker.open_sweep(name, identity=identity, started_ms=START, **known)


def only_child(tracker, sweep):
    (child,) = tracker.stored.children(sweep, *Role)
    return child


def grant(tracker, opening, split=SPLIT, **changes):
    claim = {
        "claimant": "ada@host",
        "granted_at": "2026-01-02T03:04:05+00:00",
        "purpose": "final",
        "nonce": f"n{opening}",
    }
    return tracker.ledger.grant(split, opening, **claim | changes)


def asking(tracker, name, question="q" * 16, asked=ASKED):
    return tracker.open_sweep(name, identity=name, started_ms=1, tags=question_tags(question, asked))


class TrackerContract:
    def test_a_sweep_that_is_opened_again_keeps_its_run(self, tracker):
        first = opened(tracker)
        tracker.close_sweep(first, Ending.KILLED, ended_ms=END)
        again = opened(tracker)
        assert (first.resumed, again.resumed, again.run_id) == (False, True, first.run_id)

    def test_a_sweep_is_found_by_its_name_and_identity_and_not_made_by_that(self, tracker):
        assert tracker.find_sweep("mnist", "a") is None
        assert tracker.stored.names() == []
        sweep = opened(tracker)
        assert tracker.find_sweep("mnist", "a").run_id == sweep.run_id
        assert tracker.find_sweep("mnist", "b") is None
        assert tracker.stored.names() == ["mnist"]

    def test_baselines_of_a_sweep_are_read_as_they_were_logged(self, tracker):
        sweep = opened(tracker)
        assert tracker.stored.baselines(sweep) == ()
        known = (Baseline("linear", "linear regression", -2.5, None, {"mse": 3.25}),)
        tracker.log_baselines(sweep, MSE, known, at_ms=END)
        assert tracker.stored.baselines(sweep) == known

    def test_sweeps_of_one_name_and_two_identities_have_attempts_of_their_own(self, tracker):
        mine, yours = opened(tracker, identity="mine"), opened(tracker, identity="yours")
        tracker.start_attempt(yours, "-", 0, 1, started_ms=START)
        assert tracker.attempts(mine) == []
        assert len(tracker.attempts(yours)) == 1

    def test_an_attempt_says_what_it_is(self, tracker):
        sweep = opened(tracker)
        run_id = tracker.start_attempt(sweep, "adam", 7, 2, started_ms=START, tags={"device": "cpu"})
        attempt = Attempt(run_id, "mnist", Role.SEARCH, "adam", 7, "", 2, running=True, status="running")
        assert tracker.attempts(sweep) == [attempt]
        assert only_child(tracker, sweep).tags["device"] == "cpu"

    def test_the_configuration_of_an_attempt_is_kept_with_its_digest(self, tracker):
        sweep = opened(tracker)
        run_id = tracker.start_attempt(sweep, "-", 0, 1, started_ms=START, config="seed: 0\n")
        assert tracker.stored.artifact(run_id, "config.yaml") == b"seed: 0\n"
        # printf 'seed: 0\n' | sha256sum
        assert only_child(tracker, sweep).tags["config_sha256"] == (
            "6a5a163cfb9d8459f178db8f04e1c14b22f30c274c8d68e806c982e03e48bbe3"
        )

    def test_scores_and_the_ends_of_curves_come_back(self, tracker):
        sweep = opened(tracker)
        run_id = tracker.start_attempt(sweep, "-", 0, 1, started_ms=START)
        tracker.finish_attempt(run_id, result(), ended_ms=END)
        assert only_child(tracker, sweep).metrics == {
            "train/loss": 0.25,
            "val/accuracy": 0.97,
            "val/accuracy_best": 0.97,
            "report/accuracy": 0.96,
            "score": 0.97,
            "score_se": 0.002,
            "system/fit_s": 3.5,
        }

    @pytest.mark.parametrize("status", [Status.OK, Status.STALLED, Status.DIVERGED, Status.OOM, Status.INTERRUPTED])
    def test_a_finished_attempt_has_its_status(self, tracker, status):
        sweep = opened(tracker)
        tracker.finish_attempt(tracker.start_attempt(sweep, "-", 0, 1, started_ms=START), result(status), ended_ms=END)
        (attempt,) = tracker.attempts(sweep)
        assert (attempt.status, attempt.running) == (str(status), False)

    def test_numbers_that_are_not_finite_are_left_out_and_the_failure_is_kept(self, tracker):
        sweep = opened(tracker)
        run_id = tracker.start_attempt(sweep, "-", 0, 1, started_ms=START)
        curves = {"train/loss": [0.5, math.nan, math.inf]}
        why = "loss is nan in epoch 2"
        broken = result(Status.DIVERGED, failure=why, score=None, score_se=math.nan, curves=curves, summary={})
        tracker.finish_attempt(run_id, broken, ended_ms=END)
        assert only_child(tracker, sweep).metrics == {"train/loss": 0.5, "system/fit_s": 3.5}
        assert only_child(tracker, sweep).tags["failure"] == why

    def test_a_result_that_is_stored_again_changes_nothing(self, tracker):
        sweep, seen = opened(tracker), []
        run_id = tracker.start_attempt(sweep, "-", 0, 1, started_ms=START)
        for _ in range(2):
            tracker.finish_attempt(run_id, result(), ended_ms=END)
            seen.append(only_child(tracker, sweep))
        assert seen[0] == seen[1]

    def test_an_attempt_that_is_started_again_after_a_resume_is_the_same_run(self, tracker):
        run_id = tracker.start_attempt(opened(tracker), "-", 3, 1, started_ms=START)
        again = opened(tracker)
        assert tracker.start_attempt(again, "-", 3, 1, started_ms=END) == run_id
        assert tracker.start_attempt(again, "-", 3, 2, started_ms=END) != run_id

    def test_attempts_left_running_are_found_and_ended(self, tracker):
        sweep = opened(tracker)
        done = tracker.start_attempt(sweep, "a'b", 0, 1, started_ms=START)
        tracker.finish_attempt(done, result(), ended_ms=END)
        left = tracker.start_attempt(sweep, "a'b", 1, 1, started_ms=START + 1, role=Role.CONFIRM, part="seed 3")
        assert tracker.attempts(sweep, running=True) == [
            Attempt(left, "mnist", Role.CONFIRM, "a'b", 1, "seed 3", 1, running=True, status="running")
        ]
        tracker.terminate(left, Status.INTERRUPTED, ended_ms=END)
        assert tracker.attempts(sweep, running=True) == []
        assert [attempt.status for attempt in tracker.attempts(sweep)] == ["ok", "interrupted"]

    def test_a_trial_is_found_by_its_run_and_a_parent_is_none(self, tracker):
        sweep = opened(tracker)
        run_id = tracker.start_attempt(sweep, "adam", 7, 1, started_ms=START)
        found = tracker.find_trial(run_id)
        assert (found.sweep, found.level, found.k) == ("mnist", "adam", 7)
        with pytest.raises(TrackingError, match=f"run {sweep.run_id} is not a trial"):
            tracker.find_trial(sweep.run_id)
        with pytest.raises(TrackingError, match="not found"):
            tracker.find_trial("0" * 32)

    @pytest.mark.parametrize(
        "name",
        ["two\nlines", "../../etc/passwd", 'it\'s "quoted" `x` \\', "<script>alert(1)</script>", "🦆 päth", "x" * 3000],
    )
    def test_a_hostile_name_is_stored_whole(self, tracker, name):
        sweep = opened(tracker, name=name)
        run_id = tracker.start_attempt(sweep, name, 0, 1, started_ms=START, params={name: name})
        assert tracker.find_sweep(name, "a").run_id == opened(tracker, name=name).run_id == sweep.run_id
        assert tracker.stored.names() == [name]
        (attempt,) = tracker.attempts(sweep)
        assert (attempt.run_id, attempt.sweep, attempt.level) == (run_id, name, name)

    def test_artifacts_are_texts_and_files_in_folders(self, tracker, tmp_path):
        sweep = opened(tracker)
        source = tmp_path / "drawn.bin"
        source.write_bytes(b"\x00\x01")
        tracker.log_artifacts(sweep.run_id, {"figures/curve.bin": source, "notes/päth.txt": "é"})
        assert tracker.stored.artifact(sweep.run_id, "figures/curve.bin") == b"\x00\x01"
        assert tracker.stored.artifact(sweep.run_id, "notes/päth.txt").decode() == "é"

    def test_an_artifact_that_is_not_there_is_a_named_error(self, tracker, tmp_path):
        sweep = opened(tracker)
        with pytest.raises(TrackingError, match=r"artifact figure\.png of run .* could not be stored"):
            tracker.log_artifacts(sweep.run_id, {"figure.png": tmp_path / "missing.png"})
        with pytest.raises(TrackingError):
            tracker.stored.artifact(sweep.run_id, "missing.json")


class SealLedgerContract:
    def test_the_first_claim_is_granted_and_the_second_refused(self, tracker):
        first = grant(tracker, 1)
        assert (first.opening, first.claimant, first.purpose) == (1, "ada@host", "final")
        assert grant(tracker, 1, claimant="bob") is None
        assert tracker.ledger.openings(SPLIT) == [first]

    def test_each_split_has_its_own_count(self, tracker):
        grant(tracker, 1)
        assert grant(tracker, 1, split="e" * 64) is not None
        assert tracker.ledger.openings("f" * 64) == []

    def test_an_opening_cannot_skip_a_number(self, tracker):
        with pytest.raises(TrackingError, match="the next opening of this test set is 1, got 2"):
            grant(tracker, 2)

    def test_a_result_is_kept_with_its_opening_and_cannot_be_replaced(self, tracker):
        first = grant(tracker, 1)
        for _ in range(2):
            stored = tracker.ledger.record_result(first, {"accuracy": 0.98})
        assert stored.result == '{"accuracy": 0.98}'
        with pytest.raises(TrackingError, match="already has a result"):
            tracker.ledger.record_result(first, {"accuracy": 0.99})

    def test_a_result_that_another_processor_rounds_differently_is_the_same(self, tracker):
        first = grant(tracker, 1)
        tracker.ledger.record_result(first, {"loss": 0.3, "r2": math.nan})
        again = tracker.ledger.record_result(first, {"loss": math.nextafter(0.3, 1), "r2": math.nan})
        assert again.result == '{"loss": 0.3, "r2": NaN}'
        assert problems([again]) == []

    def test_a_chain_as_written_has_no_problems(self, tracker):
        tracker.ledger.record_result(grant(tracker, 1), {"accuracy": 0.98})
        second = grant(tracker, 2, purpose="reopened: wrong labels")
        chain = tracker.ledger.openings(SPLIT)
        assert second.previous == chain[0].entry
        assert problems(chain) == []


class ReportViewsContract:
    def test_nobody_has_looked_at_a_new_sweep(self, tracker):
        assert tracker.looks.of(asking(tracker, "a")) == ()

    def test_looks_are_kept_by_their_time_with_what_was_shown_before(self, tracker):
        sweep = asking(tracker, "a")
        tracker.looks.note(sweep, ReportView("d2", 20, ("d1",)))
        tracker.looks.note(sweep, ReportView("d1", 10))
        assert tracker.looks.of(sweep) == (ReportView("d1", 10), ReportView("d2", 20, ("d1",)))

    def test_a_second_look_at_the_same_keeps_the_time_of_the_first(self, tracker):
        sweep = asking(tracker, "a")
        tracker.looks.note(sweep, ReportView("d1", 10))
        tracker.looks.note(sweep, ReportView("d1", 99, ("d0",)))
        assert tracker.looks.of(sweep) == (ReportView("d1", 10),)

    def test_who_has_put_a_question_is_found_whatever_the_sweep_is_called(self, tracker):
        first, other = asking(tracker, "a"), asking(tracker, "b", asked={"delta": 0.5, "levels": "aa"})
        asking(tracker, "c", question="r" * 16)
        tracker.looks.note(other, ReportView("d1", 10))
        found = tracker.looks.askers("q" * 16, "")
        assert {asker.name: (asker.run_id, asker.asked, asker.looks) for asker in found} == {
            "a": (first.run_id, ASKED, ()),
            "b": (other.run_id, {"delta": 0.5, "levels": "aa"}, (ReportView("d1", 10),)),
        }

    def test_a_store_without_a_sweep_has_no_askers(self, tracker):
        assert tracker.looks.askers("q" * 16, "") == []

    def test_who_has_shown_the_same_retrainings_is_found_whatever_was_asked(self, tracker):
        sweep = asking(tracker, "a", question="r" * 16)
        asking(tracker, "b", question="s" * 16)
        tracker.looks.note(sweep, ReportView("d1", 10))
        assert [asker.name for asker in tracker.looks.askers("q" * 16, "d1")] == ["a"]

    @pytest.mark.slow
    def test_hundreds_of_looks_are_kept_whole(self, tracker):
        sweep, digests = asking(tracker, "a"), tuple(f"{at:016x}" for at in range(300))
        for at, digest in enumerate(digests):
            tracker.looks.note(sweep, ReportView(digest, at, digests[:at]))
        found = tracker.looks.of(sweep)
        assert [look.digest for look in found] == list(digests)
        assert found[150].before == digests[:150]
