"""Pages about a K-fold: it has no report rows, no test of paired seeds, and scores of the rows that it selects on."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.metrics import ACCURACY
from hpsearch.report.blocks import ALPHA
from hpsearch.report.figures import render as rendering
from hpsearch.report.page import compose, markdown
from tests.report.specimens import factorial, kfold, optimizers, two_levels, unconfirmed

pytestmark = pytest.mark.long
CORRECTED = "corrected for the overlap of training rows (S-10)"


def page(findings):
    """The Markdown, whose figures are files beside it that take time to draw; nothing of it escaped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "png", lambda _: b"")
        patch.setattr(rendering, "svg", lambda *_: "")
        return re.sub(r"\\(.)", r"\1", markdown(compose(findings))).replace("&gt;", ">")


def section(text, title):
    return text.partition(f"\n## {title}")[2].partition("\n## ")[0]


def caption(text, figure):
    """Of a figure by its number, of a table by that or by how it begins."""
    (found,) = re.findall(rf"^(?:\*\*)?{re.escape(figure)}.*$", text, flags=re.MULTILINE)
    return found


def with_losses(row, generator):
    """Right or wrong on each of 500 rows."""
    losses = (generator.random(500) > row.val).astype(float)
    curves = {name.replace("macro_f1", "accuracy"): curve for name, curve in row.curves.items()}
    return replace(row, val=1 - losses.mean(), losses=losses, curves=curves)


@pytest.fixture(scope="module")
def evidence():
    """Accuracies of 5 folds, with the losses of rows."""
    plain, generator = kfold().evidence, np.random.default_rng(2)
    design = replace(plain.design, metric=ACCURACY, rows={"train": 400, "val": 500, "report": 0}, delta=0.05)
    trials = tuple(with_losses(row, generator) for row in plain.trials if not row.default)
    confirm = tuple(row for row in plain.confirm if row.key <= 4)
    return replace(plain, design=design, trials=trials, confirm=confirm)


@pytest.fixture(scope="module")
def text(evidence):
    return page(analyse(evidence))


@pytest.fixture(scope="module")
def held_out():
    return page(analyse(two_levels().evidence))


@pytest.mark.parametrize("title", ["Answer", "Explore", "Confirm", "Appendix"])
def test_nothing_is_said_that_a_k_fold_does_not_have(title, text):
    said = section(text, title).replace("There are no report rows", "").replace("there are no report rows", "")
    assert said
    for absent in ("report", "sign-flip", "images", "over seeds.", "80 % power", "S-03", "S-12", "S-15", "one split"):
        assert absent not in said, absent
    assert not re.search(r"\bval\b", said)


def test_the_page_of_a_hold_out_keeps_its_words(held_out):
    assert "on rows that selection never read (S-03)" in caption(held_out, "F1.")
    assert "the highest report score" in caption(held_out, "F2.")
    assert "the report score of the trial that val selects" in caption(held_out, "F3.")
    assert "with a val score" in caption(held_out, "F4.")
    assert "p: sign-flip test, two sided. Power: for δ." in caption(held_out, "T2.")
    assert "trained on the same split, order and initial weights where shapes agree" in caption(held_out, "F9.")
    assert "Bars: 95 % over seeds." in caption(held_out, "F10.")
    assert "fold" not in section(held_out, "Answer") + section(held_out, "Explore") + section(held_out, "Confirm")
    assert "| S-03 |" in section(held_out, "Appendix")
    assert "| S-10 |" not in section(held_out, "Appendix")


def test_tuning_curves_are_of_the_score_that_selects(text):
    said = caption(text, "F1.")
    assert "Expected highest out-of-fold score of k trials (S-01), against the budget." in said
    assert "the score that selects is the one that is shown, an optimistic one" in said
    assert "Every row is scored by networks that did not train on it." in said
    assert "conditional on one set of folds and one seed" in said
    assert "the highest out-of-fold score when every level gets k trials" in caption(text, "F2.")
    assert "each point is the highest out-of-fold score of its block" in caption(text, "F3.")
    assert "with an out-of-fold score of at most x" in caption(text, "F4.")
    assert "a curve is over all folds of its trial" in caption(text, "F8.")


def test_the_selected_score_is_said_to_be_biased_and_bbc_cv_to_correct_it(text):
    said = caption(text, "In the search, the out-of-fold score selects")
    assert "biased upward: there are no report rows. BBC-CV, in the next table, takes that off." in said
    assert "| level | selected trial | out-of-fold (a maximum) | default recipe, out-of-fold | gain" in text
    assert "| excess by luck alone | λ | shrunken score | trials that share 95 % | BBC-CV [95 %] |" in text
    assert "BBC-CV, the score of the selected trial without the luck of the choice (S-09)." in text


def test_without_losses_of_rows_nothing_is_said_of_bbc_cv(evidence):
    bare = replace(evidence, trials=tuple(replace(row, losses=None) for row in evidence.trials))
    assert "BBC-CV" not in section(page(analyse(bare)), "Explore")


def test_levels_are_told_with_what_their_numbers_are(text):
    said = caption(text, "T1.")
    assert "the out-of-fold score of the search minus the mean over fresh seeds, which score the same rows" in said
    assert "SD is the standard deviation over seeds, each of all folds, not the error of the mean." in said
    assert f"Intervals are {CORRECTED}." in said
    assert "| level | recipe: trial | search, out-of-fold | confirm, mean [95 %] | SD over seeds |" in text


