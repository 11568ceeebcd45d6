"""The page of a leaderboard: what it shows of each entry, what it says about the order, and what it never says."""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hpsearch.analysis.comparison.sentences import Refusal, Statement, sentence
from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.analysis.findings import Rule
from hpsearch.analysis.leaderboard.standings import Comparison, Entry, Leaderboard, Recipe, Split
from hpsearch.metrics import ACCURACY, MSE
from hpsearch.report.blocks import DASH, MINUS
from hpsearch.report.leaderboard import compose, entries_csv, to_json, write_leaderboard
from hpsearch.report.page import html, markdown
from tests.analysis.comparison.claim_words import forbidden
from tests.report.specimens import HOSTILE

SPLIT = Split("3f2a9c1b" * 8, (("kind", "holdout"), ("report", 400), ("val", 400)), 0, ACCURACY)
OTHER = replace(SPLIT, seed=1)
FIRST = Entry(
    "wide / adam", "wide", "adam", Recipe(7, "mlp 100", 1000, {"optimizer": "adam", "loss": "bce"}), 50,
    {"diverged": 2, "error": 1, "ok": 46, "stalled": 1}, 20, {"optimizer.adam.lr": 0.0123}, 0.93, 0.9,
    (0.8667, 0.9257), 0.034, 0.8, 10, 0, 0.891, 0.004,
)  # fmt: skip
SECOND = Entry(
    "quick", "quick", "-", Recipe(3, "mlp 8", 300, {"optimizer": "sgd", "loss": "bce"}), 5, {"ok": 5}, 2, {}, 0.91,
    0.87, (0.8335, 0.8995), 0.02, 0.0, 10, 1, math.nan, math.nan,
)  # fmt: skip
LAST = Entry("none ok", "none ok", "-", None, 4, {"stalled": 4})
TOLD = Statement("wide / adam", "quick", 0.09, 0.06, 0.12, 0.009, 10, claim=ClaimKind.FULL, crossed=(0.02, 0.16))
CLAIMED = Comparison(
    TOLD.a, TOLD.b, 10, 0.09, (0.06, 0.12), (0.02, 0.16), 0.00195, 0.0039, State.BETTER, ClaimKind.FULL,
    sentence(State.BETTER, TOLD),
)  # fmt: skip
REFUSED = Comparison(
    "wide / adam", "few", 3, math.nan, (math.nan, math.nan), (math.nan, math.nan), math.nan, math.nan, State.REFUSED,
    ClaimKind.NONE,
    sentence(State.REFUSED, Refusal("wide / adam", "few", Rule.ENOUGH_SEEDS, "3 common seeds", "confirm.seeds=10")),
    Rule.ENOUGH_SEEDS,
)  # fmt: skip


def board(*entries, **changes):
    plain = {
        "data": "digits", "split": SPLIT, "val_rows": 400, "report_rows": 400,
        "entries": entries or (FIRST, SECOND, LAST),
        "near": ("quick",), "luck": 0.0121, "comparisons": (), "others": ((OTHER, ("reseeded",)),),
        "left_out": ("old, of which the tracking store has no sweep.json",),
    }  # fmt: skip
    return Leaderboard(**{**plain, **changes})


def hostile():
    entries = [replace(FIRST, name=name, sweep=name, level=name, recipe=replace(FIRST.recipe, model=name))
               for name in HOSTILE]  # fmt: skip
    others = tuple((OTHER, (name,)) for name in HOSTILE)
    return board(*entries, data=HOSTILE[0], near=HOSTILE, others=others, left_out=HOSTILE)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, _attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def cells(shown):
    """The rows of all tables of the page, as Markdown has them."""
    lines = [line for line in markdown(compose(shown)).splitlines() if line.startswith("| ")]
    return [[cell.strip().replace("\\", "") for cell in line.strip("|").split(" | ")] for line in lines]


def test_a_row_shows_the_trial_its_scores_and_its_failures():
    (row,) = [row for row in cells(board()) if row[0] == "wide"]
    assert row == [
        "wide", "adam", "0.900 [0.867, 0.926]", "0.8910 ± 0.0040", "10", "0.930", "+0.034", "50", "3 / 50, 1 stalled",
        "7", "20", "1,000", "mlp 100",
    ]  # fmt: skip


def test_a_seed_that_diverged_is_told_in_place_of_the_mean():
    (row, *_) = [row for row in cells(board()) if row[0] == "quick"]
    assert row[3] == "1 of 10 diverged"


