"""Combinations of options that are put together must be what Hydra composes."""

import itertools

import pytest

from hpsearch.compose.composer import Composer

COMBINATIONS = [
    dict(zip(("optimizer", "norm", "regularization", "model"), names, strict=True))
    for names in itertools.product(("sgd", "adam"), ("none", "after"), ("dropout", "both"), ("mlp", "cnn"))
]


@pytest.fixture(scope="module")
def mnist():
    return Composer(["+sweep=mnist"])


@pytest.mark.parametrize("options", COMBINATIONS[::3])
def test_an_assembled_combination_equals_the_composed_one(mnist, options):
    assembled = mnist.compose(options)
    given = [f"{group}={option}" for group, option in options.items()]
    composed = Composer(["+sweep=mnist", *given]).compose()
    assert (assembled.spaces, assembled.config) == (composed.spaces, composed.config)


def test_an_option_that_reaches_into_another_group_is_composed(tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "slow.yaml").write_text(
        "defaults:\n  - override /schedule@_global_.schedule: cosine\n\nkind: sgd\nlr: 0.01\nspace: {}\n"
    )
    # schedule stands after optimizer in the defaults, so that an option of optimizer can override it
    assembled = Composer(["+sweep=mnist"], tmp_path).compose({"optimizer": "slow", "norm": "before"})
    assert (assembled.config.schedule.kind, assembled.config.norm.kind) == ("cosine", "before")


def test_values_that_refer_to_each_other_are_composed():
    composer = Composer(["data=digits", "model.width=${training.batch_size}"])
    assert composer.compose({"optimizer": "sgd", "training": "default"}).config.model.width == 100
