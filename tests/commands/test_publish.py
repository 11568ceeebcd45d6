"""What a report needs before it is made."""

import pytest

from hpsearch.commands.publish import _require_trials
from hpsearch.config import ConfigError
from hpsearch.records import Status, TrialResult
from hpsearch.store.loader import LoadedSweep
from hpsearch.store.record_json import Record
from tests.specifications import fingerprinted, specification, stored_level

RESULT = TrialResult(Status.OK, None, 0.5, 0.1, {}, {}, [], [])


def gathered(levels, recorded):
    asked = fingerprinted(levels=[stored_level(name) for name in levels])
    records = {(level, 1): Record(level, 1, {}, {}, RESULT, "") for level in recorded}
    return LoadedSweep(specification("s", asked), records, lambda _: {})


def test_a_comparison_of_which_a_level_has_no_trial_yet_is_refused_by_name():
    with pytest.raises(ConfigError, match="sweep 's' has no finished trial of level slow yet: go on with it first"):
        _require_trials(gathered(["fast", "slow"], ["fast"]))


def test_a_sweep_without_any_trial_is_refused():
    with pytest.raises(ConfigError, match="sweep 's' has no finished trial yet"):
        _require_trials(gathered([], []))


def test_levels_with_trials_are_enough():
    assert _require_trials(gathered(["fast", "slow"], ["fast", "slow"])) is None