def test_a_level_without_a_trial_that_is_ok_shows_dashes():
    (row,) = [row for row in cells(board()) if row[0] == "none ok"]
    assert row[2:] == [*[DASH] * 5, "4", "0 / 4, 4 stalled", *[DASH] * 4]


def test_the_page_says_what_the_order_does_not_say():
    text = markdown(compose(board())).replace("\\", "")
    assert "1 of 2 others lies within the 95 % interval (Wilson) of the first, 0.900 [0.867, 0.926]: quick." in text
    assert "highest of 2 report scores, and so a maximum, too: if all were equally good, it would exceed their mean by up to 0.012 by chance." in text  # fmt: skip  # noqa: E501
    assert "no comparison of equal budgets: draws 4 to 50, epochs 2 to 20, training rows 300 to 1,000 (R04)." in text
    assert "Raw maxima of unequally many draws are not compared (R04)" in text
    assert "Scores of two entries that differ are no claim: only paired fresh seeds make one" in text
    assert "nothing is above noise near the highest scores, lambda = 0 (R21): quick." in text
    assert "Without a trial of status ok, and so last: none ok." in text


def test_the_page_names_the_split_and_what_is_not_mixed_in():
    shown = board()
    text = markdown(compose(shown)).replace("\\", "")
    known = "accuracy, holdout (report=400, val=400), seed 0, rows 3f2a9c1b; 400 val rows, 400 report"
    assert f"Split {shown.split.digest}: {known}" in text
    assert text.splitlines()[2] == f"3 entries of 3 sweeps, split {shown.split.digest}"
    other = "accuracy, holdout (report=400, val=400), seed 1, rows 3f2a9c1b: reseeded."
    why = "Not mixed with these, for it is scored on other rows or by another metric"
    assert f"{why}: split {OTHER.digest}, {other}" in text
    assert "Left out: old, of which the tracking store has no sweep.json." in text


def test_without_fresh_seeds_nothing_is_claimed():
    text = markdown(compose(board()))
    assert "Not shown: Comparisons of recipes" in text
    assert "so that nothing can be claimed" in text


def test_comparisons_stand_with_their_sentence_and_their_numbers():
    shown = board(comparisons=(REFUSED, CLAIMED))
    text = markdown(compose(shown)).replace("\\", "")
    claim, refusal = (text.index(f"**{status}** {one.sentence}") for status, one in
                      (("CLAIM", CLAIMED), ("REFUSED", REFUSED)))  # fmt: skip
    assert claim < refusal
    rows = {row[0]: row[1:] for row in cells(shown)}
    assert rows[f"wide / adam {MINUS} quick"] == [
        "10",
        "+0.090 [0.060, 0.120]",
        "[0.020, 0.160]",
        "0.0019",
        "0.0039",
        "better",
    ]
    assert rows[f"wide / adam {MINUS} few"] == ["3", DASH, DASH, DASH, DASH, "refused: R07"]
    assert "for all 3 pairs at once" in text


def test_an_entry_names_all_its_sweeps_and_says_that_it_stands_for_them():
    shared = board(replace(FIRST, twins=(("wide strict", "adam"), ("wider", "-"))), SECOND)
    text = markdown(compose(shared))
    assert "2 entries of 4 sweeps" in text
    assert "| wide, wide strict, wider | adam |" in text
    assert "wide / adam stands for wide strict / adam, wider, too." in text
    assert "stands for" not in markdown(compose(board()))
    (first, _) = csv.DictReader(io.StringIO(entries_csv(shared)))
    assert first["twins"] == "wide strict / adam; wider"


def test_only_settings_in_which_entries_differ_are_shown():
    heads = [row for row in cells(board()) if row[0] == "entry"]
    assert heads == [["entry", "drawn", "optimizer"]]


def test_equal_budgets_are_called_equal():
    text = markdown(compose(board(FIRST, replace(FIRST, name="b", sweep="b"))))
    assert "Entries had equally many draws, epochs and training rows, but spaces of their own." in text


def test_losses_are_named_as_the_negated_ones_they_are():
    shown = board(split=replace(SPLIT, metric=MSE), luck=math.nan)
    assert "in the order of report -mse." in markdown(compose(shown))


def test_under_k_fold_no_wider_interval_limits_a_claim():
    limit = "contains 0 limits it to these rows"
    assert limit in markdown(compose(board(comparisons=(CLAIMED,))))
    assert limit not in markdown(compose(board(comparisons=(CLAIMED,), report_rows=0)))


def test_scores_of_folds_are_called_corrected():
    text = markdown(compose(board(report_rows=0)))
    assert "val accuracy, corrected" in text
    assert "There are no report rows." in text


