"""Several networks of one recipe on the sealed rows: what is claimed, evaluated and kept of them."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn.functional import linear

from hpsearch.data.seal import SealedTest
from hpsearch.engine.device_data import to_device
from hpsearch.errors import BrokenFileError, HpsearchError
from hpsearch.execution import run_job
from hpsearch.final.evaluation import evaluate, pack, right_of, unpack
from hpsearch.final.model import Model, Models, save_model
from hpsearch.jobs import RefitJob
from hpsearch.records import Status
from hpsearch.seeding import derive, fit_seeds
from hpsearch.tracking.claim_ledger import Opening

OPENING = Opening("d" * 64, 1, "me", "now", "why", "-", "e")
TESTED = 50


def trained(job, rows):
    return run_job.run_job(run_job.WorkerState(to_device(rows)), job)


def stored(folder, config, rows, retrains):
    """The shipped network and retrained ones, trained and saved."""
    jobs = [RefitJob(config, 2, None, number) for number in range(retrains + 1)]
    return [save_model(folder / str(job.retrain), job, trained(job, rows)) for job in jobs]


def opened(models, rows, test_rows):
    """What evaluating them says, and how often the rows were read."""
    reads = []
    sealed = SealedTest(size=test_rows.n, digest="d" * 64, duplicates=0, read=lambda: reads.append(1) or test_rows)
    found = evaluate(Models(models[0], tuple(models[1:])), rows, sealed.open(right_of(OPENING)))
    return found, len(reads)


@pytest.fixture(scope="module")
def small(make_config, make_rows, tmp_path_factory):
    """Three networks on 90 rows, other rows that they are tested on, and what came out."""
    config = make_config(training={"epochs": 2, "batch_size": 8}, optimizer={"kind": "adam", "lr": 0.02})
    rows, unseen = make_rows(90), make_rows(TESTED)
    models = stored(tmp_path_factory.mktemp("models"), config, rows, 2)
    found, reads = opened(models, rows, unseen)
    return models, rows, unseen, found, reads


def correct_by_hand(folder, rows, unseen):
    """(n,) from the stored weights with nothing but torch: `preprocess=minmax`, one hidden layer of ReLU."""
    weights = {name: torch.tensor(array) for name, array in load_file(folder / "model.safetensors").items()}
    low, high = rows.inputs.min(axis=0), rows.inputs.max(axis=0)
    inputs = torch.tensor((unseen.inputs - low) / (high - low))
    hidden = linear(inputs, weights["hidden.0.linear.weight"], weights["hidden.0.linear.bias"]).relu()
    logits = linear(hidden, weights["output.weight"], weights["output.bias"])
    return (logits.argmax(dim=1).numpy() == unseen.targets).tolist()


# Seeds


def test_retrained_networks_differ_from_the_one_that_ships_and_from_each_other(small):
    models = small[0]
    assert len({model.digest for model in models}) == 3
    biases = [model.weights["output.bias"].tobytes() for model in models]
    assert len(set(biases)) == 3


def test_the_same_retraining_gives_the_same_weights_again(small):
    models, rows, *_ = small
    again = trained(RefitJob(models[0].config, 2, None, 2), rows)
    assert all(np.array_equal(again.state[name], models[2].weights[name]) for name in again.state)


def test_a_retraining_has_the_rows_of_the_refit_and_streams_that_nothing_else_has(make_config, make_rows, monkeypatch):
    config = make_config(data={"kind": "digits", "limit": 20}, seed=3)
    monkeypatch.setattr(run_job, "train", lambda fit, *_, **__: fit)
    fits = [trained(RefitJob(config, 2, None, number), make_rows(90)) for number in range(5)]
    assert all(np.array_equal(fit.fold.train, fits[0].fold.train) for fit in fits)
    assert fits[0].seeds == fit_seeds(3, 0, 0)
    searched = [fit_seeds(3, fold, replicate) for fold in range(5) for replicate in range(5)]
    confirmed = [fit_seeds(derive(3, run_job.Purpose.CONFIRM, number), 0, 0) for number in range(1, 11)]
    others = {stream for each in [*searched, *confirmed] for stream in (each.init, each.order, each.dropout)}
    own = [stream for fit in fits[1:] for stream in (fit.seeds.init, fit.seeds.order, fit.seeds.dropout)]
    assert len(set(own)) == 12
    assert not others & set(own)


# Evaluation


def test_the_bitmap_is_what_plain_torch_makes_of_the_stored_weights(small):
    models, rows, unseen, found, _ = small
    by_hand = [correct_by_hand(model.folder, rows, unseen) for model in models]
    assert found.correct.tolist() == by_hand
    assert {0 < sum(one) < TESTED for one in by_hand} == {True}, "some rows are right and some are wrong"


def test_the_rows_of_a_bitmap_add_up_to_the_accuracy(small):
    found = small[3]
    assert found.correct[0].sum() == found.scores["accuracy"].value * TESTED
    assert found.correct[1:].sum(axis=1).tolist() == (found.retrained["accuracy"] * TESTED).tolist()


def test_a_retrained_network_has_the_values_that_it_would_have_if_it_shipped(small):
    models, rows, unseen, found, _ = small
    for number, model in enumerate(models[1:]):
        alone, _ = opened([model], rows, unseen)
        assert {name: score.value for name, score in alone.scores.items()} == {
            name: values[number] for name, values in found.retrained.items()
        }


def test_the_rows_are_read_once_for_all_networks(small):
    assert small[4] == 1


def test_a_network_without_retrained_ones_is_evaluated_alone(small):
    models, rows, unseen, found, _ = small
    alone, _ = opened(models[:1], rows, unseen)
    assert alone.scores == found.scores
    assert {len(values) for values in alone.retrained.values()} == {0}
    assert alone.correct.shape == (1, TESTED)


def test_of_a_regression_there_is_no_bitmap(make_config, make_rows, tmp_path):
    rows = make_rows(60, task="regression", targets=1)
    config = make_config(data="diabetes", loss="mse")
    found, _ = opened(stored(tmp_path, config, rows, 1), rows, make_rows(30, task="regression", targets=1))
    assert found.correct is None
    assert {name: len(values) for name, values in found.retrained.items()} == {"mse": 1, "mae": 1, "r2": 1}


# The file of bitmaps


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 10_000])
def test_bitmaps_come_back_with_as_many_rows_as_there_were(rows):
    correct = np.random.default_rng(rows).random((3, rows)) < 0.6
    assert unpack(pack(correct), "x").tolist() == correct.tolist()


def test_ten_thousand_rows_are_kept_in_1250_bytes_a_network():
    assert len(pack(np.ones((2, 10_000), bool))) - len(pack(np.ones((1, 10_000), bool))) == pytest.approx(1250, abs=8)


def test_the_same_bitmaps_are_the_same_bytes():
    correct = np.random.default_rng(0).random((2, 99)) < 0.6
    assert pack(correct) == pack(correct.copy())


@pytest.mark.parametrize("spoil", [lambda data: data[:-3], lambda _: b"", lambda _: pack(np.ones((0, 8), bool))[:40]])
def test_a_damaged_file_of_bitmaps_is_named(spoil):
    with pytest.raises(BrokenFileError, match=r"'correct.safetensors of run 7' is not whole"):
        unpack(spoil(pack(np.ones((2, 20), bool))), "correct.safetensors of run 7")


# What is claimed


def model(config, digest):
    return Model(None, config, {}, digest, 3)


def test_a_claim_for_one_network_names_its_weights_alone(make_config):
    assert Models(model(make_config(), "a" * 64)).digest == "a" * 64


def test_a_claim_covers_the_weights_of_every_retrained_network(make_config):
    config = make_config()
    models = Models(model(config, "a"), (model(config, "b"), model(config, "c")))
    assert models.digest == f"a and 2 retrained {hashlib.sha256(b'b/c').hexdigest()}"
    others = [replace(models, retrained=models.retrained[:1]), replace(models, retrained=models.retrained[::-1])]
    assert len({each.digest for each in [models, *others]}) == 3


# Stored networks


def test_a_retrained_network_that_diverges_says_which_and_how_to_do_without(make_config, make_rows, tmp_path):
    config = make_config(optimizer={"kind": "sgd", "lr": 1e30})
    job = RefitJob(config, 2, None, 2)
    result = trained(job, make_rows(40))
    assert result.status is Status.DIVERGED
    with pytest.raises(HpsearchError) as failure:
        save_model(tmp_path, job, result)
    assert str(failure.value) == (
        f"retraining 2 on all development rows failed: {result.failure}; nothing was opened: the recipe is not "
        "reliable, and has no mean; final.retrains=0 evaluates the refit alone"
    )
    assert list(tmp_path.iterdir()) == []
