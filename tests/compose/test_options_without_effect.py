"""What a model does not read cannot be searched or asked for."""

from functools import partial

import pytest

from hpsearch.commands.dispatch import _options_of
from hpsearch.compose.composer import Composer
from hpsearch.compose.search_space import adamw_without_decay
from hpsearch.config import ConfigError


@pytest.fixture
def plan(planned):
    return partial(planned, "data=digits")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=linear", "activation=tanh"], "activation=tanh has no effect on model=linear: drop it"),
        (["model=perceptron", "search.choose.norm=[none,before]"], "search.choose.norm has no effect on model=percep"),
        (["model=custom", "model.import_path=a:b", "init=he"], "init=he has no effect on model=custom: drop it"),
        (["model=linear", "regularization=dropout"], "regularization=dropout has no effect on model=linear, which has"),
        (["search.choose.model=[linear,perceptron]", "norm=after"], "norm=after has no effect on model=linear or perc"),
    ],
)
def test_what_no_model_reads_is_refused(plan, overrides, message):
    with pytest.raises(ConfigError) as refused:
        plan(*overrides)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ((), ("norm", "regularization")),
        (("search.choose.norm=[]",), ("regularization",)),
        (("search.choose.regularization=[none,weight_decay]",), ("norm",)),
    ],
)
def test_what_an_action_searches_without_effect_is_refused_with_what_changes_it(plan, given, left):
    sentences = {
        "norm": "search.choose.norm of +sweep=mnist has no effect on model=linear: add 'search.choose.norm=[]'",
        "regularization": "search.choose.regularization of +sweep=mnist has no effect on model=linear, which has no "
        "hidden units to drop: add 'search.choose.regularization=[none,weight_decay]'",
    }
    with pytest.raises(ConfigError) as refused:
        plan("+sweep=mnist", "model=linear", *given)
    assert refused.value.problems == tuple(sentences[group] for group in left)


def test_the_way_out_of_an_action_that_searches_without_effect_is_open(plan):
    space = plan(
        "+sweep=mnist",
        "model=linear",
        "search.choose.norm=[]",
        "search.choose.regularization=[none,weight_decay]",
    )
    assert space.options.keys() == {"optimizer", "regularization"}


def test_what_one_of_several_models_reads_is_searched(plan):
    space = plan("search.choose.model=[linear,mlp]", "search.choose.norm=[none,before]", "regularization=dropout")
    assert space.options["norm"] == ("none", "before")


def test_a_warm_up_that_never_ends_is_refused(plan):
    with pytest.raises(ConfigError, match=r"schedule.warmup_epochs must be < training.epochs=2, got 2\.0"):
        plan("training.epochs=2", "schedule.warmup_epochs=2")


def advice(*overrides):
    composer = Composer(["data=digits", *overrides])
    base = composer.compose()
    return adamw_without_decay(base, partial(_options_of, composer, base))


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer=adamw",),
        ("search.choose.optimizer=[sgd,adamw]",),
        ("optimizer=adamw", "regularization=weight_decay", "regularization.weight_decay=0"),
        ("optimizer=adamw", "search.choose.regularization=[none,dropout]"),
    ],
)
def test_adamw_without_weight_decay_is_said_to_be_adam(overrides):
    assert advice(*overrides) == "adamw without weight decay is adam: add regularization=weight_decay"


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("optimizer=adamw", "regularization=weight_decay"),
        ("optimizer=adamw", "search.choose.regularization=[none,both]"),
        ("optimizer=adam", "search.choose.optimizer=[sgd]", "regularization=none"),
    ],
)
def test_adamw_that_decays_weights_goes_without_a_word(overrides):
    assert advice(*overrides) is None
