"""The answer box and the limits."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.answers import space_hash
from hpsearch.analysis.evidence import Evidence, TrialRow
from hpsearch.analysis.findings import Action
from tests.analysis.evidences import (
    LR,
    SPACE,
    bitmaps,
    clear,
    design,
    diverged,
    folded,
    gates_of,
    level,
    opened,
    retrained,
    scored,
    trials,
    with_design,
)

THREE = {"adam": 0.95, "momentum": 0.95, "sgd": 0.7}


def three(shares=THREE, *, keep=True, **changes):
    correct = bitmaps(shares, 12)
    rows = [row for name in shares for row in trials(name, shares[name], 5)]
    confirm = [row for name, one in correct.items() for row in retrained(name, one, keep=keep)]
    return Evidence(design(*map(level, shares), **changes), tuple(rows), tuple(confirm))


def told(evidence):
    return [(one.status, one.sentence) for one in analyse(evidence).answers]


def test_of_compared_levels_the_pairs_are_told_and_what_to_do_is_the_headline_s():
    findings = analyse(clear())
    assert [one.status for one in findings.answers] == ["claim", "scope"]
    assert findings.answers[0].sentence == findings.pairs[0].sentence
    assert findings.headline.sentence.startswith("Use adam: ")


def test_levels_that_none_is_claimed_to_beat_stay_contenders():
    assert analyse(three({"momentum": 0.95, "sgd": 0.7, "adam": 0.95})).contenders == ("adam", "momentum")


def test_claims_about_one_report_set_leave_all_levels_as_contenders():
    unknown = three(keep=False, rows={"train": 800, "val": 400})  # how many are scored is not known
    assert analyse(unknown).contenders == ("adam", "momentum", "sgd")


def test_claims_come_before_what_is_open_and_larger_differences_first():
    shares = {"a": 0.95, "b": 0.955, "c": 0.8, "d": 0.6}
    findings = analyse(three(shares, delta=None))
    pairs = [one for one in findings.answers if one.sentence in {pair.sentence for pair in findings.pairs}]
    assert [one.status for one in pairs] == ["claim"] * 5 + ["inconclusive"]
    claimed = [pair for one in pairs for pair in findings.pairs if pair.sentence == one.sentence][:5]
    sizes = [abs(pair.diff) for pair in claimed]
    assert sizes == sorted(sizes, reverse=True)


def test_refusals_come_with_code_and_fix():
    few = replace(clear(), confirm=tuple(row for row in clear().confirm if row.key <= 3))
    reason = "3 common seeds are fewer than the 6 that a claim needs (R07)"
    assert told(few)[0] == ("refused", f"Not compared: adam and sgd, {reason}. Fix: confirm.seeds=13.")


def test_what_the_report_does_not_show_is_an_answer_too():
    adaptive = "trials were drawn by tpe, which learns from the scores of earlier ones"
    assert ("refused", f"No tuning curves: {adaptive} (R02). Fix: search=random.") in told(clear(sampler="tpe"))


def test_the_scope_comes_last_and_counts_openings_of_the_test_set():
    status, sentence = told(replace(clear(), tests=(opened(1),)))[-1]
    hashed = space_hash(clear())
    assert sentence == (
        f"Applies to: digits; 64-100-10; spaces {hashed}; 50 trials each; 5 epochs; 1 test opening so far."
    )
    assert status == "scope"
    assert told(clear(trials=1, epochs=0))[-1][1].endswith(f"spaces {hashed}; 1 trial; 0 test openings so far.")


def test_the_hash_of_spaces_changes_with_any_bound():
    wider = {LR: {**SPACE[LR], "high": 10.0}}
    changed = with_design(clear(), levels=(level("adam"), level("sgd", space=wider)))
    assert space_hash(changed) != space_hash(clear())
    assert len(space_hash(clear())) == 8


def initialized(stalled, n=20):
    """`he` never stalls, `zeros` does in the first trials."""
    levels = [level(name, settings={"init": name}) for name in ("zeros", "he")]
    rows = [
        TrialRow(name, k, "stalled" if name == "zeros" and k <= stalled else "ok", 0.5, 0.5, {LR: 0.1})
        for name in ("zeros", "he")
        for k in range(1, n + 1)
    ]
    return Evidence(design(*levels, title="init"), tuple(rows))


def test_of_initializers_stalls_come_first_with_their_intervals():
    listed = "he 0 of 20 [0.0 %, 16.1 %]; zeros 20 of 20 [83.9 %, 100.0 %]"
    expected = f"In the search, training stalled at chance (Wilson 95 %): {listed}."
    assert told(initialized(20))[0] == ("exploratory", expected)


@pytest.mark.parametrize(
    "evidence", [initialized(0), initialized(5, n=19), clear()], ids=["equal", "few", "optimizers"]
)
def test_stalls_are_told_of_initializers_alone_where_they_differ_in_enough_trials(evidence):
    assert not any("stalled" in sentence for _, sentence in told(evidence))


def test_a_lone_level_tells_its_recipe():
    alone = Evidence(design(level("-")), tuple(trials("-", 0.9, 3)), tuple(scored("-", [0.9, 0.8, -math.inf])))
    assert told(alone)[0] == (
        "exploratory",
        "Nothing is compared: there is one level. Its recipe has no mean score: 1 of 3 fresh seeds diverged (R08).",
    )


# folds


FIVE = {"folds": 5, "evaluation": "kfold", "rows": {"train": 320, "val": 400, "report": 0}}


def two_in_folds(gap=0.0, **changes):
    """`adam` and `sgd` on five folds of three seeds, no report rows."""
    draw = np.random.default_rng(3)
    scores = {name: 0.9 - less + draw.normal(0, 0.002, (3, 5)) for name, less in (("adam", 0), ("sgd", gap))}
    rows = [replace(row, report=math.nan) for name in scores for row in trials(name, 0.9, 50)]
    confirm = [row for name, one in scores.items() for row in folded(name, one)]
    return Evidence(design(level("adam"), level("sgd"), **{**FIVE, **changes}), tuple(rows), tuple(confirm))


def test_the_scope_says_that_scores_are_out_of_fold():
    assert "; 5 epochs; out-of-fold scores of 5 folds; 0 test openings" in told(two_in_folds())[-1][1]
    assert "fold" not in told(clear())[-1][1]


def test_under_k_fold_no_answer_is_about_a_report_set():
    same, apart = told(two_in_folds(delta=0.05)), told(two_in_folds(gap=0.1))
    assert (same[0][0], apart[0][0]) == ("equivalent", "claim")
    assert not [sentence for _, sentence in (*same, *apart) if "report set" in sentence]


def test_under_k_fold_the_interval_of_a_lone_level_is_said_to_be_corrected():
    alone = two_in_folds(levels=(level("adam"),))
    alone = replace(
        alone,
        trials=tuple(row for row in alone.trials if row.level == "adam"),
        confirm=tuple(row for row in alone.confirm if row.level == "adam"),
    )
    assert told(alone)[0][1].endswith("over 3 fresh seeds (95 % over folds, corrected for their overlap).")


# limits


def limits(evidence):
    return " ".join(analyse(evidence).limits)


def test_limits_name_what_was_not_varied():
    said = limits(clear(facts={"schedule": "cosine", "batch size": "100", "commit": "abc"}, delta=None))
    for part in (
        "One data set: digits.",
        "One network: 64-100-10.",
        "Fixed training: 5 epochs, schedule cosine.",
        "Fixed batch size: 100.",
        "One set of 400 report rows",
        "conditional on one split and one seed",
        "One search of 50 trials in each space",
        "Each level was tuned in its own space",
        "No smallest difference that matters was declared",
        "The test set was not opened.",
    ):
        assert part in said
    assert "abc" not in said


def test_limits_follow_the_evaluation():
    assert "Every row is trained on and scored" in limits(clear(evaluation="truth_table"))
    assert "5 folds of one pool of rows" in limits(clear(folds=5, evaluation="kfold"))
    assert "conditional on one set of folds and one seed" in limits(clear(folds=5, evaluation="kfold"))
    assert "test set was not opened" not in limits(replace(clear(), tests=(opened(1),)))


def test_under_k_fold_retrainings_score_the_rows_that_the_search_selected_on():
    said = "Retrainings score the same pool of rows that the search selected on: fresh seeds do not fully undo that"
    assert said in limits(two_in_folds())
    assert said not in limits(replace(two_in_folds(), confirm=()))
    assert said not in limits(clear())


def test_without_bitmaps_claims_are_limited_to_the_report_set():
    assert "for this report set alone" in limits(three(keep=False, rows={"train": 800, "val": 400}))
    assert "bounded as if any two options erred on rows independently" in limits(three(keep=False))
    assert "was not kept" not in limits(three())


@pytest.mark.parametrize(("train", "said"), [(0.905, True), (0.95, False)])
def test_regularization_has_nothing_to_show_where_nothing_overfits(train, said):
    curves = {"train/accuracy": [0.5, train], "val/accuracy": [0.5, 0.9]}
    levels = [level(name, settings={"regularization": name}) for name in ("none", "dropout")]
    rows = [row for name in ("none", "dropout") for row in trials(name, 0.9, 3)]
    confirm = [replace(row, curves=curves) for name in ("none", "dropout") for row in scored(name, [0.9] * 10)]
    evidence = Evidence(design(*levels), tuple(rows), tuple(confirm))
    assert ("there is no overfitting that regularization could reduce" in limits(evidence)) == said


def test_a_seed_that_diverged_is_told_in_the_refusal():
    assert any("1 of 10 of sgd [2 %, 40 %] diverged" in sentence for _, sentence in told(diverged(clear(), 1)))
    assert np.isinf(analyse(diverged(clear(), 1)).pairs[0].differences[0])


def test_openings_by_other_sweeps_are_counted():
    told_of = clear(openings=2)
    assert told(told_of)[-1][1].endswith("2 test openings so far.")
    (gate,) = gates_of(told_of, "R14")
    assert (gate.action, gate.reason) == (Action.WARN, "another sweep has opened the test set, 2 times")
