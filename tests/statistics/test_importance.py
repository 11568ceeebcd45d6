"""Importance of parameters: the divergence by hand, Optuna's evaluator as a second opinion, and what noise gets."""

import numpy as np
import optuna
import pytest

from hpsearch.statistics.importance import importances

QUANTILE = 0.2


def trials(seed, n=100, names="abc"):
    rng = np.random.default_rng(seed)
    return {name: rng.random(n) for name in names}, rng


def found(score, parameters, **options):
    return {row.name: row for row in importances(score, parameters, seed=1, **{"resamples": 300, **options})}


def optunas(score, parameters, categories=()):
    """Shares by Optuna's evaluator; NaN is a parameter that a trial has not."""

    def distribution(name, values):
        if name in categories:
            return optuna.distributions.CategoricalDistribution(sorted(set(values[~np.isnan(values)].tolist())))
        return optuna.distributions.FloatDistribution(0, 1)

    distributions = {name: distribution(name, values) for name, values in parameters.items()}
    study = optuna.create_study(direction="maximize")
    for i, value in enumerate(score):
        params = {name: float(values[i]) for name, values in parameters.items() if not np.isnan(values[i])}
        own = {name: distributions[name] for name in params}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=own, value=float(value)))
    raw = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=QUANTILE).evaluate(study)
    return {name: value / sum(raw.values()) for name, value in raw.items()}


@pytest.fixture(autouse=True)
def _quiet():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


def by_hand(codes, top):
    """½ Σ (p_top/p_all - 1)² p_all of categories, each with one trial's weight added to the top."""
    n_top, levels = top.sum(), np.unique(codes)
    blur = n_top / (n_top + len(levels))
    p_all = np.array([np.mean(codes == c) for c in levels]) * blur + (1 - blur) / len(levels)
    p_top = np.array([np.mean(codes[top] == c) for c in levels]) * blur + (1 - blur) / len(levels)
    return ((p_top / p_all - 1) ** 2 * p_all).sum() / 2


def test_the_shares_of_categories_are_their_divergences():
    _, rng = trials(1)
    parameters = {"two": rng.integers(2, size=100) * 1.0, "five": rng.integers(5, size=100) * 3.0}
    score = parameters["two"] + rng.normal(size=100)
    top = np.argsort(np.argsort(-score)) < 20
    expected = {name: by_hand(codes, top) for name, codes in parameters.items()}
    rows = found(score, parameters, categories=("two", "five"))
    for name, row in rows.items():
        assert row.share == pytest.approx(expected[name] / sum(expected.values()))


@pytest.mark.parametrize("seed", range(5))
def test_ranking_and_shares_are_those_of_optuna(seed):
    parameters, rng = trials(seed, n=200, names="abcd")
    parameters["cat"] = rng.integers(3, size=200).astype(float)
    score = -4 * (parameters["a"] - 0.6) ** 2 - (parameters["b"] - 0.3) ** 2 + 0.03 * rng.normal(size=200)
    ours = found(score, parameters, categories=("cat",))
    theirs = optunas(score, parameters, ("cat",))
    assert [*ours][:2] == sorted(theirs, key=theirs.get, reverse=True)[:2] == ["a", "b"]
    for name, row in ours.items():
        assert row.share == pytest.approx(theirs[name], abs=0.15), name


def test_a_conditional_parameter_counts_as_optuna_counts_it():
    parameters, rng = trials(6, n=300, names="ab")
    used = parameters["b"] > 0.5
    parameters["momentum"] = np.where(used, rng.random(300), np.nan)
    gain = np.where(used, 1 - 4 * (np.nan_to_num(parameters["momentum"]) - 0.5) ** 2, 0.0)
    score = gain + 0.3 * rng.normal(size=300)
    ours, theirs = found(score, parameters), optunas(score, parameters)
    assert [*ours] == sorted(theirs, key=theirs.get, reverse=True)
    for name, row in ours.items():
        assert row.share == pytest.approx(theirs[name], abs=0.15), name


def test_shares_sum_to_one_and_lie_in_their_intervals():
    parameters, rng = trials(7)
    rows = importances(rng.random(100), parameters, seed=1, resamples=300)
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert [row.share for row in rows] == sorted((row.share for row in rows), reverse=True)
    assert all(0 <= row.low <= row.share <= row.high <= 1 for row in rows)


