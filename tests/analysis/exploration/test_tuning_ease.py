"""How easily levels are tuned, in a sentence, and the value that they share."""

from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.exploration.findings import GoodRegion
from hpsearch.analysis.exploration.summary import explore_level
from hpsearch.analysis.exploration.tuning_ease import tuning_ease
from hpsearch.statistics.intervals import wilson
from tests.analysis.searches import of_rows, search, trial

SPAN = {"optimizer.adam.lr": (0.002, 0.05), "model.mlp.depth": (2.0, 5.0)}


def explored(shares, n=40):
    """Levels of which so many of n trials are good."""
    one = explore_level(search(n=n), "adam", refused=False, seed=0)
    return {name: replace(one, good=GoodRegion(hits / n, wilson(hits, n), SPAN, 0.9)) for name, hits in shares.items()}


def sentence(shares, **changes):
    return tuning_ease(search(tuple(shares), n=40, **changes).design, explored(shares)).sentence


def test_the_level_with_the_most_good_trials_and_that_with_the_fewest_are_told():
    assert sentence({"sgd": 2, "adam": 20, "rmsprop": 8}) == (
        "In the search, 20 of 40 trials [35 %, 65 %] of adam come within 0.01 of its recipe, the most of any option; "
        "of sgd 2 of 40 trials [1 %, 17 %], the fewest."
    )


def test_shares_that_chance_explains_tell_no_levels_apart():
    assert sentence({"sgd": 9, "adam": 10}).endswith(", the fewest, which does not tell the two apart.")
    assert sentence({"sgd": 9, "adam": 9}).endswith(" of its recipe, and as many of each other option.")


def test_a_level_of_which_no_trial_learned_anything_is_not_easy_to_tune():
    found = explored({"adam": 10, "sgd": 5, "zeros": 39})
    found["zeros"] = replace(found["zeros"], stalled=40)
    told = tuning_ease(search(("adam", "sgd", "zeros"), n=40).design, found).sentence
    assert told.startswith(
        "In the search, 10 of 40 trials [14 %, 40 %] of adam come within 0.01 of its recipe, the most"
    )


def test_a_level_by_itself_is_told_where_its_good_trials_lie():
    assert sentence({"adam": 10}, delta=None) == (
        "In the search, 10 of 40 trials [14 %, 40 %] come within one standard error of the recipe: lr 0.002 to 0.05."
    )


def test_a_good_region_that_is_known_of_one_level_alone_is_told_of_that_one():
    found = explored({"adam": 10, "sgd": 5})
    found["sgd"] = replace(found["sgd"], good=None)
    told = tuning_ease(search(("adam", "sgd")).design, found).sentence
    assert told.endswith(" of adam come within 0.01 of its recipe; of no other option is that known.")


def test_without_a_good_region_nothing_is_told_and_without_a_search_there_is_nothing():
    found = {name: replace(one, good=None) for name, one in explored({"adam": 1}).items()}
    assert tuning_ease(search().design, found).sentence == (
        "How many trials come close to their recipe is not known: see below."
    )
    assert tuning_ease(search().design, {"adam": replace(found["adam"], n=0)}) is None


def rates(level, name, peak, generator):
    """Forty trials whose score falls with the distance from the peak, in decades of a value of such a name."""
    found = []
    for k in range(1, 41):
        rate = float(10 ** generator.uniform(-4, 0))
        score = 0.9 - 0.1 * abs(np.log10(rate / peak))
        found.append(trial(k, score, score, level, values={name: rate}))
    return found


def test_levels_share_a_value_that_is_called_alike_and_each_is_told_where_it_scores_highest():
    generator = np.random.default_rng(1)
    names = {"adam": "optimizer.adam.lr", "sgd": "optimizer.sgd.lr", "none": "model.decay"}
    rows = [
        *rates("adam", names["adam"], 3e-3, generator),
        *rates("sgd", names["sgd"], 0.5, generator),
        *rates("none", names["none"], 0.1, generator),
    ]
    evidence = of_rows(*rows)
    found = {name: explore_level(evidence, name, refused=False, seed=0) for name in names}
    shared = tuning_ease(evidence.design, found).shared
    assert (shared.name, list(shared.pieces)) == ("lr", ["adam", "sgd"])
    assert shared.pieces["adam"] == found["adam"].isolation["optimizer.adam.lr"]
    tops = {name: max(pieces, key=lambda piece: piece.score) for name, pieces in shared.pieces.items()}
    assert tops["adam"].low < 3e-3 < tops["adam"].high
    assert tops["sgd"].low < 0.5 < tops["sgd"].high
    assert shared.sentence == (
        f"The part of the range of lr that scores highest: adam {tops['adam'].low:.2g} to {tops['adam'].high:.2g}; "
        f"sgd {tops['sgd'].low:.2g} to {tops['sgd'].high:.2g}."
    )


@pytest.mark.parametrize("levels", [("adam",), ("adam", "sgd")])
def test_choices_and_values_of_a_single_level_are_not_shared(levels):
    rows = [
        trial(k, 0.5 + k / 100, 0.5 + k / 100, level, values={"batch": k % 3 * 32 if level == "adam" else "auto"})
        for level in levels
        for k in range(1, 41)
    ]
    evidence = of_rows(*rows)
    found = {name: explore_level(evidence, name, refused=False, seed=0) for name in levels}
    assert tuning_ease(evidence.design, found).shared is None
