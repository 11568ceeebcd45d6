"""What the results say of themselves."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from hpsearch.api.results import Final
from hpsearch.data.dataset import Column


def final(earlier, columns=()):
    target = SimpleNamespace(development=SimpleNamespace(columns=columns, class_names=("high", "low")))
    trial = SimpleNamespace(number=0, level=None)
    return Final(trial, 1, earlier, "me", "2026-01-02 03:04:05", {}, Path(), None, None, target)


@pytest.mark.parametrize(("earlier", "told"), [(0, "first look at the test rows"), (1, "look 2 at the test rows")])
def test_rows_that_another_data_set_has_shown_are_no_first_look(earlier, told):
    assert told in repr(final(earlier))


def test_the_inputs_of_a_model_are_named_in_order():
    columns = (Column("area", 1), Column("city", 2, ("Oslo", "Rome")))
    assert final(0, columns).feature_names == ("area", "city=Oslo", "city=Rome")
    assert final(0, columns).classes == ("high", "low")
