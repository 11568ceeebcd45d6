"""The user's own module and loss: what is taken, what is refused, and how."""

import sys

import pytest
import torch

from hpsearch.config import KINDS, ConfigError
from hpsearch.nn.dropout import Dropout
from hpsearch.nn.losses import row_losses
from hpsearch.nn.models import build_network


def build(make_config, name="Flat", shape=(2, 3), outputs=3, seed=0, module="users_code", **kwargs):
    model = {"kind": "custom", "import_path": f"{module}:{name}", "kwargs": kwargs}
    return build_network(make_config(model=model), shape, outputs, seed=seed)


def custom_loss(name: str):
    return KINDS["loss"]["custom"](kind="custom", import_path=f"users_code:{name}")


def test_the_users_module_is_built_with_its_arguments(make_config):
    network = build(make_config, hidden=9)
    assert network.stack[1].out_features == 9
    assert network.training


def test_its_initialization_is_its_own_under_the_seed_of_the_fit(make_config):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again, other = (build(make_config, seed=s).stack[1].weight for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_its_dropout_is_ours(make_config):
    assert isinstance(build(make_config).stack[3], Dropout)


def test_the_probe_leaves_no_trace_in_batch_normalization(make_config):
    assert build(make_config).stack[2].num_batches_tracked == 0


def test_a_module_that_asks_for_its_shapes_is_told_them(make_config):
    linear = build(make_config, "Asking", (2, 3)).stack[1]
    assert (linear.in_features, linear.out_features) == (6, 3)


def test_a_module_in_the_current_directory_is_found(make_config, tmp_path, monkeypatch):
    (tmp_path / "lies_here.py").write_text("from torch import nn\n\ndef net():\n    return nn.Linear(2, 3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert build(make_config, "net", (2,), module="lies_here").out_features == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"module": "no_such_file"},
            r"model.import_path must name an importable module, got 'no_such_file:Flat': No mod",
        ),
        ({"name": "Missing"}, "model.import_path must name something in users_code, got 'users_code:Missing'"),
        ({"width": 3}, r"model.kwargs must suit users_code:Flat, got \{'width': 3\}: .*unexpected keyword"),
        ({"name": "no_module"}, "model.import_path must name a torch.nn.Module, got 'users_code:no_module', a str"),
        ({"outputs": 4}, r"must return \(B, 4\) outputs for inputs \(B, 2, 3\), got \(2, 3\) for B = 2"),
        ({"shape": (5,)}, r"must take inputs of shape \('B', 5\), got: "),
    ],
)
def test_modules_that_cannot_be_used_are_refused(arguments, message, make_config):
    with pytest.raises(ConfigError, match=message):
        build(make_config, **arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\n\nundefined\n", "being imported: NameError: name 'undefined' is not defined"),
        ("import torch\n\ndef net(:\n", "being imported: SyntaxError: invalid syntax"),
        (
            "def net():\n    x = 1\n    return [][x]\n",
            r"its constructor \(model.kwargs={}\): IndexError: list index out of",
        ),
        ("import sys\n\nsys.exit(3)\n", "being imported: SystemExit: 3"),
    ],
    ids=["import", "syntax", "constructor", "exit"],
)
def test_errors_of_own_code_say_where(text, message, request, make_config, tmp_path, monkeypatch):
    name = f"broken_{request.node.callspec.id}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=f"model.import_path {name}:net fails in {message}.* \\({name}.py, line 3\\)$"
    ):
        build(make_config, "net", module=name)


def test_a_users_loss_gives_one_value_a_row():
    values = row_losses(custom_loss("rows"), torch.tensor([[1.0, 5.0], [0.0, 0.0]]), torch.zeros(2, 2))
    assert values.tolist() == [5, 0]


def test_a_loss_that_returns_a_scalar_is_refused():
    with pytest.raises(ConfigError) as error:
        row_losses(custom_loss("scalar"), torch.zeros(4, 2), torch.zeros(4, 2))
    assert str(error.value) == (
        "loss.import_path users_code:scalar must return one value a row, shape (4,), got (): leave the mean over rows "
        "to hpsearch (reduction='none')"
    )


def test_a_loss_that_is_no_function_is_refused():
    with pytest.raises(ConfigError, match=r"loss.import_path must name a function"):
        row_losses(custom_loss("number"), torch.zeros(4, 2), torch.zeros(4, 2))
