"""What the digest of a user's own module covers."""

import hashlib
import importlib
import sys

import pytest

from hpsearch.config import ConfigError
from hpsearch.nn.source_digest import changed_since_import, source_digest

FILES = {
    "alone.py": "import json\nimport torch\n\ndef net(): ...\n",
    "nets.py": "import torch\nfrom parts import block\n\ndef net(): ...\n",
    "parts.py": "def block():\n    import deep.inner\n",
    "deep/__init__.py": "",
    "deep/inner.py": "from . import sibling\nfrom .. import nothing\n",
    "deep/sibling.py": "from deep import inner\n",
    "deep/stranger.py": "",
    "random.py": "the standard library has one of this name, which is found first (",
    "other.py": "",
    "broken.py": "import parts\n\ndef net(:\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {"nets", "parts", "deep", "alone"}


def digest(module):
    return source_digest("model.import_path", f"{module}:net")


@pytest.mark.parametrize("module", ["alone", "broken", "deep.stranger"])
def test_a_module_that_imports_nothing_of_its_own_has_the_digest_of_its_file(module, folder):
    file = folder / f"{module.replace('.', '/')}.py"
    assert digest(module) == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("changed", ["nets.py", "parts.py", "deep/__init__.py", "deep/inner.py", "deep/sibling.py"])
def test_a_change_in_whatever_it_imports_changes_it(changed, folder):
    before = digest("nets")
    assert digest("nets") == before
    (folder / changed).write_text((folder / changed).read_text() + "\n# changed\n")
    assert digest("nets") != before


@pytest.mark.parametrize("changed", ["other.py", "random.py", "alone.py", "deep/stranger.py"])
def test_a_change_elsewhere_does_not(changed, folder):
    before = digest("nets")
    (folder / changed).write_text("# changed\n")
    assert digest("nets") == before


def test_it_does_not_depend_on_where_the_folder_lies(folder, tmp_path_factory, monkeypatch):
    before, elsewhere = digest("nets"), tmp_path_factory.mktemp("moved")
    folder.rename(elsewhere / "there")
    monkeypatch.syspath_prepend(elsewhere / "there")
    assert digest("nets") == before
    (elsewhere / "there").rename(folder)


def test_what_is_installed_is_not_covered_but_for_the_package_of_the_module_itself(folder, monkeypatch):
    installed = folder / "site-packages"
    for name, text in {"tool/__init__.py": "", "tool/net.py": "import tool.part, beside\n", "tool/part.py": ""}.items():
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_text(text)
    (installed / "beside.py").write_text("")
    monkeypatch.syspath_prepend(installed)
    (folder / "alone.py").write_text("import tool.net\n")
    assert digest("alone") == hashlib.sha256(b"import tool.net\n").hexdigest()
    before = digest("tool.net")
    (installed / "beside.py").write_text("# changed")
    assert digest("tool.net") == before
    (installed / "tool/part.py").write_text("# changed")
    assert digest("tool.net") != before


def test_a_module_that_is_not_there_is_refused(folder):
    for module in ("missing", "alone.missing", "deep.missing"):
        with pytest.raises(
            ConfigError, match=f"model.import_path must name a module with a source file, got '{module}:n"
        ):
            digest(module)
    assert folder.exists()


def test_folders_without_init_may_lie_in_one_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outer_of_two" / "inner").mkdir(parents=True)
    (tmp_path / "outer_of_two" / "inner" / "nets.py").write_text("A = 1\n")
    assert source_digest("model.import_path", "outer_of_two.inner.nets:A") == hashlib.sha256(b"A = 1\n").hexdigest()


def test_a_module_whose_file_has_changed_since_its_import_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "edited_nets.py"
    file.write_text("class Net:\n    def f(self):\n        return 1\n")
    importlib.import_module("edited_nets")
    assert changed_since_import("edited_nets:Net") == []
    file.write_text("class Net:\n    def f(self):\n        return 2\n")
    assert changed_since_import("edited_nets:Net") == [str(file)]
