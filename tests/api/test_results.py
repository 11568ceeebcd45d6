"""What the results say of themselves."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from hpsearch.api.results import Final


def final(earlier):
    target = SimpleNamespace(development=SimpleNamespace(columns=(), class_names=("high", "low")))
    trial = SimpleNamespace(number=0, level=None)
    return Final(trial, 1, earlier, "me", "2026-01-02 03:04:05", {}, {}, Path(), None, None, target)


@pytest.mark.parametrize(("earlier", "told"), [(0, "first look at the test rows"), (1, "look 2 at the test rows")])
def test_rows_that_another_data_set_has_shown_are_no_first_look(earlier, told):
    assert told in repr(final(earlier))


def test_arrays_have_no_names_of_features():
    assert final(0).feature_names == ()
    assert final(0).classes == ("high", "low")
