"""The leaderboard of a split: what stands in it, in which order, and what it refuses."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from specimens import optimizers

from hpsearch.analysis.leaderboard import standings
from hpsearch.intervals import wilson
from hpsearch.report.leaderboard import as_csv, as_json, compose, write_leaderboard
from hpsearch.report.pages import html, markdown


@pytest.fixture(scope="module")
def evidence():
    return optimizers(trials=24, levels=4).evidence


@pytest.fixture(scope="module")
def board(evidence):
    second = replace(evidence, design=replace(evidence.design, name="<script>alert(1)</script>"), confirm=())
    return standings([evidence, second])


def test_each_level_stands_with_the_trial_that_val_picks(evidence, board):
    for level in evidence.design.levels:
        draws = [row for row in evidence.draws(level.name) if row.status == "ok"]
        picked = min(draws, key=lambda row: (-row.val, row.k))
        (entry,) = [one for one in board.entries if (one.sweep, one.level) == (evidence.design.name, level.name)]
        assert (entry.trial, entry.val, entry.report) == (picked.k, picked.val, picked.report)
        assert entry.draws == len(evidence.draws(level.name))


def test_entries_are_in_the_order_of_their_report_scores(board):
    scores = [entry.report for entry in board.entries]
    assert scores == sorted(scores, reverse=True)


def test_those_within_the_interval_of_the_first_are_counted(evidence, board):
    n, first = evidence.design.rows["report"], board.entries[0]
    low, _ = wilson(round(first.report * n), n)
    assert board.tied == sum(entry.report >= low for entry in board.entries)


def test_confirmed_means_are_those_of_the_fresh_seeds(evidence, board):
    entry = next(one for one in board.entries if one.sweep == evidence.design.name and one.seeds)
    scores = [row.report for row in evidence.confirmed(entry.level)]
    assert entry.confirmed == pytest.approx(sum(scores) / len(scores))
    assert entry.seeds == len(scores)


def test_sweeps_with_other_report_rows_are_not_mixed(evidence):
    other = replace(evidence, design=replace(evidence.design, rows={**evidence.design.rows, "report": 7}))
    with pytest.raises(ValueError, match="one data set, one split and one metric"):
        standings([evidence, other])


def test_a_level_without_a_score_is_named(evidence):
    level = evidence.design.levels[0].name
    rows = [
        replace(row, status="error", val=math.nan, report=math.nan) if row.level == level else row
        for row in evidence.trials
    ]
    board = standings([replace(evidence, trials=tuple(rows), confirm=())])
    assert board.silent == (f"{evidence.design.name}: {level}",)


def test_names_are_escaped_and_no_word_ranks(board):
    page, text = html(compose(board)), markdown(compose(board))
    assert "<script" not in page
    for word in ("best", "winner", "outperform", "superior", "significant"):
        assert word not in page.lower()
        assert word not in text.lower()


def test_all_numbers_are_in_json_and_csv(board):
    told = json.loads(as_json(board))
    lines = list(csv.DictReader(io.StringIO(as_csv(board))))
    assert len(told["entries"]) == len(lines) == len(board.entries)
    assert [float(line["report"]) for line in lines] == [entry.report for entry in board.entries]
    assert told["entries"][0]["report"] == board.entries[0].report


def test_the_same_entries_give_the_same_files(board, tmp_path):
    first = {path.name: path.read_bytes() for path in write_leaderboard(board, tmp_path / "a")}
    second = {path.name: path.read_bytes() for path in write_leaderboard(board, tmp_path / "b")}
    assert first == second
    assert set(first) == {"report.html", "report.md", "report.json", "leaderboard.csv"}