def test_pairs_are_told_with_the_test_that_was_made(text):
    said = caption(text, "T2.")
    assert said.startswith("T2. Pairs, difference in out-of-fold accuracy.")
    assert f"p: t test over the folds of all seeds, two sided; it and the intervals are {CORRECTED}." in said
    assert "P(A > B): share of folds" in said
    assert "| common seeds | difference [95 %] | adjusted | p | adjusted p | P(A > B) | state |" in text


def test_figures_of_retrainings_say_that_a_point_is_over_folds(text):
    assert "the mean over its folds of the difference of two recipes" in caption(text, "F9.")
    assert f"Both bars are {CORRECTED}." in caption(text, "F9.")
    assert "is a part of the optimism of selecting, not all of it." in caption(text, "F10.")
    assert "Bars: 95 %, corrected (S-10)." in caption(text, "F10.")
    assert "Score of every retraining, over all of its folds" in caption(text, "F11.")
    assert "mean and 95 %, corrected (S-10)" in caption(text, "F11.")


def test_the_answer_names_folds(text):
    assert "| Confirmed | 4 fresh seeds for each recipe, each of 5 folds, look 1 |" in text
    assert "| Measured in | out-of-fold accuracy, higher is better;" in text
    assert "out-of-fold scores of 5 folds" in section(text, "Answer")


def test_the_design_names_the_rows_that_there_are(text):
    assert "digits: 400 train rows in each fold, 500 val rows |" in text
    assert "10 fresh pairs of seed and folds for each level" in text


def test_formulas_are_those_of_folds(text):
    assert "| p | two sided, of t = mean / SE (S-10) with J - 1 degrees of freedom" in text
    assert "| S-19 | Y11 - Y10 - Y01 + Y00 for each fold of each seed" in text
    assert "| S-09 |" in text


def test_folds_vary_the_training_rows_and_no_images(text, evidence):
    told = section(text, "Does the order hold")
    assert "| other training rows, as many | yes |" in told
    assert "| other images from the same source | no | every row is scored |" in told
    bare = section(page(analyse(replace(evidence, confirm=()))), "Does the order hold")
    assert "| other training rows, as many | no |" in bare


def test_without_report_rows_and_without_folds_captions_speak_of_val():
    found = unconfirmed()
    rows = tuple(replace(row, report=math.nan) for row in found.evidence.trials)
    design = replace(found.evidence.design, rows={"train": 4000, "val": 4000}, evaluation="truth_table")
    text = page(analyse(replace(found.evidence, trials=rows, design=design)))
    said = section(text, "Which is ahead") + section(text, "Explore")
    assert "Expected highest val score of k trials (S-01)" in said
    assert "In the search, the val score selects one trial of each level" in said
    assert "out-of-fold" not in said
    assert "networks that did not train on it" not in said


# two factors


def crossed_in_folds(folds=5):
    """Weight decay x dropout on 4 seeds."""
    plain, generator = factorial().evidence, np.random.default_rng(4)
    design = replace(plain.design, folds=5, evaluation="kfold", rows={"train": 400, "val": 500, "report": 0})
    rows = []
    for row in plain.confirm:
        scores = generator.normal(0.9, 0.01, folds)
        rows.append(replace(row, folds=tuple(scores.tolist()), report=float(scores.mean())))
    trials = tuple(replace(row, report=math.nan) for row in plain.trials if not row.default)
    return replace(plain, design=design, trials=trials, confirm=tuple(row for row in rows if row.key <= 4))


def test_effects_over_folds_are_shown_with_the_corrected_interval():
    said = section(page(analyse(crossed_in_folds())), "Confirm").partition("### Two factors")[2]
    assert "Cell means [95 %, corrected (S-10)]." in said
    assert "95 % intervals over the folds of all seeds, corrected for their overlap (S-10): those of the four" in said
    assert "- Interaction: " in said
    assert "Bars: 95 %, corrected (S-10)." in caption(said, "F12.")


def test_where_folds_are_missing_effects_are_refused_with_the_reason():
    evidence = crossed_in_folds()
    lacking = tuple(replace(row, folds=()) if row.key == 2 else row for row in evidence.confirm)
    said = section(page(analyse(replace(evidence, confirm=lacking))), "Confirm").partition("### Two factors")[2]
    assert "Not shown: Simple effects and interaction.** only means over 5 folds are known" in said
    assert "- Interaction" not in said


def test_the_level_of_effects_is_said():
    found = analyse(replace(factorial().evidence, design=replace(factorial().evidence.design, alpha=0.1)))
    assert "90 % intervals over seeds: those of the four effects hold at once" in page(found)


# other alphas


def test_everything_that_follows_alpha_says_so():
    found = optimizers()
    text = page(replace(found, evidence=replace(found.evidence, design=replace(found.evidence.design, alpha=0.1))))
    assert "(simultaneous 90 % intervals)." in text
    assert "Band: simultaneous 90 % (Dvoretzky" in caption(text, "F4.")
    assert "Thin bar: 90 % interval, adjusted for all pairs." in caption(text, "F9.")
    assert "the adjusted 90 % interval excludes 0" in caption(text, "T2.")


def test_a_second_look_is_told_with_its_share_of_alpha():
    text = page(replace(two_levels(), looks=2))
    assert f"at most {ALPHA} = 0.025: where it is, the adjusted 97.5 % interval excludes 0" in caption(text, "T2.")
    assert "Thin bar: 97.5 % interval" in caption(text, "F9.")
