"""The files of a report, written so that a reader never meets half of them."""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from hpsearch.analysis.findings import Findings
from hpsearch.report import export as exports
from hpsearch.report import page as pages
from hpsearch.report.blocks import Report
from hpsearch.report.figures import render as rendering
from hpsearch.report.figures.mechanism import Theory

FIGURES = "figures"

PARTS = ".report-"
"""Begins the name of the folder in which files are made ready, before the host and the number of the process."""

_FIGURE = re.compile(r"[fm]\d\d[a-z]?-[a-z0-9-]+\.(svg|png)")


def write_report(findings: Findings, folder: Path, theory: Theory | None = None) -> list[Path]:
    """Write the report into a folder; the same findings give the same bytes.

    Everything is made before anything is written, written beside its place, and moved into it file by file: a file is
    the old one or the new one, whole. Figures of an earlier report that this one lacks are removed; files that are not
    ours stay.

    Args:
        findings: What is said.
        folder: Is created if need be.
        theory: For each level the second moment that theory expects in each layer, where it is known.

    Returns:
        The files, `report.html` first.
    """
    return replace_report(folder, build(findings, theory))


def replace_report(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Put the files of a report in place of those of an earlier one; their paths, in the same order.

    Args:
        folder: Is created if need be.
        contents: By path within the folder, figures among them.
    """
    files = replace_files(folder, contents)
    _remove_old_figures(folder / FIGURES, contents)
    return files


def replace_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Puts files in a folder, each of them whole; their paths, in the same order.

    Args:
        folder: Is created if need be.
        contents: By path within the folder.
    """
    for parent in {(folder / path).parent for path in contents}:
        parent.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{PARTS}*"):  # by a process that was killed
        if not _in_use(left.name):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PARTS}{socket.gethostname()}-{os.getpid()}-", dir=folder) as name:
        beside = Path(name)
        for at, data in enumerate(contents.values()):
            (beside / str(at)).write_bytes(data)
        for at, path in enumerate(contents):
            (beside / str(at)).replace(folder / path)
    return [folder / path for path in contents]


def _in_use(name: str) -> bool:
    """Whether the process that made a folder of parts runs, or cannot be seen, as on another host."""
    host, _, pid = name.removeprefix(PARTS).rpartition("-")[0].rpartition("-")
    return bool(host) and (host != socket.gethostname() or psutil.pid_exists(int(pid)))


def build(findings: Findings, theory: Theory | None = None) -> dict[str, bytes]:
    """Every file of the report by its path within the folder."""
    report = pages.compose(findings, theory)
    texts = {
        "report.html": pages.html(report),
        "report.md": pages.markdown(report),
        "report.json": exports.to_json(findings),
        "trials.csv": exports.trials_csv(findings.evidence),
        "confirm.csv": exports.confirm_csv(findings.evidence),
        "pairs.csv": exports.pairs_csv(findings),
    }
    if findings.evidence.tests:
        texts |= {"tests.csv": exports.openings_csv(findings), "shipped.csv": exports.shipped_csv(findings)}
    return with_figures(texts, report)


def with_figures(texts: Mapping[str, str], report: Report) -> dict[str, bytes]:
    """The files of a report by path: these texts, and the figures that it shows."""
    # Names may hold halves of characters, which UTF-8 cannot encode; they are spelled out.
    files = {path: text.encode("utf-8", "backslashreplace") for path, text in texts.items()}
    for picture in report.pictures:
        files[f"{FIGURES}/{picture.stem}.svg"] = rendering.standalone(picture.svg).encode()
        files[f"{FIGURES}/{picture.stem}.png"] = picture.png
    return files


def _remove_old_figures(folder: Path, contents: Mapping[str, bytes]) -> None:
    for path in folder.iterdir():
        if _FIGURE.fullmatch(path.name) and f"{FIGURES}/{path.name}" not in contents:
            path.unlink()
