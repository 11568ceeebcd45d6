"""The first screen: what it recommends, what it warns of, and the numbers beside each option."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.evidence import Evidence
from hpsearch.metrics import MSE
from tests.analysis.evidences import bitmaps, clear, design, diverged, level, of, retrained, scored, trials


def headline_of(evidence):
    return analyse(evidence).headline


def close(control=None, **shares):
    correct = bitmaps(shares, 10, spread=0.1)
    return of(*(retrained(name, one) for name, one in correct.items()), names=tuple(correct), control=control)


def test_a_winner_is_named_with_its_score_and_its_distance_to_the_next():
    head = headline_of(clear())
    assert head.status == "claim"
    assert head.sentence == (
        "Use adam: accuracy 0.9627 [0.9553, 0.9702] on 10 fresh seeds; "
        "the next, sgd, is 0.1685 [0.1594, 0.1767] behind."
    )


def test_of_several_that_are_not_separated_the_one_with_the_least_possible_loss_is_named_and_what_is_behind():
    head = headline_of(close(adam=0.95, nadam=0.948, sgd=0.9, rmsprop=0.951))
    safe = min(head.standings, key=lambda row: row.behind)
    assert head.status == "inconclusive"
    assert head.sentence.startswith(f"To choose now, take {safe.level}: accuracy ")
    assert " behind the best. adam, rmsprop and nadam cannot be told apart yet. " in head.sentence
    assert head.sentence.endswith("Avoid sgd (0.058 behind adam).")


def test_what_would_settle_the_two_highest_is_the_seeds_of_their_pair():
    findings = analyse(close(adam=0.95, nadam=0.948, sgd=0.9, rmsprop=0.951))
    pair = next(pair for pair in findings.pairs if {pair.a, pair.b} == {"adam", "rmsprop"})
    assert findings.headline.settle == (
        f"Settling adam against rmsprop at a difference of 0.01 takes about {pair.needed} seeds of each (10 so far)."
    )


def test_what_settles_it_says_how_long_that_takes_and_by_which_command():
    ran = {"retraining_s": 60.0, "overrides": ("+sweep=optimizers", "confirm.seeds=10")}
    head = headline_of(replace(close(adam=0.95, sgd=0.9, rmsprop=0.951), **ran))
    (needed,) = re.findall(r"takes about (\d+) seeds", head.settle)
    assert head.settle.endswith(f" seeds of each (10 so far), about {(int(needed) - 10) * 2} minutes here.")
    assert head.command == f"python -m hpsearch +sweep=optimizers confirm.max_seeds={needed}"


def test_levels_within_delta_leave_nothing_to_choose():
    noise = np.tile([0.001, -0.001], 5)
    head = headline_of(of(scored("a", 0.9 + noise, trial=1), scored("b", 0.9 - noise, trial=1), delta=0.02))
    assert head.status == "equivalent"
    assert head.sentence.startswith("Nothing to choose between a and b by their scores: each lies within 0.02 of")


def test_without_fresh_seeds_too_little_was_run():
    evidence = clear()
    head = headline_of(Evidence(evidence.design, evidence.trials))
    assert head.status == "exploratory"
    assert head.sentence.startswith("Too little was run to choose: no recipe was retrained on fresh seeds.")
    assert "adam is expected to score highest after 5 trials" in head.sentence


def test_too_few_seeds_are_told_with_their_difference_and_with_how_many_a_test_takes():
    head = headline_of(of(scored("a", [0.9, 0.8, 0.9], trial=1), scored("b", [0.1, 0.2, 0.3], trial=1)))
    assert (head.status, head.sentence) == (
        "exploratory",
        "a is ahead of b by 66.7 points, 3 fresh seeds each: not tested.",
    )
    assert head.settle == "A test takes at least 6 fresh seeds of each option: confirm.seeds=13"
    assert not any(row.letters for row in head.standings)


def singles(**scores):
    return of(*(scored(name, [score], trial=1) for name, score in scores.items()), names=tuple(scores))


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ({"sgd": 0.882, "momentum": 0.948}, "momentum is ahead of sgd by 6.6 points"),
        ({"a": 0.9, "b": 0.95, "c": 0.948}, "b is ahead of c by 0.2 points and a by 5 points"),
        ({"a": 0.9, "b": 0.95, "c": 0.95}, "b and c are ahead of a by 5 points"),
        ({"a": 0.9, "b": 0.9, "c": 0.9}, "a, b and c score alike"),
    ],
)
def test_single_runs_are_told_with_their_differences(scores, told):
    assert headline_of(singles(**scores)).sentence == f"{told}, one fresh seed each: not tested."


def test_of_many_single_runs_the_nearest_are_told_and_the_others_counted():
    scores = {name: 0.9 - 0.01 * at for at, name in enumerate("abcdefgh")}
    near = "a is ahead of b by 1 point, c by 2 points, d by 3 points, e by 4 points, f by 5 points and 2 others by more"
    assert headline_of(singles(**scores)).sentence == f"{near}, one fresh seed each: not tested."


def test_single_runs_of_an_error_differ_by_no_points():
    evidence = singles(a=-0.2, b=-0.5)
    evidence = replace(evidence, design=replace(evidence.design, metric=MSE))
    assert headline_of(evidence).sentence == "a is ahead of b by 0.3, one fresh seed each: not tested."


def test_an_option_that_diverged_is_to_be_avoided_for_that():
    head = headline_of(diverged(clear(), *range(1, 9)))
    assert head.status == "claim"
    assert head.sentence.endswith("Avoid sgd (8 of 10 fresh seeds diverged).")
    assert math.isnan(head.standings[1].mean)
    assert head.standings[1].failed_seeds == 8


def test_an_option_that_learned_nothing_anywhere_is_to_be_avoided_for_that():
    evidence = clear()
    stalled = tuple(replace(row, status="stalled", val=0.1 + row.k / 1e6, report=0.1) if row.level == "sgd" else row
                    for row in evidence.trials)  # fmt: skip
    three = tuple(scored("zeros", [0.5] * 10, trial=1))
    plan = replace(evidence.design, levels=(*evidence.design.levels, level("zeros")))
    head = headline_of(Evidence(plan, (*stalled, *trials("zeros", 0.9, 50)), (*evidence.confirm, *three)))
    assert "sgd (learned nothing in 50 of 50 trials)" in head.sentence


def test_an_exploratory_report_claims_nothing_and_says_why():
    head = headline_of(clear(exploratory="delta was changed after a look"))
    assert head.status == "exploratory"
    assert head.sentence == (
        "adam has the highest mean: accuracy 0.9627 [0.9553, 0.9702] on 10 fresh seeds. "
        "It proves nothing, for this report is exploratory: delta was changed after a look."
    )


def test_options_are_called_by_what_is_compared():
    evidence = close(a=0.95, b=0.951, c=0.949)
    called = {title: headline_of(replace(evidence, design=replace(evidence.design, title=title))).sentence
              for title in ("optimizer", "init", "batch size")}  # fmt: skip
    assert "The 3 optimizers a, b and c" in called["optimizer"]
    assert " The 3 initializers " in called["init"]
    assert " The 3 options " in called["batch size"]


def test_a_loss_is_told_in_its_own_sign():
    rows = [scored(name, [-value] * 9 + [-value - 0.01], trial=1) for name, value in (("a", 0.2), ("b", 0.5))]
    head = headline_of(of(*rows, metric=MSE, classes=0, delta=None))
    assert "Use a: mse 0.2010 [0.1987, 0.2033] on 10 fresh seeds" in head.sentence
    assert [row.worst for row in head.standings] == pytest.approx([-0.21, -0.51])


def test_one_level_has_no_first_screen():
    assert headline_of(Evidence(design(level("adam")), tuple(trials("adam", 0.9, 5)))) is None


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [8, 10])
def test_the_bound_behind_the_best_holds_for_all_options_at_once(seeds):
    """Hsu's bounds cover the true distances in at least 95 % of reports, whichever option is the best."""
    draw, truth, covered, reports = np.random.default_rng(5), {"a": 0.0, "b": 0.0, "c": -0.5}, 0, 150
    for _ in range(reports):
        common = draw.normal(size=seeds)
        rows = [scored(name, common + mean + draw.normal(0, 0.5, seeds), trial=1) for name, mean in truth.items()]
        found = {row.level: row.behind for row in headline_of(of(*rows, names=tuple(truth), metric=MSE)).standings}
        covered += all(max(truth.values()) - mean <= found[name] for name, mean in truth.items())
    assert covered / reports >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / reports)


