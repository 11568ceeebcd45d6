"""What every implementation promises: a suite for each protocol, which a test class of an implementation inherits."""

import pytest

pytest.register_assert_rewrite("tests.contracts.executor", "tests.contracts.tracker")
