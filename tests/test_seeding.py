"""Seeds: distinct where they must be, the same wherever and whenever, and known to the last bit."""

import hashlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.seeding import FitSeeds, Purpose, derive, epoch_order, fit_seeds
from tests.strategies import SEEDS


def level_words(level):
    return np.frombuffer(hashlib.sha256(level.encode()).digest()[:16], ">u4").tolist()


@pytest.mark.parametrize(
    ("seed", "purpose", "path", "key"),
    [
        (0, Purpose.SPLIT, (), [3]),
        (0, Purpose.INIT, (0, 0), [6, 0, 0]),
        (7, Purpose.ORDER, (4, 2), [7, 4, 2]),
        (2**62 + 1, Purpose.EPOCH, (19,), [9, 19]),
        (3, Purpose.PARAMETERS, ("-", 5), [1, *level_words("-"), 5]),
        (3, Purpose.QMC, ("größe",), [10, *level_words("größe")]),
    ],
)
def test_a_seed_is_63_bits_of_numpys_seed_sequence(seed, purpose, path, key):
    (word,) = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64).tolist()
    assert derive(seed, purpose, *path) == word // 2


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (derive(0, Purpose.SPLIT), 6619194650426729951),
        (derive(0, Purpose.PARAMETERS, "-", 0), 8575934262908619740),
        (derive(42, Purpose.DROPOUT, 1, 2), 3541664116876497464),
    ],
)
def test_seeds_stay_what_they_have_always_been(found, known):
    assert found == known


def test_the_numbers_of_the_purposes_are_part_of_the_format():
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "PARAMETERS": 1,
        "TEST_SPLIT": 2,
        "SPLIT": 3,
        "LIMIT": 4,
        "MONITOR": 5,
        "INIT": 6,
        "ORDER": 7,
        "DROPOUT": 8,
        "EPOCH": 9,
        "QMC": 10,
        "CONFIRM": 11,
        "RETRAIN": 12,
        "AUGMENTATION": 13,
    }


def test_purposes_levels_and_indices_give_distinct_seeds():
    paths = [(), *product((0, 1, 2)), *product((0, 1, 2), (0, 1, 2)), *product(("-", "a", "b", "0"), (0, 1, 2))]
    found = [derive(seed, purpose, *path) for seed in (0, 1, 2) for purpose in Purpose for path in paths]
    assert len(set(found)) == len(found)


@given(SEEDS, st.sampled_from(list(Purpose)), st.lists(st.integers(0, 2**31) | st.text(max_size=5), max_size=3))
def test_a_seed_is_a_whole_number_below_2_to_the_63(seed, purpose, path):
    found = derive(seed, purpose, *path)
    assert type(found) is int
    assert 0 <= found < 2**63


def test_a_fit_has_a_seed_for_each_of_its_streams():
    assert fit_seeds(5, 1, 2) == FitSeeds(
        init=derive(5, Purpose.INIT, 1, 2),
        order=derive(5, Purpose.ORDER, 1, 2),
        dropout=derive(5, Purpose.DROPOUT, 1, 2),
    )


def test_fits_of_different_folds_and_replicates_share_no_stream():
    seeds = [fit_seeds(0, fold, replicate) for fold in range(4) for replicate in range(4)]
    assert len({stream for each in seeds for stream in (each.init, each.order, each.dropout)}) == 3 * 16


@given(SEEDS, st.integers(0, 1000), st.integers(1, 200))
def test_an_epoch_sees_every_row_once(order_seed, epoch, n):
    assert sorted(epoch_order(order_seed, epoch, n).tolist()) == list(range(n))


@given(SEEDS, st.integers(0, 1000))
def test_the_order_of_an_epoch_is_a_function_of_seed_and_epoch(order_seed, epoch):
    assert epoch_order(order_seed, epoch, 50).tolist() == epoch_order(order_seed, epoch, 50).tolist()


def test_epochs_are_ordered_differently():
    assert len({tuple(epoch_order(seed, epoch, 20)) for seed in range(5) for epoch in range(20)}) == 100


def test_the_order_of_an_epoch_is_a_permutation_of_numpys_generator():
    (word,) = np.random.SeedSequence(9, spawn_key=[9, 3]).generate_state(1, np.uint64).tolist()
    assert epoch_order(9, 3, 12).tolist() == np.random.Generator(np.random.PCG64(word // 2)).permutation(12).tolist()


def test_no_global_generator_is_read_or_set():
    np.random.seed(1)  # noqa: NPY002 (the global generator is what is tested)
    before = derive(0, Purpose.INIT, 0, 0), epoch_order(0, 0, 9).tolist()
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert before == (derive(0, Purpose.INIT, 0, 0), epoch_order(0, 0, 9).tolist())
    np.random.seed(1)  # noqa: NPY002
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
