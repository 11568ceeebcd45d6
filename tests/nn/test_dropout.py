"""Counter-based dropout: what a mask depends on, and that it looks random."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from hpsearch.nn.dropout import Dropout, replace_dropout, seed_dropout, set_step, uniform_bits

N = 100_000
ALPHA = 1e-4  # of each statistical test; seeds are fixed, so that a pass is a pass for ever


def mask(seed=0, step=0, layer=0, n=N, p=0.5) -> np.ndarray:
    """(n,) True where a unit is kept."""
    network = nn.Sequential(*[Dropout(p) for _ in range(layer + 1)])
    layers = seed_dropout(network, seed)
    set_step(layers, step)
    return layers[layer](torch.ones(n)).numpy() > 0


def contingency_p(first: np.ndarray, second: np.ndarray) -> float:
    """p-value of the chi-square test of independence of two masks."""
    table = np.array([[np.sum((first == a) & (second == b)) for b in (0, 1)] for a in (0, 1)])
    return float(stats.chi2_contingency(table).pvalue)


def test_units_in_bfloat16_are_scaled_in_float32():
    (layer,) = seed_dropout(nn.Sequential(Dropout(0.3)), 0)
    outputs = layer(torch.ones(N, dtype=torch.bfloat16))
    assert set(outputs.unique().tolist()) == {0.0, float(np.float32(1 / 0.7))}


@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("seed", [0, 1, 2**62 + 12345])
def test_share_of_kept_units(p, seed):
    kept = int(mask(seed=seed, p=p).sum())
    assert stats.binomtest(kept, N, 1 - p).pvalue > ALPHA


@pytest.mark.parametrize(
    "other",
    [{"step": 1}, {"step": 2}, {"step": 500}, {"layer": 1}, {"layer": 2}, {"seed": 1}, {"seed": 2**32}, {"seed": 3}],
)
@pytest.mark.parametrize("p", [0.5, 0.9])
def test_masks_of_other_steps_layers_and_seeds_are_independent(other, p):
    assert contingency_p(mask(p=p), mask(**other, p=p)) > ALPHA


@pytest.mark.parametrize("lag", [1, 2, 10, 32, 100, 500, 784])
def test_positions_are_independent(lag):
    bits = mask(step=7)
    assert contingency_p(bits[:-lag], bits[lag:]) > ALPHA


def test_a_unit_is_kept_independently_over_consecutive_steps():
    kept = np.array([mask(step=step, n=200) for step in range(2000)])  # (steps, units)
    counts = kept.sum(axis=0)
    assert stats.kstest(stats.binom.cdf(counts, 2000, 0.5), "uniform").pvalue > ALPHA
    assert contingency_p(kept[:-1].ravel(), kept[1:].ravel()) > ALPHA


def test_no_two_of_many_fits_share_their_mask():
    """The birthday problem: among 200,000 keys of 32 bits, about 4.7 pairs would be equal."""
    words = np.random.default_rng(0).integers(-(2**31), 2**31, (200_000, 2), dtype=np.int32)
    positions, step = torch.tensor([3, 77], dtype=torch.int32), torch.tensor(5, dtype=torch.int32)
    bits = vmap(lambda seed: uniform_bits(positions, seed, step))(torch.tensor(words))
    assert len(np.unique(bits.numpy(), axis=0)) == 200_000


def test_the_bits_are_uniform_in_bytes():
    """Chi-square over 256 cells of thresholds: the top byte of the underlying numbers."""
    shares = [mask(p=p, n=50_000).sum() for p in np.arange(0, 1, 1 / 256)]
    cells = -np.diff([*shares, 0])
    assert stats.chisquare(cells).pvalue > ALPHA


def test_kept_units_are_scaled_by_the_inverse_share():
    outputs = Dropout(0.75)(torch.full((1000,), 3.0))
    assert set(outputs.tolist()) == {0.0, 12.0}


def test_probability_zero_keeps_everything():
    x = torch.randn(1000)
    assert torch.equal(Dropout(0.0)(x), x)


def test_probability_just_below_one_drops_nearly_everything():
    assert mask(p=1 - 1e-12).sum() == 0


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_impossible_probabilities_are_refused(p):
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\), got"):
        Dropout(p)


def test_identity_in_evaluation_mode():
    x = torch.randn(50)
    assert Dropout(0.9).eval()(x) is x


def test_gradient_flows_through_kept_units_alone():
    x = torch.ones(100, requires_grad=True)
    outputs = Dropout(0.5)(x)
    outputs.sum().backward()
    assert torch.equal(x.grad, outputs.detach())


def test_automatic_equals_numerical_gradient():
    layer = Dropout(0.3)
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)

    def fixed_step(values: torch.Tensor) -> torch.Tensor:
        set_step([layer], 3)
        return layer(values)

    assert torch.autograd.gradcheck(fixed_step, x)


def test_the_mask_does_not_depend_on_the_rows_after_it():
    assert np.array_equal(mask(n=1000), mask(n=5000)[:1000])


def test_a_module_used_twice_in_one_pass_draws_two_masks():
    layer = Dropout(0.5)
    seed_dropout(nn.Sequential(layer), 1)
    set_step([layer], 0)
    first, second = layer(torch.ones(N)), layer(torch.ones(N))
    set_step([layer], 0)
    assert contingency_p(first.numpy() > 0, second.numpy() > 0) > ALPHA
    assert torch.equal(first, layer(torch.ones(N)))


def test_float64_is_scaled_exactly():
    kept = Dropout(0.3).double()(torch.ones(100, dtype=torch.float64)).max().item()
    assert kept == 1 / (1 - 0.3)


def test_buffers_are_no_part_of_the_state_dict():
    assert Dropout(0.5).state_dict() == {}


def test_stacked_members_with_their_own_seed_step_and_probability_equal_each_alone():
    members = [nn.Sequential(nn.Linear(6, 50), Dropout(p)) for p in (0.0, 0.2, 0.8)]
    x = torch.randn(7, 6)
    alone = []
    for number, member in enumerate(members):
        layers = seed_dropout(member, 10 + number)
        set_step(layers, 3 * number)
        alone.append(member(x).detach())
        set_step(layers, 3 * number)
    parameters, buffers = stack_module_state(members)
    buffers = {**{f"1.{n}": torch.stack([getattr(m[1], n) for m in members])
                  for n in ("seed", "step", "threshold", "scale")}, **buffers}  # fmt: skip

    def call(p: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(members[0], (p, b), (x,))

    torch.testing.assert_close(vmap(call)(parameters, buffers), torch.stack(alone), atol=1e-6, rtol=1e-6)


def test_dropout_of_a_users_module_is_replaced_at_any_depth():
    network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.3), nn.Dropout2d(0.3)))
    replace_dropout(network)
    assert isinstance(network[1][0], Dropout)
    assert network[1][0].p == 0.3
    assert type(network[1][1]) is nn.Dropout2d
