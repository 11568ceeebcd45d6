"""What is stored to be served predicts in the units of the targets."""

from dataclasses import replace

import numpy as np
import torch

from hpsearch.data.dataset import Rows, reconstructed
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.nn.export import deploy
from hpsearch.nn.models import build_network
from hpsearch.records import Task
from hpsearch.scoring.evaluate import score_outputs


def test_an_autoencoder_trained_with_bce_predicts_the_sigmoid_of_its_logits(make_config, make_rows):
    config = make_config(data={"kind": "digits", "task": "autoencoder"}, loss="bce", model="linear")
    rows = reconstructed(make_rows(images=True, width=3))
    seen = fit_preprocessing(rows, np.arange(30), config.preprocess)[0]
    network = build_network(config, (1, 3, 3), 9)
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    raw = torch.tensor(rows.inputs, dtype=torch.float32)
    with torch.no_grad():
        logits = network(raw / 255)
        served = deploy(config, state, (1, 3, 3), 9, seen)(raw)
    expected = 255 / (1 + np.exp(-logits.numpy()))
    np.testing.assert_allclose(served.numpy(), expected, rtol=1e-5)
    scored = score_outputs(config, rows, np.arange(40), logits.numpy()[None], seen.target)
    np.testing.assert_allclose(scored.rows["mse"][0], ((expected - rows.targets) ** 2).mean(axis=1), rtol=1e-4)


def served_and_scored(config, rows, outputs):
    """What is served and what `mae` is of each row, for a linear network; and its outputs for scaled inputs."""
    seen = fit_preprocessing(rows, np.arange(30), config.preprocess_for_loss)[0]
    network = build_network(config, rows.inputs.shape[1:], outputs, seed=1)
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    raw = torch.tensor(rows.inputs)
    with torch.no_grad():
        plain = network((raw - torch.tensor(seen.scaling.shift)) * torch.tensor(seen.scaling.scale)).numpy()
        served = deploy(config, state, rows.inputs.shape[1:], outputs, seen)(raw).numpy()
    scored = score_outputs(config, rows, np.arange(len(raw)), plain[None], seen.target)
    return served, scored.rows["mae"][0], plain


def test_counts_are_served_and_scored_as_the_exponential_of_the_outputs(make_config, make_rows):
    config = make_config(data="diabetes", loss="poisson_nll", model="linear")
    rows = make_rows(task="regression")
    counts = replace(rows, targets=np.random.default_rng(0).poisson(2.0, rows.targets.shape).astype(np.float32))
    served, errors, outputs = served_and_scored(config, counts, 2)
    np.testing.assert_allclose(served, np.exp(outputs), rtol=1e-5)
    np.testing.assert_allclose(errors, np.abs(np.exp(outputs) - counts.targets).mean(axis=1), rtol=1e-5)


def test_a_mean_is_scored_and_served_with_its_standard_deviation_in_the_units_of_the_targets(make_config, make_rows):
    config = make_config(data="diabetes", loss="gaussian_nll", model="linear")
    rows = make_rows(task="regression")
    served, errors, outputs = served_and_scored(config, rows, 4)
    mean, sd = rows.targets[:30].mean(axis=0), rows.targets[:30].std(axis=0)
    np.testing.assert_allclose(served[:, :2], mean + sd * outputs[:, :2], rtol=1e-4)
    np.testing.assert_allclose(served[:, 2:], sd * np.exp(outputs[:, 2:] / 2), rtol=1e-4)
    np.testing.assert_allclose(errors, np.abs(mean + sd * outputs[:, :2] - rows.targets).mean(axis=1), rtol=1e-4)


def test_raw_inputs_and_targets_with_a_large_offset_keep_their_digits(make_config):
    times = 1.7e9 + np.arange(40.0)[:, None]
    rows = Rows("toy", Task.REGRESSION, times, times, 0)
    config = make_config(data="diabetes", loss="mse", model="linear")
    seen = fit_preprocessing(rows, np.arange(40), config.preprocess)[0]
    network = build_network(config, (1,), 1)
    state = {name: np.full(value.shape, value.ndim == 2, np.float32) for name, value in network.state_dict().items()}
    with torch.no_grad():
        served = deploy(config, state, (1,), 1, seen)(torch.tensor(times))
    np.testing.assert_allclose(served.numpy(), times, atol=1e-4, rtol=0)  # the identity on standardized numbers
