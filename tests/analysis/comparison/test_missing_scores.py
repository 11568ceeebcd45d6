"""Levels that diverged throughout, or of which nothing came to a score: more seeds are no remedy, and not offered."""

import math
from dataclasses import replace

import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.comparison.refusals import missing_score
from hpsearch.analysis.findings import Action
from hpsearch.analysis.search_linter import lint
from tests.analysis.evidences import LR, SPACE, clear, diverged, folded, gates_of, level, scored, with_design

# SPACE is log-uniform, 0.001 to 1: three decades, of which a tenth is added below.
SMALLER = f"'search.space.{LR}={{low: 0.0001, high: 1.0, log: true}}'"
THROUGHOUT = "every one of the 50 trials of sgd diverged, so it has no recipe"


def searched(evidence, status, *levels, first=1):
    """Trials of these levels end like this from a number on, and nothing of them is retrained."""
    score = 0.0 if status == "diverged" else math.nan
    gone = tuple(
        replace(row, status=status, val=score, report=score) if row.level in levels and row.k >= first else row
        for row in evidence.trials
    )
    return replace(evidence, trials=gone, confirm=tuple(row for row in evidence.confirm if row.level not in levels))


def retrained(evidence, rows, name="sgd"):
    """The retrainings of one level are these."""
    return replace(evidence, confirm=(*(row for row in evidence.confirm if row.level != name), *rows))


def told(evidence):
    return [(one.status, one.sentence) for one in analyse(evidence).answers]


def refusal(evidence):
    (pair,) = analyse(evidence).pairs
    return pair.refused, pair.sentence


def gate(evidence, code, name=None):
    (found,) = [one for one in gates_of(evidence, code) if one.level == name and one.action is not Action.PASS]
    return found.action, found.reason, found.fix


def test_a_pair_with_a_level_that_never_trained_is_refused_for_that_and_not_for_want_of_seeds():
    codes, sentence = refusal(searched(clear(), "diverged", "sgd"))
    assert codes == ("R08",)
    assert sentence == f"Not compared: adam and sgd, {THROUGHOUT} (R08). Fix: {SMALLER}."


def test_that_a_level_never_trained_is_said_first():
    first, *_ = told(searched(clear(), "diverged", "sgd"))
    assert first == ("refused", f"In the search, {THROUGHOUT}: it is compared with no other level.")


def test_more_seeds_are_nowhere_the_remedy_of_a_level_that_never_trained():
    findings = analyse(searched(clear(), "diverged", "sgd"))
    said = [one.sentence for one in findings.answers] + [one.fix for one in findings.gates]
    assert not [one for one in said if "confirm.seeds" in one]


def test_gates_say_of_a_level_without_a_recipe_what_the_refusal_says():
    evidence = searched(clear(), "diverged", "sgd")
    reason = "every one of its 50 trials diverged, so it has no recipe"
    assert gate(evidence, "R08", "sgd") == (Action.REFUSE, reason, SMALLER)
    assert gate(evidence, "R07") == (Action.REFUSE, f"no pair has scores of both levels: {THROUGHOUT}", SMALLER)


def test_other_pairs_are_compared_all_the_same():
    adam = clear(levels=(level("adam"), level("sgd"), level("lion")))
    more = [replace(row, level="lion") for row in adam.trials if row.level == "sgd"]
    findings = analyse(searched(replace(adam, trials=(*adam.trials, *more)), "diverged", "lion"))
    assert [pair.refused for pair in findings.pairs] == [(), ("R08",), ("R08",)]
    seeds = [one for one in findings.gates if one.rule == "R07"]
    assert [(one.action, one.reason) for one in seeds] == [
        (Action.PASS, "10 common seeds or more, of 7 that are needed")
    ]


def test_before_anything_is_retrained_seeds_are_the_remedy_only_of_pairs_that_could_have_them():
    fresh = replace(clear(), confirm=())
    assert gate(fresh, "R07")[2] == "confirm.seeds=10"
    assert gate(searched(fresh, "diverged", "sgd"), "R07")[2] == SMALLER


def test_two_levels_that_never_trained_are_both_named_and_share_a_remedy():
    _, reason, fix = gate(searched(clear(), "diverged", "adam", "sgd"), "R07")
    assert reason.endswith(f"every one of the 50 trials of adam diverged, so it has no recipe; {THROUGHOUT}")
    assert fix == SMALLER


@pytest.mark.parametrize("space", [{}, {"model.mlp.depth": {"low": 1, "high": 8}}, {LR: {"choices": [0.1, 1.0]}}])
def test_without_a_range_of_learning_rates_the_remedy_is_in_words(space):
    levels = level("adam"), level("sgd", space=space)
    _, _, fix = gate(searched(clear(levels=levels), "diverged", "sgd"), "R08", "sgd")
    assert fix == "let sgd draw smaller learning rates, or name another default in it"


def test_foreign_results_are_searched_again_by_whoever_made_them():
    _, _, fix = gate(searched(clear(sampler="unknown"), "diverged", "sgd"), "R08", "sgd")
    assert fix == "search sgd again in a wider space"


def test_every_learning_rate_that_a_level_draws_is_widened():
    levels = level("adam"), level("sgd", space={**SPACE, "optimizer.adam.lr": {"low": 0.01, "high": 0.1, "log": True}})
    _, _, fix = gate(searched(clear(levels=levels), "diverged", "sgd"), "R08", "sgd")
    assert fix == f"{SMALLER} 'search.space.optimizer.adam.lr={{low: 0.00316, high: 0.1, log: true}}'"


