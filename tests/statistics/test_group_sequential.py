"""Planned looks: which there are, and what each may spend."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.statistics.group_sequential import part_of_look, planned_looks, shares, spent
from hpsearch.statistics.paired_tests import SEEDS, minimum_seeds

LOOKS = st.lists(st.integers(1, 500), min_size=1, max_size=6, unique=True).map(sorted)


@given(LOOKS)
def test_looks_together_spend_alpha(looks):
    assert math.fsum(shares(looks)) == pytest.approx(1)
    assert min(shares(looks)) > 0


def test_half_of_the_seeds_spend_what_the_formula_says():
    assert spent(0.5) == pytest.approx(math.log((1 + math.e) / 2))


def test_a_number_of_seeds_belongs_to_the_first_look_that_waits_for_as_many():
    parts = shares([10, 20, 40])
    assert [part_of_look([10, 20, 40], seeds) for seeds in (3, 10, 11, 20, 40)] == [
        parts[0], parts[0], parts[1], parts[1], parts[2],
    ]  # fmt: skip


def test_without_planned_looks_all_of_alpha_is_spent():
    assert part_of_look((), 7) == 1


@given(st.integers(1, 300), st.integers(1, 30), st.sampled_from([0.01, 0.05, 0.1]))
def test_looks_grow_to_the_last_one_and_each_but_it_can_lead_to_a_claim(most, comparisons, alpha):
    looks = planned_looks(most, comparisons, alpha)
    assert looks[-1] == most
    assert all(b >= 1.5 * a for a, b in itertools.pairwise(looks))
    if len(looks) > 1:
        assert looks[0] >= max(SEEDS, minimum_seeds(comparisons, alpha * spent(looks[0] / most)))
        assert [b / a for a, b in itertools.pairwise(looks[:-1])] == [2] * (len(looks) - 2)
