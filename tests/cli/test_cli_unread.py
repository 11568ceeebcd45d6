"""What a model does not read cannot be searched or asked for."""

import pytest

from hpsearch.cli.compose import Composer
from hpsearch.cli.planning import plan_space
from hpsearch.config import ConfigError


def plan(*overrides):
    composer = Composer(["data=digits", *overrides])
    return plan_space(composer.compose, composer.overrides, composer.known_options)


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
def test_what_no_model_reads_is_refused(overrides, message):
    with pytest.raises(ConfigError) as refused:
        plan(*overrides)
    assert str(refused.value).startswith(message)


def test_what_one_of_several_models_reads_is_searched():
    space = plan("search.choose.model=[linear,mlp]", "search.choose.norm=[none,before]", "regularization=dropout")
    assert space.options["norm"] == ("none", "before")


def test_a_warm_up_that_never_ends_is_refused():
    with pytest.raises(ConfigError, match=r"schedule.warmup_epochs must be < training.epochs=2, got 2\.0"):
        plan("training.epochs=2", "schedule.warmup_epochs=2")
