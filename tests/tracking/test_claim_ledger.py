import subprocess
import sys
from unittest import mock

import pytest

from hpsearch.errors import TrackingError
from hpsearch.tracking.claim_ledger import problems
from tests.contracts.tracker import SPLIT, SealLedgerContract, grant
from tests.fakes import AnswerLost


class TestSealLedger(SealLedgerContract):
    pass


def test_a_result_that_a_kill_left_half_written_is_none_and_can_be_recorded(tracker):
    first = grant(tracker, 1)
    client, tags = tracker._store.client, []

    class KilledError(Exception):
        pass

    def set_tag(*given):
        tags.append(given)
        if len(tags) == 2:
            raise KilledError
        type(client).set_experiment_tag(client, *given)

    with mock.patch.object(client, "set_experiment_tag", set_tag), pytest.raises(KilledError):
        tracker.ledger.record_result(first, {"accuracy": 0.98})
    (half,) = tracker.ledger.openings(SPLIT)
    assert (half.result, problems([half])) == (None, [])
    assert tracker.ledger.record_result(half, {"accuracy": 0.98}).result == '{"accuracy": 0.98}'


def test_an_opening_whose_experiment_was_deleted_still_counts(tracker):
    grant(tracker, 1)
    client = tracker._store.client
    client.delete_experiment(client.get_experiment_by_name(f"hpsearch-seal/{SPLIT}/1").experiment_id)
    assert [opening.opening for opening in tracker.ledger.openings(SPLIT)] == [1]
    assert grant(tracker, 1) is None


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("claimant", "nobody", "opening 1 was changed after it was written"),
        ("result", '{"accuracy": 1.0}', "the result of opening 1 was changed after it was written"),
        ("entry", "0" * 64, "opening 2 does not follow the one before it"),
        ("opening", "x", "opening 1 carries the number 0"),
    ],
)
def test_an_altered_entry_is_found_and_stops_further_openings(tracker, key, value, problem):
    tracker.ledger.record_result(grant(tracker, 1), {"accuracy": 0.98})
    grant(tracker, 2)
    client = tracker._store.client
    first = client.get_experiment_by_name(f"hpsearch-seal/{SPLIT}/1")
    client.set_experiment_tag(first.experiment_id, key, value)
    assert problem in problems(tracker.ledger.openings(SPLIT))
    with pytest.raises(TrackingError, match="the ledger of this test set was altered"):
        grant(tracker, 3)


def test_a_grant_whose_answer_got_lost_is_still_ours(tracker):
    tracker._store.client = AnswerLost(tracker._store.client, "create_experiment")
    assert grant(tracker, 1) is not None


def test_a_grant_that_another_process_won_is_not_ours(tracker):
    tracker._store.client = AnswerLost(tracker._store.client, "create_experiment", instead={"tags": {"nonce": "other"}})
    assert grant(tracker, 1) is None


@pytest.mark.slow
def test_of_sixteen_racing_processes_exactly_one_is_granted(folder):
    code = (
        "import sys, time; from pathlib import Path; from hpsearch.tracking.tracker import Tracker\n"
        "d = Path(sys.argv[1]); t = Tracker.connect(f'sqlite:///{d}/mlflow.db', d)\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for r in range(10):\n"
        "    g = t.ledger.grant(f'split{r}', 1, claimant=sys.argv[2], granted_at='now', purpose='p',\n"
        "                       nonce=sys.argv[2])\n"
        "    print(int(g is not None))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(16)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [[int(line) for line in racer.communicate(timeout=300)[0].split()] for racer in racers]
    assert [sum(rounds) for rounds in zip(*answers, strict=True)] == [1] * 10
