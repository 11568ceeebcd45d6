"""Classes of a session as modules that other processes import."""

import importlib
import linecache
import sys
import types

import pytest

from hpsearch.api.notebook_code import import_path_of
from hpsearch.config import ConfigError


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Runs source as a cell of a session, and gives its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)

    def run(source: str):
        name = f"<cell {len(linecache.cache)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), vars(main))  # noqa: S102 (what a kernel does)
        return main

    return run


def loaded(path):
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def test_what_a_module_defines_is_named_by_it(tmp_path):
    assert import_path_of("model", types.SimpleNamespace, tmp_path) == "types:SimpleNamespace"


def test_a_class_of_a_cell_is_kept_with_what_it_uses(session, tmp_path):
    cell = session(
        "import math\nfrom collections import OrderedDict as Ordered\nWIDTH = (3, 4)\n"
        "class Base:\n    size = WIDTH\n"
        "def area(r):\n    return math.pi * r ** 2\n"
        "class Net(Base):\n    def value(self):\n        return area(WIDTH[0]), Ordered(a=1)\n"
    )
    path = import_path_of("model", cell.Net, tmp_path.__class__("mlruns"))
    assert path.startswith("mlruns.code.net_")
    value, ordered = loaded(path)().value()
    assert (value, dict(ordered)) == (pytest.approx(28.274333882308138), {"a": 1})
    assert loaded(path).size == (3, 4)


def test_equal_source_has_one_name_and_other_source_another(session, tmp_path):
    runs = tmp_path.__class__("mlruns")
    first = import_path_of("model", session("class Net:\n    a = 1\n").Net, runs)
    assert import_path_of("model", session("class Net:\n    a = 1\n").Net, runs) == first
    assert import_path_of("model", session("class Net:\n    a = 2\n").Net, runs) != first


def test_a_value_without_source_is_refused_with_the_way_out(session, tmp_path):
    cell = session("open_file = iter([1])\nclass Net:\n    def __call__(self):\n        return open_file\n")
    with pytest.raises(ConfigError, match=r"Net uses open_file, a list_iterator of this session.*put Net in a file"):
        import_path_of("model", cell.Net, tmp_path.__class__("mlruns"))


@pytest.mark.parametrize("what", [3, lambda: None])
def test_what_has_no_name_is_refused(what, tmp_path):
    with pytest.raises(ConfigError, match=r"model must be an option, package\.module:name, or a class or function"):
        import_path_of("model", what, tmp_path)


def test_names_of_arguments_and_loops_are_none_of_the_session(session, tmp_path):
    runs, code = tmp_path.__class__("mlruns"), "class Net:\n    def f(self, x):\n        return [x for _ in range(2)]\n"
    first = import_path_of("model", session(code).Net, runs)
    other = session(f"_ = 3\nx = object()\n{code}")
    assert import_path_of("model", other.Net, runs) == first


def test_another_name_of_a_function_is_kept_too(session, tmp_path):
    cell = session(
        "def double(x):\n    return 2 * x\ntwice = double\nclass Net:\n    def f(self, x):\n        return twice(x)\n"
    )
    assert loaded(import_path_of("model", cell.Net, tmp_path.__class__("mlruns")))().f(3) == 6


@pytest.mark.parametrize("value", ["{'a', 'b'}", "float('inf')"])
def test_values_that_are_written_otherwise_in_another_process_are_refused(session, tmp_path, value):
    cell = session(f"BOUND = {value}\nclass Net:\n    def f(self):\n        return BOUND\n")
    with pytest.raises(ConfigError, match="Net uses BOUND"):
        import_path_of("model", cell.Net, tmp_path.__class__("mlruns"))
