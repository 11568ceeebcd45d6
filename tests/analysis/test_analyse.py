"""From evidence to findings: what holds for any legal evidence, and what is refused."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpsearch.analysis.analyse import analyse, digest_of
from hpsearch.analysis.comparison.verdict import ClaimKind
from hpsearch.analysis.evidence import ConfirmRow, Evidence, TrialRow
from hpsearch.analysis.findings import Action
from hpsearch.metrics import MSE
from hpsearch.statistics.paired_tests import minimum_seeds
from tests.analysis.comparison.claim_words import forbidden
from tests.analysis.evidences import (
    LR,
    clear,
    design,
    folded,
    level,
    odd_evidences,
    retrained,
    scored,
    trials,
    with_design,
)

CODES = {f"R{at:02d}" for at in range(1, 24)}


MISCOUNTED = re.compile(
    r"(?<![\d.,]) 1 (?:\w+ )?(?:levels|trials|epochs|seeds|folds|rows|draws|keys|openings|contenders|configurations) "
)


def texts_of(findings):
    """Every sentence of the findings, names of levels taken out: they are words of the user's."""
    told = [one.sentence for one in findings.answers] + [pair.sentence for pair in findings.pairs]
    told += [findings.headline.sentence, findings.headline.settle] if findings.headline is not None else []
    told += [text for gate in findings.gates for text in (gate.reason, gate.fix)] + list(findings.limits)
    return [text.replace("best", "") if "best" in _names(findings) else text for text in told]


def _names(findings):
    return [one.name for one in findings.evidence.design.levels]


def assert_honest(findings):
    """What holds for any findings."""
    plan, pairs = findings.evidence.design, findings.pairs
    claimed = any(pair.claim != "none" for pair in pairs)
    single = len(findings.contenders) == 1
    for text in texts_of(findings):
        assert forbidden(text, claimed=claimed, single_contender=single) == [], text
        assert not MISCOUNTED.search(text), text
    assert findings.contenders
    assert set(findings.contenders) <= set(_names(findings))
    assert {gate.rule for gate in findings.gates} == CODES
    assert findings.answers[-1].sentence.startswith("Applies to: ")
    assert {one.status for one in findings.answers} <= {
        "claim",
        "equivalent",
        "inconclusive",
        "refused",
        "exploratory",
        "scope",
    }
    assert set(findings.explored) == set(_names(findings))
    for pair in pairs:
        assert_honest_pair(pair, plan, findings.looks)
        assert_allowed(pair, [gate for gate in findings.gates if gate.action in (Action.DOWNGRADE, Action.REFUSE)])
    beaten = {behind(pair) for pair in pairs if pair.claim == ClaimKind.FULL}
    assert beaten == set(_names(findings)) - set(findings.contenders)


RELIABLE = ("more_reliable", "less_reliable")


def behind(pair):
    """The level that a claim is about the defeat of."""
    ahead = pair.state == "more_reliable" if pair.state in RELIABLE else pair.diff > 0
    return pair.b if ahead else pair.a


def assert_honest_pair(pair, plan, looks):
    assert (pair.state == "refused") <= bool(pair.refused) <= (pair.state in ("refused", *RELIABLE))
    assert pair.sentence
    if pair.claim != "none":
        need = 2 if plan.folds > 1 else minimum_seeds(max(1, len(plan.pairs)), plan.alpha / looks)
        assert pair.n >= need
        assert (pair.p_reliability if pair.state in RELIABLE else pair.p_adjusted) <= plan.alpha / looks
        assert pair.ci_sim[0] > 0 or pair.ci_sim[1] < 0 or pair.state in RELIABLE
        assert plan.exploratory is None
    if math.isfinite(pair.diff) and all(map(math.isfinite, pair.ci_sim)):
        assert pair.ci_sim[0] <= pair.diff + 1e-12
        assert pair.diff <= pair.ci_sim[1] + 1e-12


def assert_allowed(pair, broken):
    """A rule about a level holds in every pair with it, a rule about all levels in every pair."""
    excused = {gate.level for gate in broken if gate.rule in ("R17", "R18")}
    assert pair.claim == "none" or behind(pair) not in excused
    unequal = {gate.level for gate in broken if gate.rule in ("R06", "R08", "R09", "R10", "R11")}
    assert pair.refused or not {None, pair.a, pair.b} & unequal


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(odd_evidences())
def test_any_legal_evidence_gives_honest_findings(evidence):
    assert_honest(analyse(evidence, seed=1))


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(odd_evidences())
def test_any_of_many_legal_evidences_gives_honest_findings(evidence):
    assert_honest(analyse(evidence, seed=1))


def one_trial():
    return Evidence(design(level("adam")), (TrialRow("adam", 1, "ok", 0.5, 0.5, {LR: 0.1}),))


def nothing_confirmed():
    return replace(clear(), confirm=())


def all_diverged():
    worst = [TrialRow("adam", k, "diverged", 0.0, 0.0, {LR: 0.1}) for k in (1, 2)]
    both = Evidence(design(level("adam"), level("sgd")), (*worst, *(replace(row, level="sgd") for row in worst)))
    lost = [*scored("adam", [-math.inf] * 10), *scored("sgd", [-math.inf] * 10)]
    return replace(both, confirm=tuple(lost))


