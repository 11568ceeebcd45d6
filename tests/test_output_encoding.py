"""Streams that cannot encode all characters, and files that are called as Python's own modules."""

import io
import os
import subprocess
import sys

import pytest

from hpsearch.output_encoding import encoded, make_streams_lenient


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"0.5 +- 0.1 -> ... gr\\xf6\\xdfe \\u6f22 sqrt 2"),
        ("cp1252", b"0.5 \xb1 0.1 -> \x85 gr\xf6\xdfe \\u6f22 sqrt 2"),
        ("utf-8", "0.5 ± 0.1 → … größe 漢 √2".encode()),
    ],
)
def test_what_cannot_be_encoded_is_written_in_ascii(monkeypatch, encoding, expected):
    text = "0.5 ± 0.1 → … größe 漢 √2"
    assert encoded(text, encoding) == expected
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    make_streams_lenient()
    sys.stdout.write(text)
    sys.stdout.flush()
    assert stream.buffer.getvalue() == expected


@pytest.fixture(scope="module")
def help_in_an_odd_place(tmp_path_factory):
    """What `python -m hpsearch --help` prints in ASCII, in a folder with files that are called as modules."""
    folder = tmp_path_factory.mktemp("odd")
    for name in ("random", "enum", "yaml", "hydra"):
        (folder / f"{name}.py").write_text("raise AssertionError")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    program = [sys.executable, "-m", "hpsearch", "--help"]
    settings = {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    return subprocess.run(program, cwd=folder, env=environment | settings, capture_output=True, check=False)


def test_a_file_of_the_working_folder_stands_in_for_no_module_of_python_or_of_a_package(help_in_an_odd_place):
    assert (help_in_an_odd_place.returncode, help_in_an_odd_place.stderr) == (0, b"")


def test_help_is_printed_where_only_ascii_can_be(help_in_an_odd_place):
    assert b"[group=option ...]" in help_in_an_odd_place.stdout
