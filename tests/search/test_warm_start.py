"""Sweeps that begin with the best trials of an earlier one: which they take, which they refuse, and that they stay."""

from dataclasses import replace

import pytest

from hpsearch.compose.comparison import plan_levels
from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError
from hpsearch.errors import NotFoundError
from hpsearch.records import Status, Trial, TrialResult
from hpsearch.search.checks import check_warm_start
from hpsearch.search.plan import Plan
from hpsearch.search.warm_start import warm_start
from hpsearch.store.specification import Specification
from hpsearch.store.sweep_store import SweepStore
from tests.specifications import DIGITS

SEARCH = ("data=digits", "search.tune=[optimizer]", "search.trials=20")
WARM = (*SEARCH, "search.enqueue_from=earlier")


@pytest.fixture
def planned(tmp_path):
    """The plan of a command."""

    def plan(*overrides):
        composer = Composer([*overrides, f"tracking.directory={tmp_path}"])
        base = composer.compose()
        return Plan(base, plan_levels(composer, base), "d" * 64)

    return plan


@pytest.fixture
def started(tmp_path):
    """Freezes a plan as the sweep of this name, and stores trials: `started(plan, "s", [({"lr": 0.1}, 0.9), ...])`."""

    def start(plan, name, trials=()):
        config, asked = plan.base.config, plan.fingerprinted()
        store = SweepStore(tmp_path, name)
        if store.specification() is None:
            store.folder.mkdir(parents=True)
            named = config.name is not None
            store.freeze(Specification(name, named, None, asked.fingerprint, asked, DIGITS, "auto", [], 1))
        first = len(store.records())
        for k, (values, score) in enumerate(trials, first):
            trial = plan.realize(("-", k), values)
            status = Status.OK if score is not None else Status.DIVERGED
            result = TrialResult(status, None if score else "diverged", score, None, {}, {}, [], [])
            store.write_attempt(store.begin_attempt("-", k), Trial("-", k, values, trial.config), result, {})
        return store

    return start


def adam(lr):
    return {"optimizer.adam.lr": lr}


def test_the_best_trials_come_first_and_the_others_are_drawn_as_without_them(planned, started):
    trials = [(adam(0.001), 0.5), (adam(0.002), 0.9), (adam(0.003), None), (adam(0.004), 0.7)]
    started(planned(*SEARCH, "name=earlier"), "earlier", trials)
    warm, said = warm_start(planned(*WARM, "search.enqueue_best=2"))
    assert [warm.trial(("-", k)).values for k in range(2)] == [adam(0.002), adam(0.004)]
    plain = planned(*SEARCH)
    assert [warm.trial(("-", k)).values for k in (2, 3)] == [plain.trial(("-", k)).values for k in (2, 3)]
    assert said == ["the values of 2 trials of sweep earlier: 1, 3"]
    assert warm.search.enqueue == [adam(0.002), adam(0.004)]


def test_they_come_after_those_that_the_user_gives_and_repeat_none(planned, started):
    started(planned(*SEARCH, "name=earlier"), "earlier", [(adam(0.001), 0.5), (adam(0.002), 0.9)])
    warm, _ = warm_start(planned(*WARM, "search.enqueue=[{optimizer.lr: 0.002}]"))
    assert warm.search.enqueue == [{"optimizer.lr": 0.002}, adam(0.001)]


def test_a_sweep_goes_on_with_the_trials_that_it_began_with(planned, started):
    earlier = planned(*SEARCH, "name=earlier")
    started(earlier, "earlier", [(adam(0.001), 0.5)])
    for name, asked in (("mine", (*WARM, "name=mine")), ("run", WARM)):
        began, _ = warm_start(planned(*asked))
        started(began, name)
    started(earlier, "earlier", [(adam(0.002), 0.9)])
    for asked in ((*WARM, "name=mine"), WARM):
        again, said = warm_start(planned(*asked))
        assert again.search.enqueue == [adam(0.001)]
        assert again.fingerprinted().fingerprint == began.fingerprinted().fingerprint
        assert said == []
    later, _ = warm_start(planned(*WARM, "name=later"))
    assert later.search.enqueue == [adam(0.002), adam(0.001)]


def test_a_sweep_that_began_goes_on_without_the_earlier_one(planned, started, tmp_path):
    store = started(planned(*SEARCH, "name=earlier"), "earlier", [(adam(0.001), 0.5)])
    began, _ = warm_start(planned(*WARM, "name=mine"))
    started(began, "mine")
    store.folder.rename(tmp_path / "elsewhere")
    check_warm_start(began.base.config)
    assert warm_start(planned(*WARM, "name=mine"))[0].search.enqueue == [adam(0.001)]
    with pytest.raises(NotFoundError, match=r"search.enqueue_from=earlier is no sweep in "):
        warm_start(planned(*WARM, "name=other"))


