"""Names and words in the commands that are printed."""

import csv
import io
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from hpsearch.compose.composer import _parse
from hpsearch.quoting import (
    command_line,
    csv_cell,
    hydra_quoted,
    shell_quoted,
    spreadsheet_quoted,
    spreadsheet_unquoted,
)
from tests.strategies import SHELL_TEXTS


def read_back(argument):
    """What Hydra makes of an argument."""
    (override,) = _parse([argument])
    return OmegaConf.to_container(OmegaConf.create({"value": override.value()}), resolve=True)["value"]


@given(SHELL_TEXTS)
def test_a_quoted_name_is_read_back_by_hydra(name):
    assert read_back(f"name={hydra_quoted(name)}") == name


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("name=a", "name=a"),
        ('name="my sweep"', """'name="my sweep"'"""),
        ('name="it\'s"', '"name=\\"it\'s\\""'),
        ("search.tune=[optimizer]", "'search.tune=[optimizer]'"),
        ("name='$a, !b'", "$'name=\\'$a, !b\\''"),
        ('name="two\nlines"', """$'name="two\\012lines"'"""),
    ],
)
def test_a_word_gets_as_few_quotes_as_will_do(word, quoted):
    assert shell_quoted(word) == quoted


def test_bash_reads_printed_words_back(tmp_path):
    words = [
        *("plain", "a b", "it's", 'say "so"', "$HOME `id` \\ !!", "it's $HOME `id` \\ !!", "größe 😀", "it's größe"),
        *("two\nlines", "tab\t1", "\x1b7", "\u20281", "both ' and \"", "", "*", "~", "#", "\\", "'", "\\'", "\n'\\"),
    ]
    script = tmp_path / "script"
    script.write_text(f"printf '%s\\0' {' '.join(map(shell_quoted, words))}\n")
    done = subprocess.run(["bash", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@given(SHELL_TEXTS)
def test_a_printed_command_is_one_printable_line(name):
    assert command_line([f"name={hydra_quoted(name)}"]).isprintable()


@pytest.mark.parametrize("name", ["true", "Null", "nan", "inf", "-inf", "7", "007", "1.50", "1e3", "1_000", "", "~x"])
def test_a_name_that_reads_like_something_else_stays_text(name):
    assert read_back(f"name={hydra_quoted(name)}") == name


@pytest.mark.parametrize("name", ["mnist", "run-packaged", "a/b", "v1.2_x"])
def test_a_plain_name_is_not_quoted(name):
    assert hydra_quoted(name) == name


@pytest.mark.parametrize(
    "name", ["a, b", "it's", 'say "so"', "größe 😀", "${oc.env:HOME}", "back\\slash\\", "[a]", "1.50"]
)
def test_a_quoted_name_composes_to_itself(composed, name):
    assert composed(f"name={hydra_quoted(name)}").config.name == name


@pytest.mark.parametrize("text", ["=cmd()", "+1+cmd()", "-2*A1", "@sum", "\t=1", "\r=1", "'=x", "''=x", "--"])
def test_no_cell_begins_as_a_formula_does(text):
    cell = spreadsheet_quoted(text)
    assert cell == f"'{text}"
    assert spreadsheet_unquoted(cell) == text


@pytest.mark.parametrize("text", ["-0.25", "+3", "-1e-05", "-inf", "adam", "a=b", "", "-", "'-", "'tis", "0.9", "x-1"])
def test_numbers_and_other_texts_stay_as_they_are(text):
    assert spreadsheet_quoted(text) == spreadsheet_unquoted(text) == text


@given(SHELL_TEXTS | st.text("=+-@'\ta1"))
def test_every_text_is_read_back_from_its_cell(text):
    assert spreadsheet_unquoted(spreadsheet_quoted(text)) == text


@given(st.lists(SHELL_TEXTS | st.text('=,"\r\n a'), min_size=2))
def test_cells_of_a_line_are_read_as_one_line(texts):
    line = ",".join(map(csv_cell, texts)) + "\n"
    (cells,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert list(map(spreadsheet_unquoted, cells)) == texts


def test_a_carriage_return_begins_no_cell():
    assert csv_cell("a\r=cmd()") == '"a\r=cmd()"'
