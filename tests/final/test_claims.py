"""The right to open a sealed test set, and the second memory of openings."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.config import ConfigError
from hpsearch.data.row_fingerprints import OpenedRows
from hpsearch.errors import BrokenFileError, SealOpenedError
from hpsearch.final.claims import Request, begin_claim, end_claim, pending_nonce, require_right, stated
from hpsearch.final.earlier_openings import noted, remember, unknown_to
from hpsearch.tracking.claim_ledger import Opening


def opening(number, outcome='{"accuracy": 0.9}', weights="w1"):
    purpose = f"final evaluation [weights {weights}]"
    entry, nonce = f"e{number}", f"n{number}"
    return Opening("d" * 64, number, "me@here", "2026-01-02 03:04:05", purpose, "-", entry, outcome, nonce=nonce)


def test_a_first_opening_needs_no_words():
    assert require_right([], None, None, "w1") == 1


def test_a_second_opening_is_refused_with_when_by_whom_what_came_out_and_the_way_out():
    with pytest.raises(SealOpenedError) as refusal:
        require_right([opening(1)], None, None, "w2")
    assert str(refusal.value) == (
        "this test set was opened 1 time already:\n"
        "  opening 1 on 2026-01-02 03:04:05 by me@here: accuracy 0.9000\n"
        "a number from a second look is no longer an honest test; where there is a good reason, add\n"
        "  \"final.reopen.reason='…'\" final.reopen.opening=2"
    )


def test_an_opening_that_another_ledger_counts_refuses_too():
    with pytest.raises(SealOpenedError) as refusal:
        require_right([], None, None, "w2", None, ["opening 1 stands in another ledger"])
    assert str(refusal.value).splitlines()[:2] == [
        "this test set was opened 1 time already:",
        "  opening 1 stands in another ledger",
    ]


def test_every_opening_is_listed():
    with pytest.raises(SealOpenedError) as refusal:
        require_right([opening(1), opening(2), opening(3, None)], None, None, "other")
    lines = str(refusal.value).splitlines()
    assert lines[0] == "this test set was opened 3 times already:"
    assert lines[3].endswith("by me@here: no result was recorded")
    assert lines[-1].endswith("final.reopen.opening=4")


def test_a_further_opening_is_allowed_with_a_reason_and_its_number():
    assert require_right([opening(1)], "a bug in the split", 2, "w2") == 2


@pytest.mark.parametrize(
    ("reason", "number"), [("why", 1), ("why", 3), ("why", None), (None, 2), ("", 2), (" \n", 2), ("…", 2), ("?!", 2)]
)
def test_a_wrong_acknowledgement_is_refused_with_the_right_one(reason, number):
    with pytest.raises(ConfigError) as refusal:
        require_right([opening(1)], reason, number, "w2")
    assert str(refusal.value) == (
        "final.reopen needs a reason in words and the number of the next opening: \"final.reopen.reason='…'\" "
        f"final.reopen.opening=2, got reason={reason!r} and opening={number!r}"
    )


def test_an_acknowledgement_where_nothing_was_opened_must_fit_too():
    with pytest.raises(ConfigError, match=r"final.reopen.opening=1, got reason='why' and opening=2"):
        require_right([], "why", 2, "w1")


RESULTS = pytest.mark.parametrize("outcome", [None, '{"accuracy": 0.9}'])


@RESULTS
@pytest.mark.parametrize("weights", ["w1", None])
def test_an_own_claim_whose_result_was_not_told_may_finish_with_the_same_weights(outcome, weights):
    assert require_right([opening(1), opening(2, outcome, "w1")], None, None, weights, "n2") == 2


@RESULTS
def test_an_own_claim_may_not_be_finished_by_other_weights(outcome):
    with pytest.raises(SealOpenedError):
        require_right([opening(1, outcome, "w1")], None, None, "w2", "n1")


@RESULTS
@pytest.mark.parametrize("nonce", [None, "n9"])
@pytest.mark.parametrize("weights", ["w1", None])
def test_a_claim_of_the_same_weights_from_another_folder_is_not_ours(outcome, nonce, weights):
    with pytest.raises(SealOpenedError, match="opened 1 time already"):
        require_right([opening(1, outcome, "w1")], None, None, weights, nonce)


def test_a_claim_is_marked_from_before_it_is_made_until_its_result_is_told(tmp_path):
    assert pending_nonce(tmp_path) is None
    nonce = begin_claim(tmp_path)
    assert nonce == begin_claim(tmp_path) == pending_nonce(tmp_path)
    end_claim(tmp_path)
    assert pending_nonce(tmp_path) is None
    assert begin_claim(tmp_path) != nonce


@pytest.mark.parametrize(("weights", "retrains"), [("w1", 0), ("w1 and 12 retrained f00", 12)])
def test_a_claim_without_a_result_says_which_command_may_finish_it(weights, retrains):
    with pytest.raises(SealOpenedError) as refusal:
        require_right([opening(1, None, weights)], None, None, "w2")
    assert str(refusal.value).splitlines()[2] == (
        f"opening 1 has no result: the command that claimed it, with final.retrains={retrains}, may finish it in "
        "its folder, with the same weights"
    )


@pytest.mark.parametrize("other", ["w1", "w1 and 2 retrained f00", "w1 and 3 retrained f01"])
def test_a_claim_for_retrained_networks_is_finished_by_all_of_them_alone(other):
    claimed = [opening(1, None, "w1 and 3 retrained f00")]
    assert require_right(claimed, None, None, "w1 and 3 retrained f00", "n1") == 1
    with pytest.raises(SealOpenedError):
        require_right(claimed, None, None, other, "n1")


def test_only_the_last_claim_may_finish():
    with pytest.raises(SealOpenedError):
        require_right([opening(1, None, "w1"), opening(2, weights="w2")], None, None, "w1", "n1")


def test_the_ledger_is_told_the_reason_and_the_weights():
    request = Request("me", "now", "abc", "n1", None, None)
    assert request.purpose == "final evaluation [weights abc]"
    assert replace(request, reason="a bug").purpose == "a bug [weights abc]"


@pytest.mark.parametrize("reason", ["a bug", "a bug [weights 7 kg]", "final evaluation"])
def test_what_a_purpose_says_is_its_reason_without_the_weights(reason):
    assert stated(Request("me", "now", "abc and 3 retrained def", "n1", reason, 2).purpose) == reason


ROWS = OpenedRows.of(np.array([[1], [2]], np.uint64), np.array([[9]], np.uint64))


def test_an_opening_that_the_ledger_does_not_list_is_remembered_with_its_rows(tmp_path):
    remember(tmp_path / "new", opening(1), "sqlite:///old.db", ROWS)
    (note,) = unknown_to([], noted(tmp_path / "new"), "d" * 64)
    assert note.sentence == ("opening 1 on 2026-01-02 03:04:05 by me@here stands in the ledger at sqlite:///old.db")
    assert len(note.rows.among(np.array([[2], [3]], np.uint64))) == 1


def test_an_opening_that_the_ledger_lists_or_that_is_of_another_test_set_does_not_count(tmp_path):
    remember(tmp_path, opening(1), "sqlite:///a.db", ROWS)
    assert unknown_to([opening(1)], noted(tmp_path), "d" * 64) == []
    assert unknown_to([], noted(tmp_path), "e" * 64) == []


def test_an_opening_is_remembered_once(tmp_path):
    for _ in range(3):
        remember(tmp_path, opening(1), "sqlite:///a.db", ROWS)
    remember(tmp_path, opening(2), "sqlite:///a.db", ROWS)
    assert len(noted(tmp_path)) == 2


def test_an_opening_that_was_noted_before_rows_were_is_known(tmp_path):
    old = dict.fromkeys(("digest", "entry", "opening", "claimant", "granted_at", "ledger"), "x")
    (tmp_path / "openings.json").write_text(json.dumps([old]))
    (note,) = noted(tmp_path)
    assert (note.digest, note.rows) == ("x", None)


@pytest.mark.parametrize("garbage", ["", "garbage", "{}", "[1]", '[{"digest": "d"}]', "\xff"])
def test_a_damaged_list_of_openings_is_refused_by_its_name_with_the_remedy(tmp_path, garbage):
    (tmp_path / "openings.json").write_text(garbage, encoding="latin-1")
    for use in (noted, lambda folder: remember(folder, opening(1), "sqlite:///a.db", ROWS)):
        with pytest.raises(BrokenFileError, match=r"openings.json' is not whole: .* restore it, or move it away"):
            use(tmp_path)


def test_a_refusal_says_who_shares_the_openings():
    with pytest.raises(SealOpenedError) as refusal:
        require_right([opening(1)], None, None, "w2", shared="it is the same file")
    assert str(refusal.value).splitlines()[2] == "it is the same file"