def test_the_bound_behind_the_best_is_that_of_the_sign_flip_test():
    a, b = np.arange(10) / 100, np.arange(10)[::-1] / 100 + 0.3
    first, second = headline_of(of(scored("a", a, trial=1), scored("b", b, trial=1))).standings
    subsets = [np.mean((b - a)[[at for at in range(10) if chosen >> at & 1]]) for chosen in range(1, 1024)]
    assert (first.level, first.behind) == ("b", 0)
    assert second.behind == pytest.approx(sorted(subsets)[-51])  # the 51st highest, for 51 = floor(2 x 0.05 x 2^9)


@pytest.mark.parametrize(
    ("near", "words"),
    [
        (45, "a is the easiest to tune: 90 % of its trials come close to its best."),
        (24, "Of these, a came close to its best most often in the search: 48 % of its trials."),
    ],
)
def test_the_easiest_to_tune_is_called_so_only_where_the_shares_tell_it(near, words):
    def searched(name, hits):
        return [
            replace(row, val=0.9 - row.k / 1e5 if row.k <= hits else 0.5, report=0.9 if row.k <= hits else 0.5)
            for row in trials(name, 0.9, 50)
        ]

    noise = np.tile([0.01, -0.01, 0.02, -0.02, 0.0], 2)
    plan = design(level("a"), level("b"), delta=0.001)
    confirm = (*scored("a", 0.9 + noise, trial=1), *scored("b", 0.9 - noise, trial=1))
    sentence = headline_of(Evidence(plan, (*searched("a", near), *searched("b", 20)), confirm)).sentence
    assert words in sentence


