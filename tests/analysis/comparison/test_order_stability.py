"""Whether the order of the levels holds for other seeds, images, rows, searches and epochs."""

from dataclasses import replace

import pytest

from hpsearch.analysis.comparison.order_stability import order_stability
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.findings import Hint
from tests.analysis.searches import confirmed, design, search


def stability(hints=(), **scores):
    evidence = Evidence(
        design(tuple(scores)), (), tuple(row for name, of in scores.items() for row in confirmed(name, *of))
    )
    return order_stability(evidence, {}, (), hints)


def varied(found):
    return {one.what: (one.varied, one.found) for one in found.variations}


def test_it_is_counted_on_how_many_seeds_the_two_highest_means_stand_in_their_order():
    found = stability(a=[0.9, 0.8, 0.7, 0.9], b=[0.8, 0.8, 0.8, 0.6])
    assert found.sentence == (  # Wilson 95 % of 2 of 4
        "The order of the two highest means, a above b, holds on 2 of 4 fresh seeds [15 %, 85 %], equal on 1."
    )


def test_of_several_levels_it_is_told_how_often_the_first_is_above_all_others():
    found = stability(a=[0.9, 0.9, 0.9], b=[0.8, 0.8, 0.95], c=[0.5, 0.99, 0.5])
    assert found.sentence.endswith(
        "a above b, holds on 2 of 3 fresh seeds [21 %, 94 %]; a is above both others on 1 of 3."
    )


def test_only_seeds_that_both_have_are_compared():
    rows = (*confirmed("a", 0.9, 0.9, 0.9), *confirmed("b", 0.8))
    found = order_stability(Evidence(design(("a", "b")), (), rows), {}, (), ())
    assert "holds on 1 of 1 fresh seed [" in found.sentence


def test_of_one_level_the_spread_of_its_seeds_is_told():
    assert stability(a=[0.8, 0.9]).sentence == (
        "Its 2 fresh seeds have accuracy from 0.8000 to 0.9000, standard deviation 0.0707."
    )


def test_without_fresh_seeds_nothing_is_known_of_them():
    found = order_stability(search(("a", "b")), {}, (), ())
    assert found.sentence == "No recipe was retrained on fresh seeds, so that nothing is known about other seeds."
    assert varied(found)["seeds"][0] is False


@pytest.mark.parametrize(("codes", "said"), [
    ((), "none was found to improve still at the last of 3"),
    (("still_improving", "few_good"), "trials of 1 of 2 options still improved at the last of 3: longer ones may turn"),
])  # fmt: skip
def test_what_the_linter_knows_of_the_last_epoch_is_told(codes, said):
    evidence = search(("a", "b"))
    curves = {"val/accuracy": [0.1, 0.2, 0.3]}
    evidence = replace(evidence, trials=tuple(replace(row, curves=curves) for row in evidence.trials))
    hints = [Hint(code, name, "") for code, name in zip(codes, "ab", strict=False)]
    found = varied(order_stability(evidence, {}, (), hints))
    assert found["epochs"][0] is False
    assert found["epochs"][1].startswith(said)


def test_epochs_of_a_table_that_does_not_tell_them_are_no_variation():
    evidence = Evidence(design(("a",), epochs=0), (), confirmed("a", 0.8))
    assert [one.what for one in order_stability(evidence, {}, (), ()).variations] == [
        "seeds", "images from the same source", "training rows, as many", "data sets",
    ]  # fmt: skip
