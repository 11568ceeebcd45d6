"""A `${…}` that stands for nothing is refused with what to type for the text itself."""

import shlex

import pytest

from hpsearch.compose.composer import Composer


@pytest.mark.parametrize(
    ("override", "start", "literal"),
    [
        ("name=a${x}", "name cannot be read: Interpolation key 'x' not found; ", "'name=\"a\\${x}\"'"),
        ("+name=${nix:1}", "name cannot be read: Unsupported interpolation type nix; ", "'name=\"\\${nix:1}\"'"),
        ("name='${'", "name cannot be read: no viable alternative at input '${'; ", "'name=\"\\${\"'"),
        ("search.tune=['${y}']", "search.tune[0] cannot be read: Interpolation key 'y' not found; ", "\\${…}"),
    ],
)
def test_a_reference_to_nothing_is_refused_with_its_key_and_the_way_out(problems, override, start, literal):
    assert problems(Composer([override]).compose) == (
        f"{start}${{…}} stands for the value of another key, such as ${{seed}}: for the text itself, write {literal}",
    )


@pytest.mark.parametrize("text", ["a${x}", "${x", 'say "${x}"'])
def test_what_the_refusal_says_to_type_is_the_text_itself(problems, text):
    (problem,) = problems(Composer([f"name='{text}'"]).compose)
    (typed,) = shlex.split(problem.partition("write ")[2])
    assert Composer([typed]).compose().config.name == text


def test_a_reference_that_needs_quotes_stays_one_in_the_command_that_is_advised(problems, monkeypatch):
    monkeypatch.setenv("GIVEN_SEED", "3")
    (problem,) = problems(Composer, ["seed=${oc.decode:${oc.env:GIVEN_SEED}}"])
    (typed,) = shlex.split(problem.partition("quotes, ")[2])
    assert Composer([typed]).compose().config.seed == 3


def test_a_variable_of_the_environment_that_is_no_text_is_answered_with_how_to_decode_it(problems, monkeypatch):
    monkeypatch.setenv("GIVEN_SEED", "3")
    (problem,) = problems(Composer(["seed=${oc.env:GIVEN_SEED,5}"]).compose)
    assert problem.startswith("seed must be a whole number, got '3'; a variable of the environment is text, which ")
    (typed,) = shlex.split(problem.rpartition(": ")[2])
    assert Composer([typed]).compose().config.seed == 3
    monkeypatch.delenv("GIVEN_SEED")
    assert Composer([typed]).compose().config.seed == 5


def test_a_final_says_the_same_of_a_value_that_it_compares(problems):
    (problem,) = problems(Composer(["data.path=${x}"]).given_values)
    assert problem.startswith("data.path cannot be read: Interpolation key 'x' not found; ")


def test_a_reference_to_another_key_takes_its_value():
    assert Composer(["seed=7", "name=run-${seed}"]).compose().config.name == "run-7"