def folds_without_report():
    draw = np.random.default_rng(0)
    rows = [*folded("adam", draw.normal(0.9, 0.01, (4, 5))), *folded("sgd", draw.normal(0.7, 0.01, (4, 5)))]
    plain = with_design(clear(), folds=5, evaluation="kfold", rows={"train": 800, "val": 1000})
    bare = tuple(replace(row, report=math.nan) for row in plain.trials)
    return replace(plain, trials=bare, confirm=tuple(rows))


def regression_with_losses_of_infinity():
    plain = with_design(clear(), metric=MSE, classes=0, delta=1.0)
    rows = [replace(row, val=-10 * row.val, report=-10 * row.report) for row in plain.trials]
    rows[3] = replace(rows[3], status="diverged", val=-math.inf, report=-math.inf)
    confirm = [*scored("adam", [-1.0, -1.1] * 5), *scored("sgd", [-3.0, -math.inf] * 5)]
    return replace(plain, trials=tuple(rows), confirm=tuple(confirm))


def ties_everywhere():
    same = tuple(replace(row, val=0.5, report=0.5) for row in clear().trials)
    return replace(clear(), trials=same, confirm=(*scored("adam", [0.5] * 10), *scored("sgd", [0.5] * 10)))


def retrainings_alone():
    return replace(clear(), trials=())


def lost_retrainings():
    return replace(clear(), confirm=(*scored("adam", [math.nan] * 3), *scored("sgd", [math.nan] * 3)))


def one_level_lost():
    return replace(clear(), confirm=(*scored("adam", [0.9] * 10), *scored("sgd", [math.nan] * 10)))


def one_seed():
    return replace(clear(), confirm=tuple(row for row in clear().confirm if row.key == 1))


def keys_apart():
    rows = clear().confirm
    return replace(clear(), confirm=tuple(replace(row, key=row.key + 100 * (row.level == "sgd")) for row in rows))


def no_rows_known():
    return with_design(clear(), rows={})


ZOO = (
    one_trial, nothing_confirmed, all_diverged, folds_without_report, regression_with_losses_of_infinity,
    ties_everywhere, retrainings_alone, lost_retrainings, one_level_lost, one_seed, keys_apart, no_rows_known, clear,
)  # fmt: skip


@pytest.mark.parametrize("made", ZOO, ids=lambda made: made.__name__)
def test_odd_evidence_gives_honest_findings(made):
    assert_honest(analyse(made()))


def test_two_levels_that_diverged_everywhere_are_not_called_equivalent():
    (pair,) = analyse(all_diverged()).pairs
    assert pair.state == "refused"
    assert pair.refused == ("R08",)
    assert pair.superiority == 0.5


def test_levels_that_tie_everywhere_are_equivalent_and_not_claimed():
    (pair,) = analyse(ties_everywhere()).pairs
    assert (pair.state, pair.claim, pair.p, pair.ci_sim) == ("equivalent", "none", 1.0, (0.0, 0.0))


def test_the_same_evidence_gives_the_same_findings():
    assert repr(analyse(clear())) == repr(analyse(clear()))


def test_a_trial_that_is_never_selected_changes_n_and_raises_no_curve():
    # Of R_k this holds where report scores rise with val: else the weight that leaves the top may go to a higher one.
    plain = clear()
    rising = tuple(replace(row, report=row.val - 0.01) for row in plain.trials)
    worst = TrialRow("adam", 51, "diverged", 0.0, 0.0, {LR: 0.5})
    before, after = (analyse(replace(plain, trials=rows)).explored["adam"].curve for rows in (rising, (*rising, worst)))
    common, at_before, at_after = np.intersect1d(before.ks, after.ks, return_indices=True)
    assert len(common) > 10
    assert (after.expected[at_after] <= before.expected[at_before] + 1e-12).all()
    assert (after.report[at_after] <= before.report[at_before] + 1e-12).all()
    assert after.ks[-1] == before.ks[-1] + 1


def test_trials_whose_values_were_given_are_no_random_draws():
    plain = clear()
    given = TrialRow("adam", 0, "ok", 1.0, 1.0, {LR: 0.5}, enqueued=True)
    with_it = analyse(replace(plain, trials=(given, *plain.trials)))
    curve, expected = (found.explored["adam"].curve for found in (with_it, analyse(plain)))
    assert curve.expected.tolist() == expected.expected.tolist()
    assert curve.ks.tolist() == expected.ks.tolist()
    assert with_it.evidence.given("adam") == [given]


def test_the_digest_does_not_depend_on_the_order_of_rows():
    rows = clear().confirm
    assert digest_of(replace(clear(), confirm=rows[::-1])) == digest_of(clear())
    assert len(digest_of(clear())) == 16


