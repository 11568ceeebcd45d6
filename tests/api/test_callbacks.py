"""Functions that are called after each trial, named by an import path."""

import signal

import pytest
import users_callbacks

from hpsearch.api.callbacks import CallbackError, load_callbacks
from hpsearch.commands.dispatch import plan_action
from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError
from hpsearch.execution.interrupts import StoppedError


class FakeTrial:
    number = 7


def test_a_function_is_called_with_what_it_would_be_called_with_in_python():
    (tell,) = load_callbacks(["users_callbacks:tell"])
    trial = FakeTrial()
    tell("a sweep", trial)
    assert users_callbacks.CALLED[-1] == ("a sweep", trial)


def test_an_error_says_whose_it_is_and_after_which_trial():
    (failing,) = load_callbacks(["users_callbacks:failing"])
    with pytest.raises(CallbackError) as failed:
        failing("a sweep", FakeTrial())
    said = "search.callbacks users_callbacks:failing failed after trial 7: ValueError: no space on the wall ("
    assert str(failed.value).startswith(said)
    assert "users_callbacks.py, line " in str(failed.value)
    assert failed.value.exit_status == 1


def test_an_interrupt_stops_a_sweep_as_ctrl_c_does():
    (stopping,) = load_callbacks(["users_callbacks:stopping"])
    with pytest.raises(StoppedError) as stopped:
        stopping("a sweep", FakeTrial())
    assert stopped.value.number == signal.SIGINT


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("users_callbacks:tel", r"search.callbacks must name something in users_callbacks, .* did you mean tell\?"),
        ("no_module:tell", r"search.callbacks must name an importable module, got 'no_module:tell'"),
        ("users_callbacks:NUMBER", r"functions of a sweep and a trial, got users_callbacks:NUMBER, a int"),
        ("users_callbacks:alone", r"got users_callbacks:alone: too many positional arguments"),
        ("users_callbacks:strict", r"got users_callbacks:strict: missing a required argument: 'level'"),
    ],
)
def test_what_is_no_function_of_a_sweep_and_a_trial_is_refused(path, expected):
    with pytest.raises(ConfigError, match=expected):
        load_callbacks([path])


def test_a_path_without_a_colon_is_refused():
    with pytest.raises(ConfigError, match=r"search.callbacks must read as package.module:name, got 'own.tell'"):
        plan_action(Composer(["search.callbacks=[own.tell]"]))


def test_an_action_names_the_functions_of_its_command():
    assert plan_action(Composer(["data=digits", "search.callbacks=[own:tell,own:log]"])).callbacks == (
        "own:tell",
        "own:log",
    )
