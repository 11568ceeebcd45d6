"""Entries of a leaderboard that are one recipe with the same scores: the same comparison under two names or deltas.

Sweeps that differ in their name, delta or alpha alone train the same networks. As entries of their own they would be
compared with themselves, and every copy would cost the claims of all others by Holm.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.leaderboard_entries import Entry, Sweep

Retrainings = Mapping[int, tuple[object, ...]]


def once_each(sweeps: Sequence[Sweep], entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries, in their order, of which those that are one recipe with the same scores are one.

    Two are one if their recipes are configured alike, their trials have the same scores, and all retrainings of one of
    them are, key by key, among those of the other. The one with most retrainings stands for both, then one that was not
    begun after a look, then the one with most draws.

    Args:
        sweeps: Those of the entries.
        entries: In the order of the leaderboard, with names of their own.
    """
    by_name = {sweep.name: sweep.evidence for sweep in sweeps}
    alike: dict[object, list[list[Entry]]] = {}
    for at, entry in enumerate(sorted(entries, key=lambda one: _rank(one, by_name[one.sweep]))):
        groups = alike.setdefault(_recipe_of(entry, by_name[entry.sweep]) or at, [])
        group = next((one for one in groups if _same(one, entry, by_name)), None)
        groups.append([entry]) if group is None else group.append(entry)
    standing = {group[0].name: group for groups in alike.values() for group in groups}
    return tuple(_standing(standing[entry.name]) for entry in entries if entry.name in standing)


def _rank(entry: Entry, evidence: Evidence) -> tuple[int, bool, int]:
    return -len(_retrainings(entry, evidence)), evidence.design.exploratory is not None, -entry.draws


def _recipe_of(entry: Entry, evidence: Evidence) -> tuple[str, str, str] | None:
    """How its recipe is configured, and what it scored in the search; None if that is not known."""
    if entry.recipe is None or not entry.recipe.configuration:
        return None
    trial = next(row for row in evidence.draws(entry.level) if row.k == entry.recipe.trial)
    return entry.recipe.configuration, repr(trial.val), repr(trial.report)


def _same(group: Sequence[Entry], entry: Entry, by_name: Mapping[str, Evidence]) -> bool:
    """Whether an entry of another sweep has no retraining but those of the first of a group."""
    if entry.sweep in [one.sweep for one in group]:
        return False
    all_of, some = (_retrainings(one, by_name[one.sweep]) for one in (group[0], entry))
    return all(all_of.get(key) == outcome for key, outcome in some.items())


def _retrainings(entry: Entry, evidence: Evidence) -> Retrainings:
    """By pairing key: status, scores, and which rows are right; a score that is missing equals another one."""
    return {
        row.key: (
            row.status, *(None if math.isnan(score) else score for score in (row.val, row.report)), row.folds,
            b"" if row.correct is None else row.correct.tobytes(),
        )
        for row in evidence.confirmed(entry.level)
    }  # fmt: skip


def _standing(group: Sequence[Entry]) -> Entry:
    first, *others = group
    return replace(first, twins=tuple((one.sweep, one.level) for one in sorted(others, key=lambda one: one.name)))