@pytest.mark.parametrize(
    "changed",
    [{"report": 0.123}, {"status": "stalled"}, {"key": 99}, {"folds": (0.1, 0.2)}, {"curves": {"val/accuracy": [0.1]}},
     {"correct": None}, {"trial": 7}],
)  # fmt: skip
def test_the_digest_changes_with_anything_that_a_retraining_says(changed):
    first, *rest = clear().confirm
    assert digest_of(replace(clear(), confirm=(replace(first, **changed), *rest))) != digest_of(clear())


def test_looks_count_distinct_sets_of_retrainings_this_one_included():
    shown = digest_of(clear())
    assert analyse(clear()).looks == 1
    assert analyse(clear(shown_before=(shown, shown))).looks == 1
    assert analyse(clear(shown_before=("0" * 16, shown))).looks == 2
    assert analyse(clear(shown_before=("0" * 16, "1" * 16))).looks == 3


def test_a_report_that_showed_no_retraining_was_no_look():
    nothing = digest_of(nothing_confirmed())
    assert analyse(nothing_confirmed()).looks == 1
    assert analyse(clear(shown_before=(nothing,))).looks == 1


def test_alpha_is_divided_by_the_looks():
    (once,), (again,) = (analyse(clear(shown_before=seen)).pairs for seen in ((), ("0" * 16, "1" * 16, "2" * 16)))
    assert np.ptp(again.ci_sim) > np.ptp(once.ci_sim)
    assert "adjusted 98.75 % interval" in again.sentence


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (lambda e: with_design(e, levels=()), "optimizers must have at least one level, got none"),
        (lambda e: with_design(e, levels=(level("adam"), level("adam"))), "each level must occur once, got 'adam'"),
        (lambda e: with_design(e, control="nadam"), "control must be a level, one of adam, sgd, got 'nadam'"),
        (lambda e: with_design(e, alpha=0.0), "alpha must lie between 0 and 1, got 0.0"),
        (lambda e: with_design(e, delta=0.0), "delta must be > 0, or None, got 0.0"),
        (lambda e: with_design(e, levels=(level("adam"),)), "rows must be of a level, one of adam, got 'sgd'"),
        (
            lambda e: with_design(e, levels=(*e.design.levels, level("new"))),
            "level 'new' must have trials or retrainings, got none",
        ),
        (lambda e: replace(e, trials=(*e.trials, e.trials[0])), r"each trial must occur once, got \('adam', 1\)"),
        (
            lambda e: replace(e, confirm=(*e.confirm, e.confirm[0])),
            r"each retraining must occur once, got \('adam', 1\)",
        ),
    ],
)
def test_evidence_that_contradicts_itself_is_refused(spoiled, message):
    with pytest.raises(ValueError, match=message):
        analyse(spoiled(clear()))


def test_refused_order_statistics_leave_no_curves_and_no_probabilities():
    found = analyse(clear(sampler="tpe"))
    assert found.best_probability == {}
    assert found.flips == ()
    assert all(one.curve is None for one in found.explored.values())


def test_levels_that_may_not_be_compared_have_no_probabilities_either():
    found = analyse(clear(mismatched=("data.limit",)))
    assert found.best_probability == {}
    assert [pair.refused for pair in found.pairs] == [("R09",)]
    assert found.explored["adam"].curve is not None


def test_keys_that_the_search_had_leave_the_search_as_it_is():
    found = analyse(clear(search_keys=(1,)))
    assert [pair.refused for pair in found.pairs] == [("R06",)]
    assert found.best_probability


def test_gates_are_sorted_by_code():
    codes = [gate.rule for gate in analyse(clear()).gates]
    assert codes == sorted(codes)


@given(st.permutations(range(20)))
@settings(max_examples=5, deadline=None)
def test_the_order_of_retrainings_changes_nothing(order):
    rows = clear().confirm
    again = replace(clear(), trials=clear().trials[:4] + clear().trials[50:54], confirm=tuple(rows[at] for at in order))
    plain = replace(again, confirm=rows)
    assert repr(analyse(again).pairs) == repr(analyse(plain).pairs)


def test_a_passing_gate_says_why():
    passed = [gate for gate in analyse(clear()).gates if gate.action is Action.PASS]
    assert len(passed) > 20
    assert all(gate.reason and not gate.fix for gate in passed)


def test_retrainings_alone_are_compared():
    (pair,) = analyse(retrainings_alone()).pairs
    assert pair.claim == "full"
    assert "these recipes" in pair.sentence


def test_a_single_level_compares_nothing():
    confirm = tuple(retrained("adam", np.ones((10, 50), dtype=bool)))
    found = analyse(Evidence(design(level("adam")), tuple(trials("adam", 0.9, 5)), confirm))
    assert found.pairs == ()
    assert found.answers[0].sentence == (
        "Nothing is compared: there is one level. Its recipe scores 1.000 [1.000, 1.000] over 10 fresh seeds "
        "(95 % over seeds)."
    )
    assert isinstance(confirm[0], ConfirmRow)


def test_what_is_found_of_a_level_is_found_once():
    evidence, asked = clear(), []

    def find(_, level):
        asked.append(level)
        return level.upper()

    names = [level.name for level in evidence.design.levels]
    assert [evidence.once(find, name) for name in (*names, *names)] == [name.upper() for name in (*names, *names)]
    assert asked == names
