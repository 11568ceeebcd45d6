"""Contradictions and typos in what a command line wants to search."""

import pytest

TUNED = "search.tune=[optimizer]"
SEARCHED = ["search.tune=[optimizer]", "search.choose.optimizer=[sgd,adam]"]
OWN_MODEL = ["model=custom", "model.import_path=own:Net"]
REFUSED = [
    (
        ["optimizer=sgd", "search.choose.optimizer=[sgd,adam]"],
        "optimizer=sgd and search.choose.optimizer contradict each other: drop one of the two",
    ),
    (
        [TUNED, "optimizer.lr=0.1", "optimizer.space.lr.low=0.01"],
        "optimizer.lr is given a value and a space: drop one of the two",
    ),
    (
        [TUNED, "optimizer.lr=0.1", "search.space.optimizer.adam.lr.low=0.01"],
        "optimizer.lr is given a value and a space: drop one of the two",
    ),
    (
        ["search.choose.optimizer=[sgd,adem]"],
        "search.choose.optimizer: adem is not an option: did you mean adam or radam or nadam?",
    ),
    (["search.choose.optimizer=[sgd,sgd]"], "search.choose.optimizer must not repeat an option, got ['sgd', 'sgd']"),
    (
        ["search.tune=[optimiser]"],
        "search.tune: optimiser is not a group that can be tuned: did you mean optimizer?",
    ),
    (
        ["search.tune=[data]"],
        "search.tune: data is not a group that can be tuned: known here: activation, augmentation, init, loss",
    ),
    (
        ["optimizer.space.lr.low=0.01"],
        "optimizer.space.lr has no effect, since optimizer is not tuned: add 'search.tune=[optimizer]'",
    ),
    (
        [TUNED, "model.space.width.low=3"],
        "model.space.width has no effect, since model is not tuned: add 'search.tune=[optimizer,model]'",
    ),
    (
        ["search.space.optimizer.adam.lr.low=0.01"],
        "search.space.optimizer has no effect, since optimizer is not tuned: add 'search.tune=[optimizer]'",
    ),
    (
        ["search.space.optimizr.adam.lr.low=0.01"],
        "search.space.optimizr: optimizr is not a group that can be tuned: did you mean optimizer?",
    ),
    (
        ["data.space.limit.low=3"],
        "data.space.limit: data is not a group that can be tuned: known here: activation, augmentation, init",
    ),
    (
        [TUNED, "optimizer.space.momentm.low=0.01"],
        "optimizer.space.momentm: no chosen option has momentm: known here: beta1, beta2, eps, lr",
    ),
    (
        [*SEARCHED, "optimizer.space.momentum.low=0.01"],
        "optimizer.space.momentum: no chosen option has momentum: known here: beta1, beta2, eps, lr",
    ),
    (
        [TUNED, "search.space.optimizer.sgd.lr.low=0.01"],
        "search.space.optimizer.sgd has no effect, since no trial takes optimizer=sgd: known here: adam",
    ),
    (
        [TUNED, "search.space.optimizer.adam=3"],
        "search.space.optimizer.adam must hold names and their bounds, got 3",
    ),
    ([TUNED, "search.space.optimizer=3"], "search.space.optimizer must hold options and names, got 3"),
    (
        [TUNED, "optimizer.space.lr=3"],
        "search.space.optimizer.adam.lr must hold some of low, high, log, step, choices, got 3",
    ),
    (
        [TUNED, "search.space.optimizer.adam.lrr.low=1", "search.space.optimizer.adam.lrr.high=2"],
        "search.space.optimizer.adam.lrr names nothing that optimizer=adam has: did you mean lr?",
    ),
    (
        [TUNED, "search.space.optimizer.adam.lrr.high=2"],
        "search.space.optimizer.adam.lrr is not in the space of optimizer=adam: did you mean lr?",
    ),
    (
        [TUNED, "optimizer.space.lr.hihg=2"],
        "search.space.optimizer.adam.lr.hihg is not a bound: did you mean high?",
    ),
    (
        [TUNED, "optimizer.space.lr.low=0.5"],
        "search.space.optimizer.adam.lr: low must be <= high, got 0.5 and 0.1",
    ),
    (
        [TUNED, "optimizer.space.lr.low=0"],
        "search.space.optimizer.adam.lr.low must be > 0 where logarithms are drawn, got 0.0: raise it, or add",
    ),
    (
        [TUNED, "optimizer.space.lr.high=inf"],
        "search.space.optimizer.adam.lr: low and high must be finite, got 0.0001 and inf",
    ),
    (
        [TUNED, "optimizer.space.lr.low=x"],
        "search.space.optimizer.adam.lr.low must be a number, got 'x'",
    ),
    (
        [TUNED, "optimizer.space.lr.step=0.1"],
        "search.space.optimizer.adam.lr: step and log exclude each other",
    ),
    (
        [TUNED, "optimizer.space.lr={low: 0.1, high: 0.2, log: false, step: 0}"],
        "search.space.optimizer.adam.lr.step must be > 0, got 0.0",
    ),
    (
        [TUNED, "optimizer.space.lr={low: -0.1, high: 0.2, log: false}"],
        "search.space.optimizer.adam.lr: optimizer.lr must be > 0 and finite, got -0.1",
    ),
    (
        [TUNED, "optimizer.space.lr.choices=[]"],
        "search.space.optimizer.adam.lr.choices must be a list with at least one value, got []",
    ),
    (
        [TUNED, "optimizer.space.lr.choices=[0.1,0.1]"],
        "search.space.optimizer.adam.lr.choices must not repeat a value, got [0.1, 0.1]",
    ),
    (
        [TUNED, "optimizer.space.lr.choices=[0.1,x]"],
        "search.space.optimizer.adam.lr.choices must be a number, got 'x'",
    ),
    (
        ["search.tune=[model]", "model.space.width.choices=[0,3]"],
        "search.space.model.mlp.width: model.width must be >= 1, got 0",
    ),
    (
        ["search.tune=[model]", "model.space.depth.low=0.5"],
        "search.space.model.mlp.depth.low must be a whole number, got 0.5",
    ),
    (
        ["search.tune=[model]", "model=cnn", "search.space.model.cnn.pool={low: 1, high: 2}"],
        "search.space.model.cnn.pool takes no numbers: give it choices",
    ),
    (
        ["search.tune=[model]", "model.space.width={choices: [3], low: 2}"],
        "search.space.model.mlp.width must hold either choices or low and high, got choices, low",
    ),
    (
        ["search.choose.regularization=[none,weight_decay]", "regularization.dropout=0.5"],
        "regularization.dropout is not a key of none or weight_decay: known here: max_norm, weight_decay",
    ),
    (
        ["search.tune=[regularization]", "search.space.regularization.none.dropout.choices=[0.1,0.2]"],
        "search.space.regularization.none.dropout names nothing that regularization=none has: known here: max_norm",
    ),
    (
        ["model.widths=[8,4]", "model.depth=3"],
        "model.depth has no effect beside model.widths=[8, 4]: drop it, or give model.widths=null",
    ),
    (
        ["search.tune=[model]", "model.widths=[8,4]", "model.space.depth.high=3"],
        "model.widths is given a value and search.space.model.mlp.depth a space: drop one of the two",
    ),
    (
        [*OWN_MODEL, "search.tune=[model]", "model.kwargs.heads=2", "model.space.heads={low: 1, high: 4}"],
        "model.kwargs.heads is given a value and search.space.model.custom.heads a space: drop one of the two",
    ),
    (
        [*OWN_MODEL, "model.space.heads={low: 1, high: 4}"],
        "model.space.heads has no effect, since model is not tuned: add 'search.tune=[model]'",
    ),
    (
        [*OWN_MODEL, "search.tune=[model]", "model.space.heads.high=4"],
        "search.space.model.custom.heads must hold low and high, or choices; got high",
    ),
    (
        [*OWN_MODEL, "search.tune=[model]", "model.space.heads.choices=[1,true]"],
        "search.space.model.custom.heads.choices must not repeat a value, got [1, True]",
    ),
    (
        [*OWN_MODEL, "search.tune=[model]", "model.space.heads.choices=[[1,2],'[1, 2]']"],
        "search.space.model.custom.heads.choices must not repeat a value, got [[1, 2], '[1, 2]']",
    ),
    (
        [TUNED, "optimizer.space.lr.choices=[1,1.0]"],
        "search.space.optimizer.adam.lr.choices must not repeat a value, got [1, 1.0]",
    ),
    (
        ["search.choose.optimizer=[sgd,momentum]", "optimizer.betas=1"],
        "optimizer.betas is not a key of sgd or momentum: known here: lr, momentum",
    ),
]


@pytest.mark.parametrize(("overrides", "expected"), REFUSED)
def test_a_contradiction_or_typo_in_a_search_is_refused_with_the_way_out(planned, problems, overrides, expected):
    (problem,) = problems(planned, *overrides)
    assert problem.startswith(expected)


def test_all_contradictions_are_reported_at_once(planned, problems):
    assert set(problems(planned, TUNED, "optimizer.space.lr.low=0.5", "model.space.width.low=3")) == {
        "search.space.optimizer.adam.lr: low must be <= high, got 0.5 and 0.1",
        "model.space.width has no effect, since model is not tuned: add 'search.tune=[optimizer,model]'",
    }
