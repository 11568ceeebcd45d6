"""What a comparison says on several data sets: counts of claims, ranks, and the sentence that is read first."""

from dataclasses import replace

import pytest
from scipy import stats

from hpsearch.analysis.across_data_sets import across_data_sets
from hpsearch.analysis.analyse import analyse
from tests.analysis.evidences import bitmaps, of, retrained


def findings(seed, control=None, **shares):
    """Of options with these accuracies on one data set."""
    correct = bitmaps(shares, 10, seed=seed, spread=0.05)
    return analyse(of(*(retrained(name, one) for name, one in correct.items()), names=tuple(correct), control=control))


CLEAR = {"adam": 0.95, "momentum": 0.9, "sgd": 0.7}
OTHER = {"adam": 0.8, "momentum": 0.95, "sgd": 0.7}
ALIKE = {"adam": 0.9, "momentum": 0.9, "sgd": 0.9}


def test_an_option_that_is_ahead_of_all_others_everywhere_is_the_one_to_use():
    across = across_data_sets("optimizers", {"mnist": findings(0, **CLEAR), "digits": findings(1, **CLEAR)})
    assert across.status == "claim"
    assert across.sentence == (
        "Use adam, which is ahead of all other optimizers on 2 of 2 data sets. "
        "Behind another: momentum on 2 of 2, sgd on 2 of 2."
    )


def test_an_order_that_turns_is_told_with_the_data_sets_of_each():
    across = across_data_sets("optimizers", {"mnist": findings(0, **CLEAR), "digits": findings(1, **OTHER)})
    assert across.sentence.startswith(
        "None of the optimizers is ahead of all other optimizers on all 2 data sets: "
        "adam on 1 of 2 (mnist), momentum on 1 of 2 (digits)."
    )
    assert {row.level: row.behind for row in across.options}["sgd"] == ("mnist", "digits")


def test_options_are_compared_with_the_control_where_there_is_one():
    known = {data: findings(seed, "momentum", **CLEAR) for seed, data in enumerate(("mnist", "digits"))}
    across = across_data_sets("optimizers", known)
    assert across.sentence == ("Use adam, which is ahead of momentum on 2 of 2 data sets. Behind it: sgd on 2 of 2.")


def test_without_a_claim_the_control_stays():
    known = {data: findings(seed, "sgd", **ALIKE) for seed, data in enumerate(("mnist", "digits"))}
    across = across_data_sets("optimizers", known)
    assert across.status == "inconclusive"
    assert across.sentence == "Stay with sgd: nothing is shown to be ahead of it on any of 2 data sets."


def test_options_stand_in_the_order_of_their_mean_ranks():
    across = across_data_sets("optimizers", {"mnist": findings(0, **CLEAR), "digits": findings(1, **OTHER)})
    assert [(row.level, row.rank) for row in across.options] == [("adam", 1.5), ("momentum", 1.5), ("sgd", 3.0)]


def test_ranks_are_tested_from_ten_data_sets_on():
    nine = {f"data {seed}": findings(seed, **CLEAR) for seed in range(9)}
    assert across_data_sets("optimizers", nine).ranked is None
    ten = nine | {"data 9": findings(9, **OTHER)}
    means = [[found.confirmed[name].mean for name in CLEAR] for found in ten.values()]
    chi2 = stats.friedmanchisquare(*zip(*means, strict=True)).statistic
    across = across_data_sets("optimizers", ten)
    assert across.ranked.statistic == pytest.approx(9 * chi2 / (10 * 2 - chi2))


def test_an_option_without_a_mean_leaves_no_ranks():
    spoiled = analyse(of(retrained("adam", bitmaps({"adam": 0.9}, 10)["adam"]), names=("adam",)))
    one = findings(0, **CLEAR)
    lacking = replace(one, confirmed={name: each for name, each in one.confirmed.items() if name != "sgd"})
    across = across_data_sets("optimizers", {"mnist": one, "digits": lacking})
    assert all(row.rank != row.rank for row in across.options)
    with pytest.raises(ValueError, match="must be the same on all data sets, got others on digits"):
        across_data_sets("optimizers", {"mnist": one, "digits": spoiled})