def test_a_parameter_that_decides_alone_is_told_from_its_dummy():
    parameters, rng = trials(8)
    rows = found(-((parameters["a"] - 0.5) ** 2) + 0.01 * rng.normal(size=100), parameters)
    assert rows["a"].evidence
    assert rows["a"].low > rows["a"].dummy_high > rows["a"].dummy
    assert not rows["b"].evidence
    assert not rows["c"].evidence


def test_a_share_above_the_dummy_is_no_evidence_while_its_interval_reaches_down_to_it():
    parameters, rng = trials(0)
    score = -4 * (parameters["a"] - 0.6) ** 2 - (parameters["b"] - 0.3) ** 2 + 0.05 * rng.normal(size=100)
    row = found(score, parameters)["b"]
    assert row.low < row.dummy_high < row.share
    assert not row.evidence


def test_noise_is_no_evidence():
    claims = 0
    for seed in range(40):
        parameters, rng = trials(100 + seed, n=60)
        parameters["cat"] = rng.integers(6, size=60).astype(float)
        rows = found(rng.random(60), parameters, categories=("cat",), resamples=200)
        claims += sum(row.evidence for row in rows.values())
    assert claims <= 2


def test_a_parameter_of_noise_gets_what_its_dummy_gets():
    shares, dummies = [], []
    for seed in range(30):
        parameters, rng = trials(200 + seed)
        shares.append(found(rng.random(100), parameters, resamples=50)["a"].share)
        dummies.append(found(rng.random(100), parameters, resamples=50)["a"].dummy)
    assert np.mean(dummies) == pytest.approx(np.mean(shares), abs=4 * np.std(shares) / np.sqrt(30))


def test_only_ranks_of_scores_and_the_shape_of_values_matter():
    parameters, rng = trials(9)
    score = parameters["a"] + 0.2 * rng.normal(size=100)
    moved = {"a": 5 * parameters["a"] - 3, "b": -parameters["b"], "c": parameters["c"]}
    assert [row.share for row in found(np.exp(score), moved).values()] == pytest.approx(
        [row.share for row in found(score, parameters).values()]
    )


def test_trials_tied_at_the_edge_of_the_top_count_in_part():
    rng = np.random.default_rng(10)
    score = np.array([1.0] * 10 + [0.5] * 60 + [0.0] * 30)  # 10 of the 60 complete the top 20
    parameters = {"a": rng.random(100), "b": rng.random(100)}
    order = rng.permutation(60) + 10
    shuffled = {name: np.concatenate([v[:10], v[order], v[70:]]) for name, v in parameters.items()}
    for name, row in found(score, parameters).items():
        assert found(score, shuffled)[name].share == pytest.approx(row.share)


def test_a_parameter_that_never_varies_or_never_occurs_has_no_importance():
    parameters, rng = trials(11, names="a")
    parameters |= {"fixed": np.full(100, 0.3), "absent": np.full(100, np.nan)}
    rows = found(parameters["a"] + 0.1 * rng.random(100), parameters)
    assert [rows[name].share for name in ("a", "fixed", "absent")] == [1, 0, 0]
    assert not rows["fixed"].evidence


def test_failed_trials_are_the_worst():
    parameters, _ = trials(12)
    score = np.where(parameters["a"] > 0.5, -np.inf, parameters["b"])
    worst = np.where(parameters["a"] > 0.5, -1.0, parameters["b"])
    assert found(score, parameters) == found(worst, parameters)


@pytest.mark.parametrize(("n", "quantile", "top"), [(49, 0.2, 9), (60, 0.05, 3)])
def test_too_few_trials_have_no_importance(n, quantile, top):
    parameters, rng = trials(13, n=n)
    with pytest.raises(ValueError, match=rf"^R13: importance needs 50 trials and 5 top ones, got {n} and {top}$"):
        importances(rng.random(n), parameters, seed=0, quantile=quantile)


@pytest.mark.parametrize("n", [50, 67, 100, 333])
def test_scores_that_do_not_vary_have_no_importance(n):
    parameters, _ = trials(14, n=n)
    with pytest.raises(ValueError, match=r"^scores and parameters must vary"):
        importances(np.ones(n), parameters, seed=0)


def test_a_seed_gives_the_same_importances():
    parameters, rng = trials(15)
    score = rng.random(100)
    assert found(score, parameters) == found(score, parameters)
