"""Augmentation of training rows: what a row becomes, and what it does not depend on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from hpsearch.config import ConfigError
from hpsearch.data.dataset import reconstructed, to_development
from hpsearch.engine import reference
from hpsearch.engine.augmentation import Augmenter
from hpsearch.engine.device_data import fit_data, to_device
from hpsearch.engine.fleet.cuda_graph import Replayed
from hpsearch.engine.fleet.grouping import group_into_fleets, shape_key
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.execution.throughput import traits
from hpsearch.nn.losses import loss_function
from hpsearch.seeding import fit_seeds
from tests.engine.comparison import TOLERANCE, bits, worst_difference
from tests.engine.fleet.test_cuda_graph import Again

ALL = {
    "kind": "affine", "shift": 0.2, "rotate": 30.0, "scale": 0.2, "flip": 0.5, "crop": 2, "erase": 0.3, "noise": 0.2,
    "mixup": 0.4,
}  # fmt: skip
STRENGTHS = {name: strength for name, strength in ALL.items() if name != "kind"}
SINGLE = [{"kind": "shift", name: strength} for name, strength in STRENGTHS.items()]
CNN = {"kind": "cnn", "filters": [3], "dense": [5]}
EPOCHS = {"epochs": 3, "batch_size": 7}


@pytest.fixture
def fit_of(make_config, make_fit):
    """`fit_of({"shift": 0.1}, seed=1, optimizer="sgd")`."""

    def make(strengths, *, n=40, fold=0, seed=0, **options):
        augmentation = {"kind": "shift", **strengths} if strengths else "none"
        return make_fit(make_config(augmentation=augmentation, **options), n, fold=fold, seed=seed)

    return make


@pytest.fixture
def batch_of(make_rows):
    """The inputs of training rows: `batch_of(fit, [3, 5], epoch=1)`."""

    def make(fit, rows, *, epoch=0, images=True, n=40):
        data = to_device(make_rows(n, images=images, width=8), dtype=torch.float64)
        augmenter = Augmenter([fit], n, data.device)
        augmenter.start(epoch)
        return fit_data(fit, data).training_batch(torch.tensor(rows), augmenter)

    return make


def uniforms(fit, name, n=20_000, epoch=0):
    augmenter = Augmenter([fit], n, torch.device("cpu"))
    augmenter.start(epoch)
    return augmenter.draw([name], torch.arange(n).unsqueeze(0))[name][:, 0]


@pytest.mark.parametrize("strengths", [*SINGLE, ALL], ids="-".join)
def test_a_row_is_the_same_in_another_order_and_batch_and_differs_between_epochs(strengths, fit_of, batch_of):
    fit = fit_of(strengths)
    rows = np.random.default_rng(3).permutation(40)
    together = batch_of(fit, rows)
    for place in (0, 17, 39):
        assert torch.equal(batch_of(fit, rows[place : place + 1])[0], together[place])
    assert torch.equal(batch_of(fit, rows[::-1].copy()), together.flip(0))
    later = batch_of(fit, rows, epoch=1)
    assert (later != together).flatten(1).any(1).double().mean() > (0.3 if "flip" in strengths else 0.8)


def test_another_seed_or_row_number_changes_what_a_row_becomes(fit_of):
    numbers = uniforms(fit_of(ALL), "rotate")[0]
    assert abs(np.corrcoef(numbers, uniforms(fit_of(ALL, seed=1), "rotate")[0])[0, 1]) < 0.03
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03


def test_a_strength_changes_no_draw_of_another_transformation(fit_of):
    assert torch.equal(uniforms(fit_of({"rotate": 5.0}), "rotate"), uniforms(fit_of(ALL), "rotate"))


@pytest.mark.parametrize("images", [True, False])
def test_strengths_of_0_leave_rows_as_they_are(images, fit_of, make_rows, batch_of):
    zero = {"kind": "affine", **dict.fromkeys(STRENGTHS, 0)}
    rows = np.arange(40)
    data = to_device(make_rows(40, images=images, width=8), dtype=torch.float64)
    plain = fit_data(fit_of({}), data).batch(torch.tensor(rows))
    assert torch.equal(batch_of(fit_of(zero), rows, images=images), plain)
    assert torch.equal(batch_of(fit_of({}), rows, images=images), plain)


def test_a_training_without_strengths_is_one_without_augmentation(fit_of, make_rows):
    data = to_device(make_rows(40, images=True, width=8))
    zero, plain = fit_of({"kind": "affine", "crop": 0}, model=CNN), fit_of({}, model=CNN)
    assert bits(reference.train(zero, data, keep_state=True)) == bits(reference.train(plain, data, keep_state=True))


@pytest.mark.parametrize("name", STRENGTHS)
def test_draws_are_uniform(name, fit_of):
    for epoch in (0, 1):
        for numbers in uniforms(fit_of(ALL), name, epoch=epoch):
            assert stats.kstest(numbers, "uniform").pvalue > 1e-3
            assert 0 < numbers.min() < numbers.max() < 1


def test_the_draws_of_a_row_are_independent(fit_of):
    drawn = torch.cat([uniforms(fit_of(ALL), name) for name in STRENGTHS])
    correlations = np.corrcoef(drawn.numpy())
    assert np.abs(correlations - np.eye(len(drawn))).max() < 4 / np.sqrt(20_000)


def test_noise_is_gaussian_and_independent_between_pixels_and_rows(fit_of):
    fit, n = fit_of({"noise": 0.3}, n=1000), 1000
    augmenter = Augmenter([fit], n, torch.device("cpu"))
    noise = augmenter.noisy(torch.zeros(1, n, 1, 8, 8, dtype=torch.float64), torch.arange(n).unsqueeze(0))
    noise = noise.view(n, 64).numpy() / 0.3
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert abs(noise.std() - 1) < 0.01
    assert np.abs(np.corrcoef(noise.T) - np.eye(64)).max() < 5 / np.sqrt(n)
    assert np.abs(np.corrcoef(noise[:64]) - np.eye(64)).max() < 5 / np.sqrt(64)


def test_crops_shift_by_each_number_of_pixels_equally_often(fit_of):
    n, side = 4000, 9
    augmenter = Augmenter([fit_of({"crop": 2}, n=n)], n, torch.device("cpu"))
    dots = torch.zeros(1, n, 1, side, side, dtype=torch.float64)
    dots[..., 4, 4] = 1
    moved = augmenter.pixels(dots, torch.arange(n).unsqueeze(0))[0, :, 0]
    places = moved.flatten(1).argmax(1)
    counts = np.histogram2d(places // side, places % side, bins=np.arange(side + 1))[0][2:7, 2:7]
    assert counts.sum() == n
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_shares_of_mixup_follow_the_beta_distribution_and_partners_are_training_rows(fit_of):
    fit, n = fit_of({"mixup": 0.4}, n=5000), 5000
    augmenter = Augmenter([fit], n, torch.device("cpu"))
    rows = torch.from_numpy(fit.fold.train).unsqueeze(0)
    seen = []
    shares = augmenter.mixed(rows, lambda each: seen.append(each[0].numpy()) or (each == rows).double())[0]
    assert stats.kstest(shares, lambda s: 2 * stats.beta.cdf(s, 0.4, 0.4) - 1).pvalue > 1e-3
    places = np.searchsorted(np.sort(fit.fold.train), seen[1])
    assert np.array_equal(np.sort(fit.fold.train)[places], seen[1])
    assert stats.kstest((places + 0.5) / len(fit.fold.train), "uniform").pvalue > 1e-3


def test_mixup_weighs_inputs_and_losses_of_both_targets(fit_of, make_rows):
    fit = fit_of({"mixup": 1.0})
    data = to_device(make_rows(40, images=True, width=8), dtype=torch.float64)
    view, augmenter = fit_data(fit, data), Augmenter([fit], 40, data.device)
    rows = torch.from_numpy(fit.fold.train[:6])
    seen = []
    augmenter.mixed(rows.unsqueeze(0), lambda each: seen.append(each[0]) or each.double())
    own, partner = seen
    shares = augmenter.mixed(rows.unsqueeze(0), lambda each: (each == rows).double())[0]
    assert ((shares >= 0.5) & (shares <= 1)).all()
    s = shares.view(-1, 1, 1, 1)
    torch.testing.assert_close(
        view.training_batch(rows, augmenter), s * view.batch(own) + (1 - s) * view.batch(partner)
    )
    outputs = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    losses = loss_function(fit.config.loss)
    targets = view.labels
    soft = torch.nn.functional.one_hot(targets[own], 3) * shares[:, None]
    soft = soft + torch.nn.functional.one_hot(targets[partner], 3) * (1 - shares)[:, None]
    expected = -(soft * outputs.log_softmax(1)).sum(1)
    found = augmenter.mixed(rows.unsqueeze(0), lambda each: losses(outputs, targets[each[0]])[None])[0]
    torch.testing.assert_close(found, expected)


def members(fit_of, **options):
    """Fits that differ in strengths, seeds and folds, two of them in nothing but the initial weights."""
    strengths = [ALL, *SINGLE, {"shift": 0.05, "mixup": 1.0}, {"rotate": 90.0, "noise": 0.5}, {"crop": 0}]
    fits = [fit_of(each, seed=i % 3, fold=i % 2, **options) for i, each in enumerate(strengths)]
    return [*fits, replace(fits[0], seeds=replace(fits[0].seeds, init=99))]


@pytest.mark.parametrize("fill", ["zero", "edge"])
@pytest.mark.parametrize(
    ("model", "loss", "task"),
    [(CNN, "cross_entropy", "multiclass"), ("mlp", "bce", "binary"), ("mlp", "mse", "regression")],
)
def test_fleets_equal_the_reference(model, loss, task, fill, fit_of, make_rows):
    data = to_device(make_rows(40, images=True, width=8, task=task), dtype=torch.float64)
    options = {"model": model, "loss": loss, "training": EPOCHS, "regularization": "dropout"}
    fits = [
        replace(fit, config=replace(fit.config, augmentation=replace(fit.config.augmentation, fill=fill)))
        for fit in members(fit_of, **options)
    ]
    assert len({shape_key(fit.config) for fit in fits}) == 1
    alone = [reference.train(fit, data, keep_state=True) for fit in fits]
    assert max(map(worst_difference, train_fleet(fits, data, keep_state=True), alone)) <= TOLERANCE


@pytest.mark.parametrize("options", [{"model": CNN}, {"norm": "before"}], ids=["cnn", "norm"])
def test_the_bits_of_a_member_do_not_depend_on_its_fleet(options, fit_of, make_rows):
    data = to_device(make_rows(40, images=True, width=8))
    fits = members(fit_of, training=EPOCHS, **options)
    together = train_fleet(fits, data, keep_state=True)
    for place in (0, 2, 5, 8, 10):
        alone = train_fleet([fits[place], fits[-1]], data, keep_state=True)[0]
        assert bits(alone) == bits(together[place])


def test_a_fleet_of_replayed_steps_equals_one_of_plain_steps(fit_of, make_rows):
    fits, data = members(fit_of, training=EPOCHS), to_device(make_rows(40, images=True, width=8))
    replayed = train_fleet(fits, data, keep_state=True, stepper=lambda step, _: Replayed(step, Again))
    plain = train_fleet(fits, data, keep_state=True)
    assert list(map(bits, replayed)) == list(map(bits, plain))


def test_a_paused_training_goes_on_with_the_epochs_to_come(fit_of, make_rows):
    fits, data = members(fit_of, training=EPOCHS), to_device(make_rows(40, images=True, width=8))
    paused = reference.train(fits[0], data, stop_after=1)
    assert bits(reference.train(fits[0], data, resume=paused)) == bits(reference.train(fits[0], data))
    resumed = train_fleet(fits, data, resume=train_fleet(fits, data, stop_after=1))
    assert list(map(bits, resumed)) == list(map(bits, train_fleet(fits, data)))


def test_what_is_switched_on_decides_what_is_tried_before_a_search(make_config):
    noise, moved = {"kind": "noise", "noise": 0.1}, {"kind": "noise", "noise": 0.1, "shift": 0.1}
    assert traits(make_config(augmentation=noise)) != traits(make_config(augmentation=moved))
    assert traits(make_config(augmentation=noise)) == traits(make_config(augmentation={**noise, "noise": 0.2}))


def test_members_that_leave_change_nothing(fit_of, make_rows):
    data = to_device(make_rows(60, images=True, width=8))
    training = {"epochs": 12, "batch_size": 8, "patience": 1}
    fits = []
    for i, each in enumerate([ALL, {"noise": 1.0}, {"mixup": 0.3}, {"crop": 3}]):
        fit = fit_of(each, n=60, seed=i, training=training, optimizer={"lr": 0.02})
        fits.append(replace(fit, fold=replace(fit.fold, monitor=fit.fold.val[:5])))
    together = train_fleet(fits, data, keep_state=True)
    assert len({result.epochs for result in together}) > 1
    for fit, result in zip(fits, together, strict=True):
        assert bits(train_fleet([fit, fit], data, keep_state=True)[0]) == bits(result)


def test_rows_that_are_scored_or_measured_are_seen_as_they_are(fit_of, make_rows):
    """With a learning rate that changes nothing, all but the training loss is that of a training without."""
    data = to_device(make_rows(40, images=True, width=8), dtype=torch.float64)
    options = {"training": {"epochs": 1, "batch_size": 8}, "optimizer": {"kind": "sgd", "lr": 1e-300}}
    for train in (reference.train, lambda fit, data: train_fleet([fit, fit], data)[0]):
        plain, augmented = train(fit_of({}, **options), data), train(fit_of(ALL, **options), data)
        assert augmented.val_outputs.tobytes() == plain.val_outputs.tobytes()
        assert augmented.report_outputs.tobytes() == plain.report_outputs.tobytes()
        assert (augmented.final_loss, repr(augmented.signals)) == (plain.final_loss, repr(plain.signals))
        assert augmented.train_loss[0] != plain.train_loss[0]


def test_members_share_a_fleet_unless_one_is_not_augmented_or_fills_differently(fit_of):
    fits = [fit_of({"shift": 0.1}), fit_of({"kind": "noise", "noise": 0.1}), fit_of({}), fit_of({"fill": "edge"})]
    assert group_into_fleets(fits, 8, lambda _: (1, 8, 8)) == [[0, 1], [2], [3]]


def test_noise_and_mixup_are_for_tables_too(fit_of, make_rows):
    data = to_device(make_rows(40, task="regression"), dtype=torch.float64)
    fits = [
        fit_of(each, loss="mse", data="diabetes", seed=i)
        for i, each in enumerate(({"noise": 0.3}, {"mixup": 0.5}, {"noise": 0.1, "mixup": 0.2}))
    ]
    alone = [reference.train(fit, data, keep_state=True) for fit in fits]
    assert max(map(worst_difference, train_fleet(fits, data, keep_state=True), alone)) <= TOLERANCE


@pytest.mark.parametrize("name", ["shift", "rotate", "scale", "flip", "crop", "erase"])
def test_pixels_of_a_table_cannot_be_moved(name, fit_of, make_rows):
    message = f"augmentation.{name} must be 0 for rows that are not images, got .* for toy: use augmentation=none"
    with pytest.raises(ConfigError, match=message):
        reference.train(fit_of({name: STRENGTHS[name]}), to_device(make_rows(40)))


def test_an_autoencoder_learns_to_remove_noise_but_not_to_move_images_back(fit_of, make_rows):
    rows = to_development(reconstructed(make_rows(40, images=True, width=6)))
    options = {"data": {"kind": "mnist", "task": "autoencoder"}, "loss": "mse"}
    data = to_device(rows, dtype=torch.float64)
    fit = fit_of({"noise": 0.5, "erase": 0.3}, **options)
    assert (
        worst_difference(train_fleet([fit], data, keep_state=True)[0], reference.train(fit, data, keep_state=True))
        <= TOLERANCE
    )
    with pytest.raises(ConfigError, match=r"augmentation\.flip must be 0 for an autoencoder, whose targets are"):
        reference.train(fit_of({"flip": 0.5}, **options), data)


def test_a_crop_must_leave_something_of_the_image(fit_of, make_rows):
    with pytest.raises(ConfigError, match=r"augmentation\.crop must be < 8, the side of the images of toy, got 8"):
        reference.train(fit_of({"crop": 8}), to_device(make_rows(40, images=True, width=8)))


def test_a_refit_is_augmented(fit_of, make_rows):
    data = to_device(make_rows(40, images=True, width=8))
    fits = [fit_of({}), fit_of({"noise": 0.5})]
    plain, augmented = (reference.train(fit, data, refit=True) for fit in fits)
    assert plain.train_loss[0] != augmented.train_loss[0]


def test_replicates_draw_their_own(fit_of):
    fit = fit_of(ALL)
    other = replace(fit, seeds=fit_seeds(0, 0, 1))
    assert not torch.equal(uniforms(fit, "shift"), uniforms(other, "shift"))
