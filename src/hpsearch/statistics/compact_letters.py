"""Compact letter display: which items are separated, as a letter each.

Piepho (Journal of Computational and Graphical Statistics, 2004), insert and absorb.
"""

from collections.abc import Collection, Sequence
from string import ascii_lowercase


def compact_letters(items: Sequence[str], separated: Collection[tuple[str, str]]) -> dict[str, str]:
    """Return the letters of each item: two items share a letter exactly where they are not separated.

    Args:
        items: In the order in which letters are given: the first item has an `a`.
        separated: Pairs of items, in any order.

    Examples:
        >>> compact_letters(["adam", "nadam", "sgd"], [("adam", "sgd")])
        {'adam': 'a', 'nadam': 'ab', 'sgd': 'b'}
    """
    groups = [frozenset(items)]
    for pair in separated:
        split = [
            part for group in groups for part in ([group - {one} for one in pair] if group >= {*pair} else [group])
        ]
        unique = list(dict.fromkeys(split))
        groups = [group for group in unique if not any(group < other for other in unique)]
    groups.sort(key=lambda group: [item not in group for item in items])
    return {item: "".join(_letter(at) for at, group in enumerate(groups) if item in group) for item in items}


def _letter(at: int) -> str:
    """`a` to `z`, then `a1` to `z1`, and so on."""
    turn, place = divmod(at, len(ascii_lowercase))
    return f"{ascii_lowercase[place]}{turn or ''}"
