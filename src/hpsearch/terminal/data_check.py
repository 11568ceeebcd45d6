"""Prints how data were understood, see `commands.data_check`."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hpsearch.config.data import CsvData, OwnData, TableData, TaskChoice
from hpsearch.formatting import number_of, plural, visible
from hpsearch.quoting import hydra_quoted, shell_quoted
from hpsearch.terminal.console import Terminal

if TYPE_CHECKING:
    from hpsearch.commands.data_check import DataCheck
    from hpsearch.data.check import Duplicates

SHOWN = 60
"""More columns than these are counted."""

LONGEST = 40
"""Characters of a cell of the first row; longer ones are cut."""


def show_data_check(terminal: Terminal, check: "DataCheck") -> None:
    """Print rows, targets, columns, duplicates and warnings, and the overrides that change a decision."""
    sealed = "no test set" if check.sealed is None else number_of(check.sealed, "sealed test row")
    terminal.line(f"data {check.name}", style="bold")
    terminal.line(f"  rows     {number_of(check.rows, 'development row')}, {sealed}; all below is about the former")
    data = check.config.data
    target = data.target if isinstance(data, OwnData) and data.task is not TaskChoice.AUTOENCODER else None
    named = f"{target}, " if isinstance(target, str) else ""
    terminal.line(f"  predict  {named}{check.targets}")
    if check.columns:
        by = f"preprocess={check.config.options['preprocess']}"
        columns = number_of(len(check.columns), "column")
        terminal.line(f"  inputs   {columns}, {number_of(check.features, 'feature')} for the network by {by}")
    else:
        terminal.line(f"  inputs   images of {' x '.join(map(str, check.shape))} (channels, height, width)")
    terminal.line(f"  twice    {_duplicates(check.duplicates)}")
    for sentence in check.notes:
        terminal.line(f"  read     {sentence}")
    if check.columns:
        _show_columns(terminal, check)
    for sentence in check.warnings:
        terminal.warn(sentence)
    if isinstance(check.config.data, TableData):
        terminal.steps("To change how it is read", _ways(check))
    terminal.steps("Next", [("train", check.command)])


def _show_columns(terminal: Terminal, check: "DataCheck") -> None:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("column", overflow="fold", max_width=24)
    table.add_column("read as", no_wrap=True)
    table.add_column("values", overflow="fold", ratio=1)
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("first row", overflow="fold", max_width=20)
    for each in check.columns[:SHOWN]:
        example = each.example if len(each.example) <= LONGEST else f"{each.example[: LONGEST - 1]}…"
        cells = (each.name, each.kind, each.values, f"{each.missing:,}" if each.missing else "", example)
        table.add_row(*(Text(visible(cell)) for cell in cells))
    terminal.console.print(table)
    if len(check.columns) > SHOWN:
        terminal.line(f"  and {number_of(len(check.columns) - SHOWN, 'more column')}")


def _duplicates(found: "Duplicates") -> str:
    told = "no development row has the inputs of another"
    if found.development:
        repeat = plural(found.development, "repeats", "repeat")
        told = f"{number_of(found.development, 'development row')} {repeat} the inputs of an earlier one"
        if found.contradicting:
            told += f", {found.contradicting:,} of them with another target"
    if found.sealed:
        have = plural(found.sealed, "has", "have")
        told += f"; {number_of(found.sealed, 'sealed row')} {have} the inputs of a development row"
    return told


def _ways(check: "DataCheck") -> list[tuple[str, str]]:
    data = check.config.data
    assert isinstance(data, TableData)
    name = check.columns[0].name if check.columns else "NAME"
    plain = shell_quoted(f"data.columns.{name}=category") if name.isidentifier() else None
    listed = shell_quoted(f"data.columns={{category: [{hydra_quoted(name)}]}}")
    ways = [
        ("a column", f"{plain or listed}, or number, date, drop"),
        ("left out", shell_quoted(f"data.drop=[{hydra_quoted(name)}]")),
        ("missing", "\"data.missing=['',-999]\", and data.missing_target=drop"),
        ("numbers", "data.decimal=, data.thousands=, data.dayfirst="),
        ("classes", "data.max_classes=, data.task=classification or regression"),
    ]
    if isinstance(data, CsvData):
        ways.append(("the file", "data.delimiter=, data.quote=, data.encoding="))
    return ways