def test_the_linter_widens_a_space_in_which_nothing_trains_and_does_not_cut_it():
    evidence = searched(clear(), "diverged", "sgd")
    (hint,) = [one for one in lint(evidence, analyse(evidence).explored) if one.level == "sgd"]
    assert (hint.code, hint.overrides) == ("infeasible", (SMALLER,))
    assert hint.sentence == "In the search of sgd, every one of 50 trials diverged."


def test_trials_that_the_machine_lost_are_tried_again():
    evidence = searched(searched(clear(), "oom", "sgd"), "diverged", "sgd", first=41)
    reason = "none of the 50 trials of sgd has a score (10 diverged), so it has no recipe"
    assert refusal(evidence)[1] == f"Not compared: adam and sgd, {reason} (R08). Fix: start the same command again."
    assert told(evidence)[0] == ("refused", refusal(evidence)[1])  # and not that each of its trials diverged


def test_a_level_with_one_trial_is_told_in_the_singular():
    alone = replace(clear(), trials=tuple(row for row in clear().trials if row.level == "adam" or row.k == 1))
    assert "the only trial of sgd diverged, so it has no recipe" in refusal(searched(alone, "diverged", "sgd"))[1]


def test_that_nothing_trained_is_no_noise():
    evidence = searched(clear(), "diverged", "adam", "sgd")
    assert [one.action for one in gates_of(evidence, "R21")] == [Action.PASS]


def test_a_lone_level_that_never_trained_says_so():
    alone = searched(with_design(clear(), levels=(level("adam"),)), "diverged", "adam")
    alone = replace(alone, trials=tuple(row for row in alone.trials if row.level == "adam"), confirm=())
    lone = "Nothing is compared: there is one level. Every one of its 50 trials diverged, so it has no recipe."
    assert told(alone)[0] == ("exploratory", lone)
    assert [one.action for one in gates_of(alone, "R08")] == [Action.PASS]


# retrainings


def test_retrainings_that_all_diverged_are_said_first_and_lead_to_a_sturdier_recipe():
    evidence = diverged(clear(), *range(1, 11))
    said = "On fresh seeds, every one of the 10 retrainings of sgd diverged: there is no mean to compare."
    codes, sentence = refusal(evidence)
    assert told(evidence)[:2] == [("claim", sentence), ("refused", said)]
    assert codes == ("R08",)
    assert "10 of 10 of sgd [72 %, 100 %] diverged" in sentence
    assert sentence.endswith("Fix: evaluation.replicates=3.")
    assert gate(evidence, "R08", "sgd")[2] == "evaluation.replicates=3"


def test_a_few_retrainings_that_all_diverged_are_not_refused_for_their_number():
    evidence = retrained(clear(), scored("sgd", [-math.inf] * 3))
    reason = "every one of the 3 retrainings of sgd diverged"
    assert refusal(evidence)[1] == f"Not compared: adam and sgd, {reason} (R08). Fix: evaluation.replicates=3."
    assert gate(evidence, "R07")[1] == f"no pair has scores of both levels: {reason}"


def test_under_k_fold_too():
    plain = with_design(clear(), folds=5, evaluation="kfold", rows={"train": 320, "val": 400, "report": 0})
    rows = [
        one
        for name in ("adam", "sgd")
        for one in folded(name, 0.9 + 0.01 * clear().confirm[0].correct[:15].reshape(3, 5))
    ]
    evidence = retrained(replace(plain, confirm=tuple(rows)), scored("sgd", [-math.inf]))
    assert refusal(evidence)[1].startswith("Not compared: adam and sgd, the only retraining of sgd diverged")


def test_a_seed_that_diverged_among_others_changes_no_remedy():
    assert "Fix:" not in refusal(diverged(clear(), 1))[1]
    assert missing_score(diverged(clear(), 1), "sgd") is None


@pytest.mark.parametrize("status", ["error", "oom"])
def test_keys_are_missing_also_where_all_of_a_level_are(status):
    rows = [replace(row, status=status, report=math.nan, correct=None) for row in clear().confirmed("sgd")]
    evidence = retrained(clear(), rows)
    again = "start the same command again"
    assert gate(evidence, "R08", "sgd") == (
        Action.WARN, "10 of 10 seeds have no score: there is nothing to compare", again,
    )  # fmt: skip
    reason = "none of the 10 retrainings of sgd has a score"
    assert refusal(evidence) == (("R08",), f"Not compared: adam and sgd, {reason} (R08). Fix: {again}.")
    assert gate(evidence, "R07") == (Action.REFUSE, f"no pair has scores of both levels: {reason}", again)


def test_keys_are_missing_also_where_a_recipe_was_never_retrained():
    evidence = retrained(clear(), [])
    assert gate(evidence, "R08", "sgd")[:2] == (
        Action.WARN, "10 of 10 seeds have no score: there is nothing to compare",
    )  # fmt: skip
    assert "the recipe of sgd has no retraining (R08)" in refusal(evidence)[1]


def test_retrainings_that_diverged_or_were_lost_are_told_apart():
    evidence = retrained(clear(), scored("sgd", [-math.inf] * 4 + [math.nan] * 6))
    assert "none of the 10 retrainings of sgd has a score (4 diverged)" in refusal(evidence)[1]
    assert not told(evidence)[0][1].startswith("On fresh seeds")
