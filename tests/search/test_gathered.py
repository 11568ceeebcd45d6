"""What a comparison was trained with, as far as its pairs go."""

from hpsearch.search.gathered import _of_pairs
from hpsearch.search.provenance import Provenance

OLD, NEW = Provenance("cpu", "1"), Provenance("cpu", "2")


def test_what_a_final_retrains_of_one_level_alone_does_not_count():
    retrained = {("a", 1): OLD, ("b", 1): OLD, ("a", 2): NEW}
    assert set(_of_pairs(retrained)) == {OLD}


def test_a_seed_that_several_levels_have_counts_whoever_trained_it():
    assert set(_of_pairs({("a", 1): OLD, ("b", 1): NEW, ("a", 2): None, ("b", 2): None})) == {OLD, NEW, None}
