"""The leaderboard of one split as pages: scores side by side, and how far they may be read."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.analysis.leaderboard.standings import Comparison, Entry, Leaderboard, Split
from hpsearch.formatting import number_of, plural, show_like, show_score, visible
from hpsearch.records import NO_LEVEL, Status
from hpsearch.report import page as pages
from hpsearch.report.blocks import (
    ALPHA,
    DASH,
    MINUS,
    TIMES,
    Answers,
    Block,
    Listing,
    Refused,
    Report,
    Section,
    Sentence,
    Table,
    Text,
    table,
)
from hpsearch.report.export import csv_text, json_text
from hpsearch.report.figures.style import short, short_names
from hpsearch.report.levels import numbers_of
from hpsearch.report.number_format import difference, format_interval, interval, p_value, two_digits, values
from hpsearch.report.write import replace_files

COLUMNS = ("entry", "sweep", "level", "trial", "draws", "epochs", "model", "training_rows", "val", "shown", "low",
           "high", "seeds", "diverged_seeds", "confirmed", "confirmed_se", "by_chance", "lambda", "failures", "stalled",
           "pruned", "twins", "split")  # fmt: skip


def to_json(board: Leaderboard) -> str:
    """`report.json`: sorted keys; null for what is no number, infinity as the text "Infinity" or "-Infinity"."""
    content = {
        "format": 1,
        "data": board.data,
        "split": _split(board.split),
        "rows": {"val": board.val_rows, "report": board.report_rows},
        "entries": [{**asdict(entry), "failures": entry.failures} for entry in board.entries],
        "near": board.near,
        "luck": board.luck,
        "comparisons": [asdict(one) for one in board.comparisons],
        "others": [{"split": _split(split), "sweeps": names} for split, names in board.others],
        "left_out": board.left_out,
    }
    return json_text(content)


def _split(split: Split) -> dict[str, Any]:
    return {**asdict(split), "metric": split.metric.name, "evaluation": dict(split.evaluation), "digest": split.digest}


def entries_csv(board: Leaderboard) -> str:
    """`leaderboard.csv`: one entry a line, all digits; empty for what is missing."""
    split = board.split.digest
    return csv_text(COLUMNS, [[*(_cell(value) for value in _row(entry)), split] for entry in board.entries])


def _row(entry: Entry) -> list[object]:
    recipe = entry.recipe
    known = [None] * 4 if recipe is None else [recipe.trial, entry.epochs, recipe.model, recipe.train]
    trial, epochs, model, train = known
    return [
        entry.name, entry.sweep, entry.level, trial, entry.draws, epochs, model, train, entry.val, entry.shown,
        *entry.interval, entry.seeds, entry.diverged, entry.confirmed, entry.confirmed_se, entry.curse, entry.shrinkage,
        entry.failures, entry.statuses.get(Status.STALLED, 0), entry.statuses.get(Status.PRUNED, 0),
        "; ".join(sweep if level == NO_LEVEL else f"{sweep} / {level}" for sweep, level in entry.twins) or None,
    ]  # fmt: skip


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return "" if value is None else visible(str(value))


LONG = 60
"""Characters of a name in a table."""

_STATUS = {State.EQUIVALENT: "equivalent", State.INCONCLUSIVE: "inconclusive", State.REFUSED: "refused"}


def write_leaderboard(board: Leaderboard, folder: Path) -> list[Path]:
    """Writes `report.html`, `report.md`, `report.json` and `leaderboard.csv`; the same board gives the same bytes."""
    report = compose(board)
    texts = {
        "report.html": pages.html(report),
        "report.md": pages.markdown(report),
        "report.json": to_json(board),
        "leaderboard.csv": entries_csv(board),
    }
    # Names may hold halves of characters, which UTF-8 cannot encode; they are spelled out.
    return replace_files(folder, {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()})


def compose(board: Leaderboard) -> Report:
    """Everything that is shown."""
    title = f"Leaderboard of {visible(board.data)}"
    sections = (
        Section("board", "Leaderboard", "Leaderboard", tuple(_board(board)), "found in the search, not evidence"),
        Section("fresh", "Recipes on fresh seeds", "Fresh seeds", tuple(_fresh(board)), "the evidence for claims"),
        Section("recipes", "Recipes", "Recipes", (_recipes(board.entries),)),
        Section("limits", "Limits", "Limits", (Listing(tuple(_limits(board))),)),
    )
    subtitle = f"{number_of(len(board.entries), 'entry', 'entries')} of {number_of(len(board.sweeps), 'sweep')}"
    return Report(title, f"{subtitle}, split {board.split.digest}", sections, ())


def score_name(board: Leaderboard) -> str:
    """What entries are put in order by: `report accuracy`, `report -mse`, `val accuracy, corrected`."""
    name = board.split.metric.score_name
    return f"val {name}, corrected" if board.folded else f"report {name}"


def _board(board: Leaderboard) -> list[Block]:
    lead = f"In the search: the highest-scoring trial of each level, in the order of {score_name(board)}."
    parts = (board.val_rows, "val row"), (board.report_rows, "report row")
    rows = ", ".join(number_of(n, part) for n, part in parts if n)
    return [
        Text(lead, "lead"),
        Text(f"Split {board.split.digest}: {visible(board.split.text)}; {rows}. Higher is better.", "note"),
        _entries(board),
        Listing(tuple(_reading(board))),
    ]


def _entries(board: Leaderboard) -> Table:
    short_of = short_names(board.sweeps, LONG)
    columns = (
        "sweep", "level", f"{score_name(board)} [95 %]", "confirmed, mean ± SE", "fresh seeds", "val (a maximum)",
        "by chance", "N draws", "failures / N", "trial", "epochs", "training rows", "model",
    )  # fmt: skip
    rows = [_entry(board, entry, ", ".join(short_of[name] for name in entry.sweeps)) for entry in board.entries]
    chance = "By chance: how far the highest val score of N equal trials would lie above their mean."
    caption = f"In the search. {chance} Failures: draws without a score."
    return table(columns, rows, caption, numbers=range(2, 12))


def _entry(board: Leaderboard, entry: Entry, sweep: str) -> list[str]:
    recipe = entry.recipe
    known = [DASH] * 4
    if recipe is not None:
        known = [str(recipe.trial), str(entry.epochs), f"{recipe.train:,}", visible(recipe.model)]
    return [
        sweep, short(entry.level, LONG), interval(entry.shown, entry.interval), confirmed_text(entry),
        str(entry.seeds or DASH), val_text(board, entry),
        DASH if math.isnan(entry.curse) else f"+{two_digits(entry.curse)}", str(entry.draws), _failures(entry), *known,
    ]  # fmt: skip


def _failures(entry: Entry) -> str:
    """`1 / 50`; how many stalled or were pruned, where any did."""
    aside = {status: entry.statuses.get(status, 0) for status in (Status.STALLED, Status.PRUNED)}
    more = "".join(f", {count} {status}" for status, count in aside.items() if count)
    return f"{entry.failures} / {entry.draws}{more}"


def val_text(board: Leaderboard, entry: Entry) -> str:
    """The `val` score with the digits that its rows support."""
    n, val = board.val_rows, entry.val
    if math.isnan(val):
        return DASH
    share = board.split.metric.is_share and n > 1 and 0 < val < 1
    return show_like(val, math.sqrt(val * (1 - val) / (n - 1)) if share else None)


def confirmed_text(entry: Entry) -> str:
    """`0.951 ± 0.003`; how many seeds diverged, where any did, so that there is no mean."""
    if not entry.seeds:
        return DASH
    if entry.diverged:
        return f"{entry.diverged} of {entry.seeds} diverged"
    return show_score(entry.confirmed, None if math.isnan(entry.confirmed_se) else entry.confirmed_se)


def _reading(board: Leaderboard) -> list[str]:
    """How far the order may be read."""
    found = [*near_text(board), *_luck(board), *_twins(board)]
    if board.folded:
        found.append(
            "There are no report rows. Entries are in the order of the val score of the selected trial, freed of the "
            f"luck of the choice by bootstrap (S-09); {DASH} where trials depended on each other, or no losses of rows "
            "are kept."
        )
    found.append(
        f"The val score is what the trial was picked by, a maximum over N draws: it flatters, and the more so the "
        f"larger N. {'' if board.folded else 'The report score had no say.'}".strip()
    )
    silent = [visible(entry.name) for entry in board.entries if entry.recipe is None]
    if silent:
        found.append(f"Without a trial of status ok, and so last: {', '.join(silent)}.")
    noise = [visible(entry.name) for entry in board.entries if entry.shrinkage == 0]
    if noise:
        found.append(
            f"In the search, nothing is above noise near the highest scores, lambda = 0 (R21): {', '.join(noise)}."
        )
    return found


def near_text(board: Leaderboard) -> list[str]:
    """Which entries lie within the interval of the first one."""
    first, others = board.entries[0], board.entries[1:]
    if not others:
        return []
    if math.isnan(first.interval[0]):
        return ["No interval of the first score is known: how many of the others could be as good, nobody can tell."]
    kind = "bootstrap" if board.folded else "Wilson"
    within = f"within the 95 % interval ({kind}) of the first, {interval(first.shown, first.interval)}"
    if not board.near:
        return [f"In the search, no other entry lies {within}; it says how other rows could differ, and is no test."]
    listed = ", ".join(map(visible, board.near))
    lie = plural(len(board.near), "lies", "lie")
    count = f"{len(board.near)} of {number_of(len(others), 'other')} {lie}"
    return [f"In the search, {count} {within}: {listed}. The order among them may be chance."]


def _luck(board: Leaderboard) -> list[str]:
    if math.isnan(board.luck):
        return []
    count = sum(not math.isnan(entry.shown) for entry in board.entries)
    maximum = f"The first entry is the highest of {count} report scores, and so a maximum, too"
    return [
        f"{maximum}: if all were equally good, it would exceed their mean by up to {two_digits(board.luck)} by chance."
    ]


def _twins(board: Leaderboard) -> list[str]:
    """Which entries stand for several sweeps: no claim pays for a comparison of a recipe with itself."""
    said = []
    for entry in (entry for entry in board.entries if entry.twins):
        others = (sweep if level == NO_LEVEL else f"{sweep} / {level}" for sweep, level in entry.twins)
        said.append(f"{visible(entry.name)} stands for {', '.join(map(visible, others))}, too")
    same = "the same configuration, the same scores, and no retraining that it has not"
    return [f"Sweeps that share their trials are one entry ({same}): {'; '.join(said)}."] if said else []


def _fresh(board: Leaderboard) -> list[Block]:
    if not board.comparisons:
        why = (
            "No two entries have fresh seeds, so that nothing can be claimed. A comparison retrains the recipes of its "
            "levels (confirm.seeds), +final that of its champion."
        )
        return [Refused("Comparisons of recipes", why)]
    first, count = visible(board.comparisons[0].a), len(board.comparisons)
    against = f"Frozen recipes on the seeds that they share, each against {first}, the first entry that has any."
    said = sorted(board.comparisons, key=lambda one: list(_STATUS).index(one.state) if one.state in _STATUS else -1)
    return [
        Text(against),
        Answers(tuple(Sentence(_STATUS.get(one.state, "claim"), one.sentence) for one in said)),
        _comparisons(board, count),
    ]


def _comparisons(board: Leaderboard, count: int) -> Table:
    every = math.comb(count + 1, 2)
    wider = "over folds" if board.folded else f"seeds {TIMES} images"
    which = "Simultaneous intervals hold" if board.folded else f"That over seeds {TIMES} images holds"
    why = "because the first entry was picked by its score on the same rows"
    picked = f" {which} for all {every} pairs at once, {why}." if count > 1 else ""
    tested = "p: of the corrected t interval (S-10)" if board.folded else "p: sign-flip test, two sided"
    limited = "" if board.folded else f"; an interval {wider} that contains 0 limits it to these rows"
    needed = f"A claim needs an adjusted p of at most {ALPHA}, which is where the interval excludes 0{limited}."
    caption = f"{needed}{picked} {tested}."
    columns = (f"A {MINUS} B", "common seeds", "difference, adjusted", wider, "p", "adjusted p", "state")
    names = short_names(list(dict.fromkeys([one for pair in board.comparisons for one in (pair.a, pair.b)])), 32)
    rows = [_comparison(one, f"{names[one.a]} {MINUS} {names[one.b]}") for one in board.comparisons]
    return table(columns, rows, caption, numbers=range(1, 6))


def _comparison(one: Comparison, name: str) -> list[str]:
    if one.code:
        reliable = "" if one.state is State.REFUSED else f"{str(one.state).replace('_', ' ')}, means "
        return [name, str(one.n), *[DASH] * 4, f"{reliable}refused: {one.code}"]
    only = ", on this report set only" if one.claim is ClaimKind.ON_THIS_REPORT_SET_ONLY else ""
    state = str(one.state).replace("_", " ") + only
    return [
        name, str(one.n), difference(one.diff, one.ci_sim), format_interval(one.ci_images, one.diff), p_value(one.p),
        p_value(one.p_adjusted), state,
    ]  # fmt: skip


def _recipes(entries: Sequence[Entry]) -> Table:
    """What each trial drew, and the settings in which entries differ."""
    known = [entry for entry in entries if entry.recipe is not None]
    every = [dict(entry.recipe.settings) for entry in known if entry.recipe is not None]
    names = list(dict.fromkeys(name for settings in every for name in settings))
    differing = [name for name in names if len({settings.get(name, DASH) for settings in every}) > 1]
    titles = short_names([entry.name for entry in known], LONG)
    rows = [
        [titles[entry.name], _drawn(entry), *(short(settings.get(name, DASH), LONG) for name in differing)]
        for entry, settings in zip(known, every, strict=True)
    ]
    caption = "What the trial drew, and further settings in which entries differ."
    return table(("entry", "drawn", *differing), rows, caption, wide=(1,))


def _drawn(entry: Entry) -> str:
    return " ".join(f"{visible(key)}={visible(values(value))}" for key, value in entry.values.items()) or DASH


def _limits(board: Leaderboard) -> list[str]:
    return [
        *_budgets(board.entries),
        "Scores of two entries that differ are no claim: only paired fresh seeds make one, in section 1.",
        f"One data set, {visible(board.data)}, and one split, {board.split.digest}: nothing is known about others.",
        *(
            f"Not mixed with these, for it is scored on other rows or by another metric: split {split.digest}, "
            f"{visible(split.text)}: {', '.join(map(visible, names))}."
            for split, names in board.others
        ),
        *(f"Left out: {visible(text)}." for text in board.left_out),
    ]


def _budgets(entries: Sequence[Entry]) -> list[str]:
    """Whether entries had equal budgets."""
    known = [entry for entry in entries if entry.recipe is not None]
    counts = {
        "draws": [entry.draws for entry in entries],
        "epochs": [entry.epochs for entry in known],
        "training rows": [entry.recipe.train for entry in known if entry.recipe is not None],
    }
    unequal = [f"{name} {numbers_of(found)}" for name, found in counts.items() if len(set(found)) > 1]
    if not unequal:
        return ["Entries had equally many draws, epochs and training rows, but spaces of their own."]
    found = [f"This is no comparison of equal budgets: {', '.join(unequal)} (R04)."]
    if len(set(counts["draws"])) > 1:
        found.append("Raw maxima of unequally many draws are not compared (R04): the val column is no ranking.")
    return found