def test_values_that_the_earlier_sweep_fixed_are_taken_too(planned, started):
    started(planned(*SEARCH, "name=earlier", "model.depth=3", "model.width=80"), "earlier", [(adam(0.001), 0.5)])
    tune = "search.tune=[optimizer,model]"
    warm, _ = warm_start(planned(*WARM, tune, "search.space.model.mlp.width={low: 10, high: 99}"))
    assert warm.search.enqueue == [{"model.mlp.depth": 3, "model.mlp.width": 80, **adam(0.001)}]


def test_what_the_earlier_sweep_does_not_have_is_drawn(planned, started):
    started(planned(*SEARCH, "name=earlier"), "earlier", [(adam(0.001), 0.5)])
    warm, _ = warm_start(planned(*WARM, "search.tune=[optimizer,regularization]", "regularization=weight_decay"))
    assert warm.search.enqueue == [adam(0.001)]
    assert warm.trial(("-", 0)).values.keys() == {"optimizer.adam.lr", "regularization.weight_decay.weight_decay"}


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["optimizer.space.lr.high=0.005"], "trial 0: optimizer.adam.lr must be a number from 0.0001 to 0.005, got"),
        (["optimizer=sgd"], "trial 0: optimizer=adam, which is sgd here"),
        (["search.choose.optimizer=[sgd,momentum]"], "trial 0: optimizer=adam, which is sgd or momentum here"),
        (["optimizer.lr=0.5", "search.tune=[optimizer,model]"], "trial 0: optimizer.lr=0.01, which is 0.5 here"),
    ],
)
def test_a_trial_that_does_not_lie_in_the_space_is_left_out_with_the_reason(planned, started, overrides, reason):
    started(planned(*SEARCH, "name=earlier"), "earlier", [(adam(0.01), 0.5)])
    with pytest.raises(ConfigError, match=r"search.enqueue_from=earlier: none of its trials fits: ") as refused:
        warm_start(planned(*WARM, *overrides))
    assert reason in str(refused.value)


def test_worse_trials_stand_in_for_those_that_do_not_fit(planned, started):
    trials = [(adam(0.001 * k), 0.1 * k) for k in range(1, 9)]
    started(planned(*SEARCH, "name=earlier"), "earlier", trials)
    warm, said = warm_start(planned(*WARM, "optimizer.space.lr.high=0.0035", "search.enqueue_best=2"))
    assert warm.search.enqueue == [adam(0.003), adam(0.002)]
    assert said[1].startswith("not of better ones, which do not fit: trial 7: optimizer.adam.lr must be ")
    assert said[1].endswith("; and 2 more")


def test_trials_beyond_a_constraint_are_left_out(planned, started):
    sizes = [({"model.mlp.depth": depth, "model.mlp.width": 50, **adam(0.001)}, 0.1 * depth) for depth in (1, 2, 3)]
    tune = "search.tune=[optimizer,model]"
    started(planned(*SEARCH, tune, "name=earlier"), "earlier", sizes)
    plan = planned(*WARM, tune, "search.constraints=['parameters<=2']")
    plan = replace(plan, cost_of=lambda _, config: float(config.model.depth))
    warm, said = warm_start(plan)
    assert [point["model.mlp.depth"] for point in warm.search.enqueue] == [2, 1]
    assert said[1] == "not of better ones, which do not fit: trial 2: search.constraints do not hold for it"


def test_sizes_of_layers_do_not_stand_for_a_depth_and_a_width(planned, started):
    started(planned(*SEARCH, "name=earlier", "model.widths=[8,4]"), "earlier", [(adam(0.001), 0.5)])
    with pytest.raises(ConfigError, match=r"model.widths=\[8, 4\], in place of which depth and width are drawn here"):
        warm_start(planned(*WARM, "search.tune=[optimizer,model]"))


def test_a_sweep_without_a_score_is_refused(planned, started):
    started(planned(*SEARCH, "name=earlier"), "earlier", [(adam(0.001), None)])
    with pytest.raises(ConfigError, match="none of its trials fits, since none of them has a score that counts"):
        warm_start(planned(*WARM))


def test_an_unknown_sweep_is_answered_with_the_nearest_name(planned, started):
    started(planned(*SEARCH, "name=earlier"), "earlier")
    with pytest.raises(NotFoundError, match=r"search.enqueue_from=earlyer is no sweep in .*: did you mean earlier\?"):
        check_warm_start(planned(*SEARCH, "search.enqueue_from=earlyer").base.config)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["search.trials=3"], "must not be more than the 3 of search.trials=3 that search.enqueue leaves, got 5"),
        (["search.compare=optimizer"], "which search.enqueue_from prevents"),
        (["search=coarse_to_fine"], "search.enqueue_from=earlier cannot be given with search=coarse_to_fine"),
        (["search.enqueue_from=null", "search.enqueue_best=2"], "has no effect without an earlier sweep"),
    ],
)
def test_what_makes_no_sense_is_refused(planned, started, overrides, expected):
    started(planned(*SEARCH, "name=earlier"), "earlier", [(adam(0.001), 0.5)])
    with pytest.raises(ConfigError, match=expected):
        check_warm_start(planned(*WARM, *overrides).base.config)
