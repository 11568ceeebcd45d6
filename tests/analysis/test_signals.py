"""What signals tell in words: how layers change them before the first update, and which units are lost."""

from dataclasses import replace

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.signals import mechanism_sentence
from tests.analysis.searches import confirmed, design, trial


def signals(moments, gradients=None, dead=(0.0, 0.0)):
    """Two layers or more, before the first update and after two epochs."""
    return {
        "epochs": [0, 2],
        "layers": [str(at) for at in range(len(moments))],
        "activation_second_moment": [list(moments), [9.0] * len(moments)],
        "gradient_second_moment": [list(gradients or moments), [9.0] * len(moments)],
        "dead": [[0.0] * len(dead), list(dead)],
    }


def evidence(**of_level):
    rows = [trial(k, 0.5, 0.5, name, signals=one) for name, told in of_level.items() for k, one in enumerate(told, 1)]
    return Evidence(design(tuple(of_level)), tuple(rows))


def test_levels_that_change_signals_differently_are_told_with_the_factors_at_both_ends():
    said = mechanism_sentence(evidence(he=[signals([2.0, 1.0, 1.0])], zeros=[signals([1.0, 1e-3, 1e-6])]))
    assert said.startswith(
        "Before the first update, the second moment of activations changes from the first to the last layer by a "
        "factor of 1e-06 with zeros and 0.5 with he; "
    )
    assert said.endswith(
        "the second moment of gradients changes from the last to the first layer by a factor of 2 with he and 1e+06 "
        "with zeros."
    )


def test_levels_that_change_them_alike_share_a_factor():
    said = mechanism_sentence(evidence(adam=[signals([1.0, 0.5])], sgd=[signals([1.0, 0.6])]))
    assert "by a factor of 0.55 in every option; " in said
    assert "with" not in said


def test_units_that_are_lost_at_the_end_are_told_where_there_are_more_than_a_few():
    few = mechanism_sentence(evidence(adam=[signals([1.0, 1.0], dead=(0.02, 0.04))]))
    assert "dead" not in few
    said = mechanism_sentence(
        evidence(
            adam=[signals([1.0, 1.0], dead=(0.1, 0.1))],
            sgd=[signals([1.0, 1.0], dead=(dead, 0.5)) for dead in (0.2, 0.3, 0.9)],
        )
    )
    assert said.endswith("; at the last point measured, 40 % of units are dead with sgd and 10 % with adam.")


def test_signals_of_fresh_seeds_tell_what_initial_weights_do():
    searched = evidence(adam=[signals([1.0, 0.5])])
    rows = tuple(replace(row, signals=signals([1.0, 0.25])) for row in confirmed("adam", 0.5, 0.5))
    assert "by a factor of 0.25; " in mechanism_sentence(replace(searched, confirm=rows))


def test_without_signals_nothing_is_told():
    assert mechanism_sentence(evidence(adam=[None])) == ""
    assert mechanism_sentence(evidence(adam=[{"epochs": [0], "dead": "none"}])) == ""
