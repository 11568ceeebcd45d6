"""What the program makes, byte for byte as it was: see `outputs.py`, which also writes the expected files anew.

A change that is meant shows as a difference of `expected/` in its commit. Digits of records, and what follows from
them, are those of one kind of processor and one set of libraries: elsewhere make the files anew before a change, and
compare after it.
"""

import difflib

import pytest

from tests.golden.outputs import CASES, EXPECTED, all_outputs

pytestmark = pytest.mark.long


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    return all_outputs(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_as_they_were(case, made):
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
