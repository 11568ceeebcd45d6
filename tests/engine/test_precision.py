"""Reduced precision: what it reaches, what it leaves alone, and that it ends."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.backends import cuda, cudnn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from hpsearch.config import ConfigError, Engine
from hpsearch.config.training import Precision
from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet import autotune as rehearsal
from hpsearch.engine.fleet import trainer as fleet
from hpsearch.engine.fleet.cuda_graph import Replayed
from hpsearch.engine.fleet.elementwise import elu, leaky_relu, sigmoid
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.engine.minibatches import probe_rows
from hpsearch.engine.precision import arithmetic, require_precision
from hpsearch.execution.run_job import WorkerState, check
from hpsearch.jobs import CheckJob
from hpsearch.nn.models import build_network
from hpsearch.seeding import epoch_order
from tests.engine.comparison import bits, worst_difference

ULP = 2**-8
"""Half the distance of 1 to the next number of bfloat16: the largest relative error of one rounding."""
TOLERANCE = 10 * ULP
"""Of outputs and weights of order 1, between two ways of rounding in bfloat16, after some twenty steps."""
CUDA = torch.device("cuda")
PRODUCT = re.compile(r"aten\.(mm|bmm|addmm|baddbmm|addmv|mv|convolution|convolution_backward)\.")
MODELS = {
    "mlp": {"model": {"kind": "mlp", "widths": [9, 7]}},
    "norm before": {"norm": "before"},
    "norm after, leaky": {"norm": "after", "activation": "leaky_relu"},
    "norm after, elu": {"norm": "after", "activation": "elu"},
    "sigmoid": {"activation": "sigmoid", "loss": "mse"},
    "dropout": {"regularization": {"kind": "both", "dropout": 0.3, "max_norm": 1.0}},
    "own, with norm and dropout": {"model": {"kind": "custom", "import_path": "own_models:Normed"}},
    "own, one dropout twice": {"model": {"kind": "custom", "import_path": "own_models:Twice"}},
    "own loss": {"loss": {"kind": "custom", "import_path": "own_models:brier"}},
    "cnn": {"model": "cnn"},
    "cnn with norm": {"model": "cnn", "norm": "before"},
    "own cnn": {"model": {"kind": "custom", "import_path": "own_models:Convolved"}},
}


class Spy(TorchDispatchMode):
    """Notes the types of the floats that each operation reads; not of what has sides of 2, as probes of modules do."""

    def __init__(self):
        super().__init__()
        self.read: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [x for x in args if isinstance(x, torch.Tensor) and x.is_floating_point()]
        if not any(2 in x.shape for x in tensors):
            self.read.setdefault(str(func), set()).update(x.dtype for x in tensors)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def problem(make_config, make_rows, make_fit):
    """Some fits of a model in a precision, and their data."""

    def make(name="mlp", precision="bf16", device="cpu", epochs=4):
        overrides = {"optimizer": {"kind": "momentum", "lr": 0.02}, **MODELS[name]}
        images = "cnn" in name
        config = make_config(**overrides, training={"epochs": epochs, "batch_size": 9, "precision": precision})
        fits = [make_fit(config, 60, seed=seed) for seed in range(3)]
        return fits, to_device(make_rows(60, images=images, width=6 if images else 5), device)

    return make


def alone(fits, data, **settings):
    return [reference.train(fit, data, **settings) for fit in fits]


ENGINES = {"reference": alone, "fleet": train_fleet}


@pytest.fixture(params=ENGINES)
def train(request):
    return ENGINES[request.param]


def under_autocast(fit, data):
    """Outputs of the validation rows after each epoch, and the weights: a loop as a user of torch would write it."""
    template = build_network(fit.config, (5,), 3, seed=fit.seeds.init).state_dict()
    net = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3))
    net.load_state_dict(dict(zip(net.state_dict(), template.values(), strict=True)))
    x, y, outputs = torch.tensor(data.rows.inputs), torch.tensor(data.rows.targets), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(fit.config.training.epochs):
        order = fit.fold.train[epoch_order(fit.seeds.order, epoch, len(fit.fold.train))]
        for rows in np.split(order, range(9, len(order), 9)):
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(x[rows])
            optimizer.zero_grad()
            functional.cross_entropy(logits.float(), y[rows]).backward()
            optimizer.step()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            outputs.append(net(x[fit.fold.val]).float().numpy())
    return np.stack(outputs), dict(zip(template, map(np.asarray, net.state_dict().values()), strict=True))


def test_bf16_equals_a_plain_loop_under_autocast(train, make_config, make_rows, make_fit):
    training = {"epochs": 4, "batch_size": 9, "precision": "bf16"}
    overrides = {"data": "digits", "preprocess": "none", **MODELS["mlp"], "training": training}
    config = make_config(**overrides, optimizer={"kind": "momentum", "lr": 0.02})
    fits, data = [make_fit(config, 60, seed=seed) for seed in range(3)], to_device(make_rows(60))
    for fit, result in zip(fits, train(fits, data, keep_state=True), strict=True):
        outputs, weights = under_autocast(fit, data)
        np.testing.assert_allclose(result.val_outputs, outputs, rtol=ULP, atol=ULP)
        for name, expected in weights.items():
            np.testing.assert_allclose(result.state[name], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_the_engines_agree_in_bf16(problem, name):
    fits, data = problem(name)
    together, single = train_fleet(fits, data, keep_state=True), alone(fits, data, keep_state=True)
    assert max(map(worst_difference, together, single)) <= TOLERANCE * np.abs(single[0].val_outputs).max()


@pytest.mark.parametrize("name", ["mlp", "cnn", "own cnn"])
def test_bf16_is_not_float32(problem, train, name):
    rough, exact = (train(*problem(name, precision), keep_state=True) for precision in ("bf16", "float32"))
    assert min(map(worst_difference, rough, exact)) > 1e-3


@pytest.mark.parametrize("name", MODELS)
def test_every_product_is_in_bf16_and_every_statistic_and_loss_in_float32(problem, train, name):
    fits, data = problem(name, epochs=1)
    with Spy() as spy:
        train(fits, data)
    products = {func: types for func, types in spy.read.items() if PRODUCT.match(func)}
    assert set().union(*products.values()) == {torch.bfloat16}, products
    losses = [types for func, types in spy.read.items() if re.search("log_softmax|nll_loss|mse|_softmax", func)]
    assert all(types == {torch.float32} for types in losses), spy.read


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_weights_statistics_and_outputs_are_float32(problem, train, precision):
    for result in train(*problem("norm before", precision), keep_state=True):
        floats = [array.dtype for array in result.state.values() if array.dtype.kind == "f"]
        assert {*floats, result.val_outputs.dtype, result.report_outputs.dtype} == {np.dtype(np.float32)}


def test_predictions_are_made_as_the_network_was_trained(problem, train):
    fits, data = problem()
    for fit, result in zip(fits, train(fits, data, keep_state=True), strict=True):
        outputs = reference.predict(fit.config, result.state, data, data.preprocessed(fit).preprocessing)
        assert outputs.dtype == np.float32
        for found in (outputs, result.val_outputs, result.report_outputs):
            assert np.array_equal(found, torch.tensor(found).bfloat16().float().numpy())  # no digits beyond bfloat16
        np.testing.assert_allclose(result.report_outputs, outputs[fit.fold.report], rtol=2 * ULP, atol=ULP)
        probe = probe_rows(fit)
        loss = functional.cross_entropy(torch.tensor(outputs[probe]), torch.tensor(data.rows.targets[probe]))
        assert result.final_loss == pytest.approx(loss.item(), abs=ULP)


def test_predictions_in_float32_have_digits_beyond_bfloat16(problem, train):
    for result in train(*problem(precision="float32")):
        assert not np.array_equal(result.val_outputs, torch.tensor(result.val_outputs).bfloat16().float().numpy())


@pytest.mark.parametrize("name", ["mlp", "norm after, elu", "dropout", "cnn with norm"])
def test_in_bf16_too_a_member_has_the_same_bits_whoever_is_in_its_fleet(problem, name):
    fits, data = problem(name)
    together = train_fleet(fits, data, keep_state=True)
    assert [bits(train_fleet([fit], data, keep_state=True)[0]) for fit in fits] == list(map(bits, together))


def test_replayed_steps_equal_plain_ones_in_bf16(problem):
    class Again:
        def record(self, work):
            self.replay = work

    fits, data = problem("dropout")
    replayed = train_fleet(fits, data, stepper=lambda step, _: Replayed(step, Again))
    assert list(map(bits, replayed)) == list(map(bits, train_fleet(fits, data)))


@pytest.mark.parametrize("name", ["Normed", "Convolved", "Scalars"])
def test_a_users_module_trains_in_a_fleet_in_bf16(make_config, make_rows, name):
    model = {"kind": "custom", "import_path": f"own_models:{name}"}
    config = make_config(model=model, training={"precision": "bf16"})
    rows = make_rows(40, images=name == "Convolved")
    fleet_settings = check(WorkerState(to_device(rows)), CheckJob((config,), (config,), Engine.FLEET)).fleet_settings
    assert fleet_settings[shape_key(config)].engine is Engine.FLEET


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (sigmoid, torch.sigmoid),
        (lambda x: elu(x, torch.tensor(0.7)), lambda x: functional.elu(x, 0.7)),
        (lambda x: leaky_relu(x, torch.tensor(0.3)), lambda x: functional.leaky_relu(x, 0.3)),
    ],
)
def test_an_activation_in_bfloat16_is_rounded_once(ours, theirs):
    x = torch.linspace(-6, 6, 1000).bfloat16()
    assert ours(x).dtype == torch.bfloat16
    torch.testing.assert_close(ours(x).float(), theirs(x.float()), rtol=ULP, atol=1e-30)


def test_tf32_is_refused_on_a_cpu(problem, train):
    fits, data = problem(precision="tf32")
    with pytest.raises(ConfigError) as refusal:
        train(fits, data)
    assert str(refusal.value) == (
        "training.precision must be float32 or bf16 where the device has no TF32, got tf32 on cpu: use an NVIDIA GPU "
        "of the Ampere generation or later (execution.device=cuda), or another precision"
    )


def test_a_network_trained_in_tf32_predicts_on_a_cpu_in_float32(problem):
    (fit, *_), data = problem(precision="float32")
    (rough, *_), _ = problem(precision="tf32")
    state = reference.train(fit, data, keep_state=True).state
    seen = data.preprocessed(fit).preprocessing
    exact = reference.predict(fit.config, state, data, seen)
    assert reference.predict(rough.config, state, data, seen).tobytes() == exact.tobytes()


@pytest.mark.parametrize("precision", [Precision.TF32, Precision.BF16])
def test_data_in_float64_are_refused_where_they_would_not_be_rounded(make_rows, precision):
    data = to_device(make_rows(10), dtype=torch.float64)
    with pytest.raises(ConfigError) as refusal:
        require_precision(precision, data)
    assert str(refusal.value) == (
        f"training.precision must be float32 for data in float64, which nothing rounds, got {precision}: "
        "use data in float32"
    )


def switches():
    return cuda.matmul.fp32_precision, cudnn.conv.fp32_precision


@pytest.mark.parametrize(
    ("precision", "within"), [(Precision.TF32, "tf32"), (Precision.FLOAT32, "ieee"), (Precision.BF16, "ieee")]
)
def test_the_switch_of_cuda_is_set_within_and_put_back_after(precision, within):
    before = switches()
    with arithmetic(precision, CUDA):
        assert switches() == (within, within)
    assert switches() == before


def test_the_switch_is_put_back_after_an_exception():
    before = switches()
    with pytest.raises(ZeroDivisionError), arithmetic(Precision.TF32, CUDA):
        _ = 1 / 0
    assert switches() == before


@pytest.mark.parametrize("precision", Precision)
def test_no_other_device_touches_the_switch(precision):
    before = switches()
    with arithmetic(precision, torch.device("cpu")):
        assert switches() == before


def test_every_way_in_sets_the_switch_around_its_work(problem, monkeypatch):
    entered = []

    def noted(precision, device):
        entered.append((precision, device.type))
        return arithmetic(precision, device)

    monkeypatch.setattr(reference, "arithmetic", noted)
    monkeypatch.setattr(fleet, "arithmetic", noted)
    monkeypatch.setattr(rehearsal, "arithmetic", noted)
    fits, data = problem()
    state = reference.train(fits[0], data, keep_state=True).state
    reference.predict(fits[0].config, state, data, data.preprocessed(fits[0]).preprocessing)
    train_fleet(fits, data)
    rehearsal.TimingRun(fits, data).step()
    assert entered == [(Precision.BF16, "cpu")] * 4


class Failing(nn.Module):
    """Learns for a while, then fails."""

    def __init__(self):
        super().__init__()
        self.output = nn.Linear(5, 3)

    def forward(self, x):
        if self.training:
            raise ZeroDivisionError
        return self.output(x)


def test_mixed_precision_ends_with_the_pass_whatever_happens_in_it(train, make_config, make_rows, make_fit):
    model = {"kind": "custom", "import_path": f"{__name__}:Failing"}
    config = make_config(model=model, training={"precision": "bf16"})
    with pytest.raises(ZeroDivisionError):
        train([make_fit(config)], to_device(make_rows()))
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [Precision.TF32, Precision.BF16])
@pytest.mark.parametrize("name", MODELS)
def test_the_engines_agree_on_a_gpu(problem, name, precision):
    fits, data = problem(name, precision, CUDA)
    before = switches()
    together, single = train_fleet(fits, data, keep_state=True), alone(fits, data, keep_state=True)
    assert max(map(worst_difference, together, single)) <= TOLERANCE * np.abs(single[0].val_outputs).max()
    assert switches() == before


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [Precision.TF32, Precision.BF16])
def test_reduced_precision_is_not_float32_on_a_gpu(problem, train, precision):
    rough, exact = (train(*problem("mlp", each, CUDA), keep_state=True) for each in (precision, Precision.FLOAT32))
    assert min(map(worst_difference, rough, exact)) > 1e-5


@pytest.mark.gpu
def test_a_product_on_a_gpu_is_rounded_within_and_exact_after():
    a = torch.randn(256, 256, device="cuda")
    exact = a.double() @ a.double()
    with arithmetic(Precision.TF32, CUDA):
        rough = (a @ a - exact).abs().max().item()
    assert (a @ a - exact).abs().max().item() < 1e-3 < rough