BOARDS = {
    "plain": board(),
    "alone": board(FIRST),
    "nothing": board(LAST, near=(), luck=math.nan),
    "refused": board(comparisons=(REFUSED,)),
    "claimed": board(comparisons=(CLAIMED, REFUSED)),
    "folds": board(report_rows=0),
    "apart": board(near=()),
    "unknown interval": board(replace(FIRST, interval=(math.nan, math.nan)), SECOND, near=()),
}


@pytest.mark.parametrize("name", BOARDS)
def test_no_word_says_more_than_was_shown(name):
    claimed = bool(BOARDS[name].comparisons) and name == "claimed"
    for text in (markdown(compose(BOARDS[name])), " ".join(Page(html(compose(BOARDS[name]))).texts)):
        assert forbidden(text, claimed=claimed, single_contender=False) == []
        assert not re.search(r"\bbest\b|winner|outperform|superior|significan", text, flags=re.IGNORECASE)


@pytest.mark.parametrize("name", BOARDS)
def test_nothing_is_printed_bold_in_a_table(name):
    body = html(compose(BOARDS[name])).partition("<tbody>")[2]
    assert "<b>" not in body.partition("</tbody>")[0]


def test_hostile_names_are_text_and_act_nowhere():
    report = compose(hostile())
    page = Page(html(report))
    assert not {"script", "img"} & set(page.tags)
    assert page.tags.count("style") == 1
    assert "Adam <script>alert(1)</script>" in " ".join(page.texts)
    assert "\x1b" not in html(report)
    rows = [line for line in markdown(report).splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert widths[: len(HOSTILE) + 2] == [14] * (len(HOSTILE) + 2)
    assert "<script" not in markdown(report)


def test_a_page_needs_nothing_but_itself():
    text = html(compose(hostile()))
    assert "http" not in text.replace("http-equiv", "")
    assert not re.search(r"\b(?:src|href)=\"(?!#)", text)


def test_names_that_no_file_can_hold_are_spelled_out(tmp_path):
    for path in write_leaderboard(hostile(), tmp_path):
        assert "\\ud800" in path.read_text(encoding="utf-8")


def test_every_number_is_in_json():
    told = json.loads(to_json(board(comparisons=(CLAIMED, REFUSED))))
    first, _, last = told["entries"]
    assert (first["shown"], first["interval"], first["failures"]) == (0.9, [0.8667, 0.9257], 3)
    assert first["recipe"]["settings"] == {"optimizer": "adam", "loss": "bce"}
    assert (last["recipe"], last["shown"]) == (None, None)
    assert told["split"]["digest"] == board().split.digest
    assert told["others"][0]["split"]["digest"] == OTHER.digest
    assert told["split"]["evaluation"] == {"kind": "holdout", "report": 400, "val": 400}
    assert [one["state"] for one in told["comparisons"]] == ["better", "refused"]
    assert told["comparisons"][1]["diff"] is None
    assert told["others"][0]["sweeps"] == ["reseeded"]


def test_infinite_scores_are_texts_in_json():
    told = json.loads(to_json(board(replace(SECOND, val=-math.inf))))
    assert told["entries"][0]["val"] == "-Infinity"
    assert told["entries"][0]["confirmed"] is None


def test_every_entry_is_a_line_of_csv_with_all_digits():
    first, second, last = csv.DictReader(io.StringIO(entries_csv(board(replace(FIRST, val=1 / 3), SECOND, LAST))))
    assert float(first["val"]) == 1 / 3
    assert (first["failures"], first["stalled"], first["training_rows"]) == ("3", "1", "1000")
    assert (second["confirmed"], second["confirmed_se"], second["diverged_seeds"]) == ("", "", "1")
    assert (last["trial"], last["shown"], last["draws"]) == ("", "", "4")
    assert {line["split"] for line in (first, second, last)} == {board().split.digest}


OTHER_SEEDS = {"PYTHONHASHSEED": "4", "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)}
WRITE = """
import sys
from pathlib import Path
from tests.report.test_leaderboard import CLAIMED, board
from hpsearch.report.leaderboard import write_leaderboard
write_leaderboard(board(comparisons=(CLAIMED,)), Path(sys.argv[1]))
"""


def test_another_process_with_other_hash_seeds_writes_the_same_bytes(tmp_path):
    here = write_leaderboard(board(comparisons=(CLAIMED,)), tmp_path / "a")
    assert [path.name for path in here] == ["report.html", "report.md", "report.json", "leaderboard.csv"]
    run = [sys.executable, "-c", WRITE, str(tmp_path / "b")]
    subprocess.run(run, check=True, env=OTHER_SEEDS)
    for path in here:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