def test_what_is_behind_on_these_rows_alone_is_said_to_be():
    rows = {"train": 800, "val": 400}
    correct = bitmaps({"adam": 0.95, "nadam": 0.948, "sgd": 0.9}, 10, spread=0.1)
    found = [retrained(name, one, keep=False) for name, one in correct.items()]
    assert headline_of(of(*found, names=tuple(correct), rows=rows)).sentence.endswith(
        "behind adam on these report rows)."
    )


# against a control


def test_what_is_better_than_the_control_is_to_be_used_and_what_is_worse_avoided():
    findings = analyse(close("adam", adam=0.9, nadam=0.95, sgd=0.85))
    nadam, sgd = findings.pairs
    low, high = nadam.ci_sim
    assert findings.headline.status == "claim"
    assert findings.headline.sentence == (
        f"Use nadam: accuracy 0.9578 [0.9510, 0.9645] on 10 fresh seeds. It is better than adam by {nadam.diff:.4f} "
        f"[{low:.4f}, {high:.4f}]. Avoid sgd ({-sgd.diff:.4f} behind adam)."
    )


def test_several_that_are_better_than_the_control_were_not_compared_with_each_other():
    sentence = headline_of(close("adam", adam=0.9, nadam=0.95, rmsprop=0.94)).sentence
    assert sentence.startswith(
        "Use nadam: accuracy 0.9578 [0.9510, 0.9645] on 10 fresh seeds, better than adam by 0.0553 ["
    )
    assert "]. Better than adam, too: rmsprop by 0.0465 [" in sentence
    assert sentence.endswith("]; they were not compared with each other.")


