"""Levels of which nothing came to a score that could be compared: why, and what would help. More seeds would not."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.explore_pool import ranked, space_of
from hpsearch.analysis.linter_space import calmer
from hpsearch.analysis.pairing import outcomes
from hpsearch.records import Status
from hpsearch.wording import number_of, visible

AGAIN = "start the same command again"
"""What a lost training needs: those that the machine failed are tried again."""
REPLICATES = 3
"""Seeds of each trial that make a recipe prove itself more than once: a trial of which any diverges has no score."""


class Lack(NamedTuple):
    """Why a level has no score to compare.

    Attributes:
        reason: In a sentence without its full stop.
        fix: An override, or what to do in words.
    """

    reason: str
    fix: str


def lack_of(evidence: Evidence, level: str, *, named: bool = False) -> Lack | None:
    """Why no score of a level can be compared; None if one can, or if only nobody has retrained any recipe yet.

    Args:
        evidence: Everything.
        level: Its name.
        named: Whether the reason names the level, to stand where nothing else does.
    """
    return without_recipe(evidence, level, named=named) or _without_retraining(evidence, level, named=named)


def without_recipe(evidence: Evidence, level: str, *, named: bool = False) -> Lack | None:
    """Why a level has no recipe: no trial of it has a score. None if it has one, or retrainings of one."""
    draws = evidence.draws(level)
    if not draws or ranked(draws) or evidence.confirmed(level):
        return None
    diverged, n = sum(row.status == Status.DIVERGED for row in draws), len(draws)
    whose = _whose(level, named=named)
    if diverged == n:
        return Lack(f"{_every(n, 'trial', *whose)} diverged, so it has no recipe", _calmer(evidence, level))
    return Lack(f"{_none(n, 'trial', *whose)}{_aside(diverged)}, so it has no recipe", AGAIN)


def _without_retraining(evidence: Evidence, level: str, *, named: bool) -> Lack | None:
    """Why the retrainings of a recipe say nothing; None if one has a score, or no level has any retraining."""
    rows, scores = evidence.confirmed(level), outcomes(evidence, level)
    whose, n = _whose(level, named=named), len(rows)
    if any(map(math.isfinite, scores.values())):
        return None
    if rows and len(scores) == n:
        return Lack(f"{_every(n, 'retraining', *whose)} diverged", _sturdier(evidence, level))
    if rows:
        return Lack(f"{_none(n, 'retraining', *whose)}{_aside(len(scores))}", AGAIN)
    return Lack(f"{whose[0]} recipe{whose[1]} has no retraining", AGAIN) if evidence.confirm else None


def lack_of_any(evidence: Evidence, levels: Iterable[str]) -> Lack | None:
    """What these levels lack as one, each of them named; None if each has a score to compare."""
    lacks = [lack for level in levels if (lack := lack_of(evidence, level, named=True)) is not None]
    if not lacks:
        return None
    reasons, fixes = (list(dict.fromkeys(side)) for side in zip(*lacks, strict=True))
    return Lack("; ".join(reasons), " and ".join(fixes))


def diverged_throughout(evidence: Evidence, level: str) -> str:
    """The sentence that a level diverged in every trial, or with every fresh seed; empty if it did not."""
    lack, rows = lack_of(evidence, level, named=True), evidence.confirmed(level) or evidence.draws(level)
    if lack is None or not rows or any(row.status != Status.DIVERGED for row in rows):
        return ""
    if evidence.confirmed(level):
        return f"On fresh seeds, {lack.reason}: there is no mean to compare."
    return f"In the search, {lack.reason}: it is compared with no other level."


def _aside(diverged: int) -> str:
    return f" ({diverged} diverged)" if diverged else ""


def _whose(level: str, *, named: bool) -> tuple[str, str]:
    """What stands before and behind a noun: `its trials`, `the trials of sgd`."""
    return ("the", f" of {visible(level)}") if named else ("its", "")


def _every(n: int, what: str, before: str, behind: str) -> str:
    return f"{before} only {what}{behind}" if n == 1 else f"every one of {before} {number_of(n, what)}{behind}"


def _none(n: int, what: str, before: str, behind: str) -> str:
    if n == 1:
        return f"{before} only {what}{behind} has no score"
    return f"none of {before} {number_of(n, what)}{behind} has a score"


def _calmer(evidence: Evidence, level: str) -> str:
    """Smaller learning rates where the level draws them; foreign results, and other spaces, in words."""
    if evidence.design.is_foreign:
        return f"search {visible(level)} again in a wider space"
    overrides = calmer(space_of(evidence.design, level))
    return " ".join(overrides) or f"let {visible(level)} draw smaller learning rates, or name another default in it"


def _sturdier(evidence: Evidence, level: str) -> str:
    """A recipe that trained once may have been luck."""
    if evidence.design.is_foreign:
        return f"retrain another recipe of {visible(level)}"
    return f"evaluation.replicates={REPLICATES}"
