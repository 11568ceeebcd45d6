"""Words that a text may not have without the evidence for them."""

import pytest

from tests.analysis.comparison.claim_words import forbidden


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The difference is significant.", ["significant"]),
        ("a non-significant trend toward Adam", ["significant", "trend toward"]),
        ("Insignificantly trending towards", ["Insignificantly", "trending towards"]),
        ("There was no\n  difference; they do not differ.", ["no\n  difference", "do not differ"]),
    ],
)
@pytest.mark.parametrize("claimed", [True, False])
def test_some_words_no_evidence_allows(text, found, claimed):
    assert forbidden(text, claimed=claimed, single_contender=claimed) == found


@pytest.mark.parametrize(
    "word", ["best", "Best", "wins", "win", "winner", "winning", "won", "outperforms", "outperformed", "superior",
             "superiority", "state of the art", "state-of-the-art", "State-of-the\nart", "SOTA"]
)  # fmt: skip
def test_words_of_rank_need_a_claim_and_a_single_contender(word):
    text = f"Adam: **{word}**, again"
    assert forbidden(text, claimed=True, single_contender=True) == []
    assert forbidden(text, claimed=True, single_contender=False) == [word]
    assert forbidden(text, claimed=False, single_contender=True) == [word]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Adam is better than SGD", "is better"),
        ("Adam, better than SGD", "better than"),
        ("SGD is much worse", "is much worse"),
        ("Adam beats SGD", "beats"),
        ("Adam improves on SGD", "improves on"),
        ("Adam is slightly higher", "slightly higher"),
    ],
)
def test_words_of_difference_need_a_claim(text, word):
    assert forbidden(text, claimed=True, single_contender=False) == []
    assert forbidden(text, claimed=False, single_contender=False) == [word]


@pytest.mark.parametrize(
    "text",
    [
        "the highest-scoring trial in the search",
        "P(best | k) and P(level is best | k) against k",
        "P(A beats B | k) at each budget, and the probability that Adam beats SGD",
        "8 trials share 95 % of the probability of being the best",
        "probability of superiority",
        "higher is better; lower values are better",
        "best-case and worst-case bounds, 3 significant digits, significance level 0.05",
        "winner's curse; the winner\u2019s curse: if all trials were equal, the best would still show +0.01",
        "report scores of block winners",
        "no net is better than chance",
        "a window of one won't do; wonder; bestow; beta",
        "These data do not separate them.",
    ],
)
def test_longer_phrases_that_claim_nothing_pass(text):
    assert forbidden(text, claimed=False, single_contender=False) == []


def test_an_innocent_phrase_does_not_excuse_its_neighbours():
    text = "P(best | k): Adam is the best, higher is better than SGD"
    assert forbidden(text, claimed=False, single_contender=False) == ["best"]
    assert forbidden("best epoch of the best trial", claimed=True, single_contender=False) == ["best"]