def test_where_nothing_is_shown_to_be_ahead_the_control_has_a_bound_of_what_keeping_it_costs():
    findings = analyse(close("adam", adam=0.95, nadam=0.951, rmsprop=0.948, sgd=0.9))
    assert findings.headline.status == "inconclusive"
    most = f"{findings.headline.standings[0].behind:.4f}"
    assert findings.headline.sentence == (
        "Stay with adam: accuracy 0.9637 [0.9572, 0.9703] on 10 fresh seeds, and nothing is shown to be ahead of it. "
        f"nadam and rmsprop cannot be told apart from it yet: staying with adam costs at most {most}. "
        "Avoid sgd (0.0525 behind adam)."
    )
    needed = findings.pairs[0].needed
    assert findings.headline.settle == (
        f"Settling nadam against adam at a difference of 0.01 takes about {needed} seeds of each (10 so far)."
    )


def test_a_control_that_is_ahead_of_all_others_is_the_winner():
    assert headline_of(close("adam", adam=0.95, nadam=0.9, sgd=0.85)).sentence.startswith(
        "Use adam: accuracy 0.9637 [0.9572, 0.9703] on 10 fresh seeds; the next, nadam, is 0.0630 ["
    )


def test_what_lies_within_delta_of_the_control_is_no_better_than_it():
    evidence = close("adam", adam=0.95, nadam=0.951, sgd=0.85)
    head = headline_of(replace(evidence, design=replace(evidence.design, delta=0.05)))
    assert head.status == "equivalent"
    assert head.sentence.startswith("Stay with adam: accuracy 0.9637 ")
    assert "nadam lies within 0.05 of it. Avoid sgd" in head.sentence


def test_a_control_whose_seeds_diverge_is_beaten_with_these_counted():
    sentence = headline_of(diverged(clear(control="sgd"), *range(1, 10))).sentence
    assert "It is better than sgd with failed seeds counted. Risk: sgd diverged on 9 of 10 fresh seeds [" in sentence


def test_with_a_control_no_letters_claim_anything_of_pairs_that_were_not_compared():
    assert {row.letters for row in headline_of(close("adam", adam=0.9, nadam=0.95, sgd=0.85)).standings} == {""}


def at_the_edge(**known):
    """`sgd` is behind, and its recipe has the highest learning rate of its range."""
    correct = bitmaps({"adam": 0.95, "sgd": 0.8}, 10)
    rows = [*trials("adam", 0.95, 50), *trials("sgd", 0.85, 50, at=0.99)]
    confirm = [row for name, one in correct.items() for row in retrained(name, one)]
    return Evidence(design(level("adam"), level("sgd")), tuple(rows), tuple(confirm), **known)


def test_an_option_that_may_be_under_tuned_is_told_with_the_difference_and_the_reason():
    head = headline_of(at_the_edge())
    assert head.status == "inconclusive"
    assert head.sentence.startswith("To choose now, take adam: accuracy ")
    assert "cannot be told apart" not in head.sentence
    assert head.sentence.endswith(
        " adam is 0.1685 [0.1594, 0.1767] ahead of sgd, which may be under-tuned: "
        "lr = 0.99 lies in the outer 5 % of its range 0.001 to 1."
    )


def test_what_settles_it_is_a_wider_search_with_its_command():
    head = headline_of(at_the_edge(overrides=("+sweep=optimizers", "confirm.seeds=10")))
    assert head.settle == "Settling adam against sgd takes a search that tunes sgd further."
    assert head.command == "python -m hpsearch +sweep=optimizers search.space.optimizer.sgd.lr.high=10.0"


def test_the_cost_names_the_time_of_all_trainings_where_it_is_known():
    assert headline_of(replace(clear(), training_s=1500.0)).cost.endswith(": about 25 minutes of training here")
    assert headline_of(clear()).cost == "100 trials of 2 options and 20 retrainings on fresh seeds, 5 epochs each"
