"""What the documentation shows, done."""

import doctest
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from hpsearch import errors

ROOT = Path(__file__).parents[1]
WITH_EXAMPLES = [
    path.relative_to(ROOT / "src").with_suffix("")
    for path in sorted((ROOT / "src").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=str)
def test_the_examples_of_docstrings_give_what_they_show(path):
    module = import_module(".".join(path.parts).removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0


def test_the_page_about_scripts_lists_every_error_that_python_can_meet():
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    known = {name for name, value in vars(errors).items() if isinstance(value, type) and name.endswith("Error")}
    assert {*re.findall(r"^\| `(\w+Error)` \|", page, re.MULTILINE)} == known - {"HpsearchError", "OutputClosedError"}
    assert all(issubclass(getattr(errors, name), errors.HpsearchError) for name in known)


@pytest.mark.slow
def test_the_page_about_scripts_runs_from_top_to_bottom_in_an_empty_folder(tmp_path):
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    (tmp_path / "page.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "page.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "<Sweep 'first': best val/accuracy 0." in said
    assert "this test set was opened 1 time already" in said
    assert "torch.Size([2, 10])" in said
    assert "told 1 ok" in said
    assert "training.epoch is not a key" in said
