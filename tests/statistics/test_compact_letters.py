"""Letters that tell which items are separated."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from hpsearch.statistics.compact_letters import compact_letters

pairs = st.sets(st.sampled_from(list(combinations("abcdef", 2))))


@given(pairs)
def test_two_items_share_a_letter_exactly_where_they_are_not_separated(separated):
    letters = compact_letters("abcdef", separated)
    for pair in combinations("abcdef", 2):
        assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in separated)


@given(pairs)
def test_no_letter_says_what_another_one_says(separated):
    letters = compact_letters("abcdef", separated)
    groups = [{item for item in letters if letter in letters[item]} for letter in set("".join(letters.values()))]
    assert not any(group < other for group in groups for other in groups)


@given(pairs)
def test_the_first_item_has_the_first_letter(separated):
    assert compact_letters("abcdef", separated)["a"].startswith("a")


def test_the_example_of_piepho_type_overlaps():
    assert compact_letters(["x", "y", "z"], {("z", "x")}) == {"x": "a", "y": "ab", "z": "b"}


def test_more_groups_than_letters_have_numbers():
    items = [f"item {at}" for at in range(28)]
    letters = compact_letters(items, set(combinations(items, 2)))
    assert (letters["item 25"], letters["item 26"], letters["item 27"]) == ("z", "a1", "b1")
