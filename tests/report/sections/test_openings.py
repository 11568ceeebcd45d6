"""What the section about the sealed test set shows, and what it leaves out."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hpsearch.analysis.test_set_results import errors_of, shipped_pairs
from hpsearch.metrics import MACRO_F1
from hpsearch.report.blocks import DASH, MINUS, Table, Text
from hpsearch.report.export import openings_csv, shipped_csv, to_json
from hpsearch.report.sections.test_set import test_set as section_of
from hpsearch.report.write import build
from tests.report.specimens import one_level, two_levels


@pytest.fixture(scope="module")
def found():
    """Two recipes were shipped; the first has three retrained networks beside it."""
    return two_levels()


def with_tests(found, *rows, **design):
    evidence = replace(found.evidence, tests=rows, design=replace(found.evidence.design, **design))
    return replace(found, evidence=evidence, tested=errors_of(evidence), shipped=shipped_pairs(rows))


def tables(found):
    return [block for block in section_of(found).blocks if isinstance(block, Table)]


def texts(found, tone):
    return [block.text for block in section_of(found).blocks if isinstance(block, Text) and block.tone == tone]


def lines(table):
    return [dict(zip(table.columns, [cell.text for cell in row], strict=True)) for row in table.rows]


def test_a_shipped_model_has_its_interval_and_both_errors(found):
    first, second = lines(tables(found)[0])
    assert first["test accuracy [95 %]"] == "0.9783 [0.9752, 0.9810]"
    assert first["SE of images"] == f"{math.sqrt(0.9783 * 0.0217 / 10000):.4f}"
    mean, error = np.mean([0.9771, 0.9790, 0.9768]), stats.sem([0.9771, 0.9790, 0.9768])
    assert first["mean of S retrained ± s/√S"] == f"{mean:.5f} ± {error:.5f}"
    assert (first["S"], first["test rows"]) == ("3", "10000")
    assert (second["mean of S retrained ± s/√S"], second["S"]) == (DASH, "0")


def test_the_caption_says_what_each_error_is_about(found):
    caption = tables(found)[0].caption
    assert "√(p (1 - p) / n)" in caption
    assert "s/√S: would other retrained networks of the recipe" in caption


def test_without_retrained_networks_nothing_is_said_of_them(found):
    plain = with_tests(found, *(replace(row, retrained=()) for row in found.evidence.tests))
    table = tables(plain)[0]
    assert not {"mean of S retrained ± s/√S", "S"} & set(table.columns)
    assert "retrained" not in table.caption


def test_what_is_no_share_has_no_error_of_images(found):
    table = tables(with_tests(found, *found.evidence.tests, metric=MACRO_F1))[0]
    assert "SE of images" not in table.columns
    assert "√(p" not in table.caption
    assert "mean of S retrained ± s/√S" in table.columns


def test_a_single_retrained_network_is_shown_without_an_error(found):
    first = replace(found.evidence.tests[0], retrained=(0.9771,))
    (line,) = lines(tables(with_tests(found, first))[0])
    assert (line["mean of S retrained ± s/√S"], line["S"]) == ("0.9771", "1")


def test_two_shipped_models_are_compared_below_the_warning_that_the_set_was_used_again(found):
    blocks = section_of(found).blocks
    (warning,) = [at for at, block in enumerate(blocks) if isinstance(block, Text) and block.tone == "warning"]
    (pair,) = [at for at, block in enumerate(blocks) if isinstance(block, Table) and "McNemar" in block.caption]
    assert warning < pair
    (line,) = lines(blocks[pair])
    assert line["models"] == f"opening 1 (batch norm before, trial 17) {MINUS} opening 2 (none, trial 3)"
    assert (line["only first right"], line["only second right"], line["test rows"]) == ("392", "100", "10000")
    assert line["difference in accuracy [95 %]"].startswith("+0.0292 [0.02")
    assert line["exact p"] == "< 0.0001"


def test_a_single_model_is_compared_with_nothing(found):
    assert len(tables(with_tests(found, found.evidence.tests[0]))) == 2


def test_models_whose_bitmaps_were_not_kept_are_not_compared(found):
    old = with_tests(found, *(replace(row, correct=None) for row in found.evidence.tests))
    assert len(tables(old)) == 2


def test_a_network_that_was_evaluated_again_is_named_and_not_compared_with_itself(found):
    first, second = found.evidence.tests
    again = with_tests(found, first, replace(second, weights=first.weights))
    assert texts(again, "note") == ["Opening 2 evaluated the weights of opening 1 again: one model, not two."]
    assert len(tables(again)) == 2
    assert texts(found, "note") == []


def test_the_ledger_says_when_who_which_configuration_and_what_for(found):
    first, second = lines(tables(found)[-1])
    assert first == {
        "opening": "1",
        "when": "2026-11-02 10:00:00+00:00",
        "by whom": "ada@lab, sweep specimen, trial 17",
        "configuration": "0a" * 6,
        "weights": "1b" * 6,
        "purpose": "final evaluation",
    }
    assert second["purpose"] == "comparison with the older recipe"


def test_openings_by_other_sweeps_are_counted_in_the_ledger(found):
    assert "All sweeps together" not in tables(found)[-1].caption
    assert (
        "All sweeps together have opened it 5 times."
        in tables(with_tests(found, *found.evidence.tests, openings=5))[-1].caption
    )


def test_openings_come_back_from_their_table(found):
    first, second = csv.DictReader(io.StringIO(openings_csv(found)))
    assert (float(first["value"]), float(first["ci_low"]), first["n"]) == (0.9783, 0.9752, "10000")
    assert float(first["retrain_se"]) == pytest.approx(stats.sem([0.9771, 0.9790, 0.9768]))
    assert (first["config"], first["weights"], first["when"]) == ("0a" * 6, "1b" * 6, "2026-11-02 10:00:00+00:00")
    assert (second["retrains"], second["retrain_mean"], second["retrain_se"]) == ("0", "", "")


def test_pairs_of_shipped_models_come_back_from_their_table(found):
    (pair,) = csv.DictReader(io.StringIO(shipped_csv(found)))
    assert (pair["first"], pair["second"], pair["only_first"], pair["only_second"]) == ("1", "2", "392", "100")
    assert float(pair["p"]) == pytest.approx(stats.binomtest(392, 492).pvalue)


def test_the_numbers_are_in_the_json_and_single_rows_are_not(found):
    exported = json.loads(to_json(found))
    first, second = exported["tests"]
    assert (first["correct"], second["correct"]) == (9783, 9491)
    assert (first["retrained"], first["retrains"]) == ([0.9771, 0.9790, 0.9768], 3)
    assert first["image_se"] == pytest.approx(math.sqrt(0.9783 * 0.0217 / 10000))
    assert second["retrain_se"] is None
    (pair,) = exported["shipped_pairs"]
    assert pair.keys() == {"first", "second", "only_first", "only_second", "n", "diff", "low", "high", "p"}


def test_a_report_has_tables_of_openings_only_if_there_are_any(found, monkeypatch):
    monkeypatch.setattr("hpsearch.report.figures.render.png", lambda _: b"")
    assert {"tests.csv", "shipped.csv"} <= build(found).keys()
    assert not {"tests.csv", "shipped.csv"} & build(one_level()).keys()


def test_a_bitmap_that_could_not_be_read_is_told(found):
    first, second = found.evidence.tests
    lost = with_tests(found, first, replace(second, correct=None, unread="correct.safetensors could not be read"))
    said = "Which rows opening 2 has right is not known, so that no pair has it: correct.safetensors could not be read."
    assert said in texts(lost, "warning")
    assert not [text for text in texts(found, "warning") if "is not known" in text]
