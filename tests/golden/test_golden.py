"""What the program makes, byte for byte as it was: see `outputs.py`, which also writes the expected files anew.

A change that is meant shows as a difference of `expected/` in its commit. Digits of records, and what follows from
them, are those of the machine that `expected/made_on.json` names: on another, make the files anew before a change, and
compare after it.
"""

import difflib
import json

import pytest

from tests.golden.outputs import CASES, EVERYWHERE, EXPECTED, MADE_ON, differences, machine, outputs_of_cases


@pytest.fixture(scope="session")
def other_machine():
    """Why computed numbers cannot be compared here; empty where they can."""
    return differences(json.loads(MADE_ON.read_text()), machine())


@pytest.fixture(scope="session")
def made(tmp_path_factory, other_machine):
    return outputs_of_cases(tmp_path_factory.mktemp("golden"), EVERYWHERE if other_machine else CASES)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_outputs_are_as_they_were(case, made, other_machine):
    if other_machine and case not in EVERYWHERE:
        pytest.skip(
            f"the expected outputs are of another machine ({'; '.join(other_machine)}): before a change, make them "
            "anew on this one by `python tests/golden/outputs.py`"
        )
    expected = {
        str(path.relative_to(EXPECTED)): path.read_bytes().decode()
        for path in (EXPECTED / case).rglob("*")
        if path.is_file()
    }
    now = {name: text for name, text in made.items() if name.startswith(f"{case}/")}
    changes = [
        line
        for name in sorted(expected | now)
        for line in difflib.unified_diff(
            expected.get(name, "").splitlines(keepends=True),
            now.get(name, "").splitlines(keepends=True),
            f"expected/{name}",
            f"now/{name}",
        )
    ]
    if changes or now != expected:
        pytest.fail("".join(changes) or "files differ in line ends, or are empty", pytrace=False)


def test_another_machine_is_told_by_what_differs():
    made_on = {"processor": "AuthenticAMD AVX512", "torch": "2.14.1"}
    assert differences(made_on, made_on) == []
    assert differences(made_on, made_on | {"torch": "2.15.0"}) == ["torch is 2.15.0, was 2.14.1"]
