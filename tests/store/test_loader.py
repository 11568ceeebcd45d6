"""What a comparison was trained with, as far as its pairs go."""

from hpsearch.records import Status, Trial, TrialResult
from hpsearch.store.loader import _busy_s, _of_pairs, load_from_disk
from hpsearch.store.provenance import Provenance
from hpsearch.store.sweep_store import SweepStore
from tests.specifications import specification

OLD, NEW = Provenance("cpu", "1"), Provenance("cpu", "2")


def test_what_a_final_retrains_of_one_level_alone_does_not_count():
    retrained = {("a", 1): OLD, ("b", 1): OLD, ("a", 2): NEW}
    assert set(_of_pairs(retrained)) == {OLD}


def test_a_seed_that_several_levels_have_counts_whoever_trained_it():
    assert set(_of_pairs({("a", 1): OLD, ("b", 1): NEW, ("a", 2): None, ("b", 2): None})) == {OLD, NEW, None}


def test_a_cut_file_of_facts_and_a_cut_record_are_told_and_refuse_nothing(tmp_path, make_config):
    store = SweepStore(tmp_path, "s")
    with store.lock():
        store.freeze(specification())
        for k in range(3):
            trial, result = Trial("-", k, {}, make_config()), TrialResult(Status.OK, None, 0.5, None, {}, {}, [], [])
            store.write_attempt(store.begin_attempt("-", k), trial, result, OLD.tags)
    for k, name in ((1, "run.json"), (2, "record.json")):
        path = store.folder / "trials" / "-" / str(k) / "attempt-1" / name
        path.write_bytes(path.read_bytes()[:-9])
    found = load_from_disk(store)
    assert list(found.records) == [("-", 0), ("-", 1)]
    assert found.made_with == {OLD, None}
    facts, record = sorted(found.damaged)
    assert "1/attempt-1/run.json' is not whole: " in facts
    assert facts.endswith("; no result depends on it")
    assert "2/attempt-1/record.json' is not whole: " in record


def test_time_in_which_several_trained_counts_once_and_time_in_which_none_did_not_at_all():
    assert _busy_s([(3000, 4000), (0, 1000), (500, 2000), (600, 700)]) == 3.0
    assert _busy_s([]) == 0
