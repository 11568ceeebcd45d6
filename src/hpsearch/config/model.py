"""Options of `model`, `activation`, `init`, `norm` and `regularization`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.bounds import (
    FINITE,
    IMPORT_PATH,
    NOT_NEGATIVE,
    POSITIVE,
    at_least,
    each_at_least,
    require,
    require_kwargs,
    within,
)
from hpsearch.config.option import Option, recipe_group


class Pooling(StrEnum):
    """Pooling after each convolution."""

    MAX = "max"
    AVERAGE = "avg"
    NONE = "none"


@dataclass(kw_only=True, slots=True)
class Model(Option):
    """Perceptron and linear model (linear or logistic regression): one affine layer."""

    group: ClassVar[str] = "model"


@dataclass(kw_only=True, slots=True)
class MlpModel(Model):
    """A multilayer perceptron of `depth` hidden layers with `width` units, or with the `widths` given one by one."""

    replaces: ClassVar[Mapping[str, tuple[str, ...]]] = {"widths": ("depth", "width")}
    depth: Annotated[int, at_least(0), "hidden layers"]
    width: Annotated[int, at_least(1), "units of each hidden layer"]
    widths: Annotated[
        list[int] | None,
        replace(each_at_least(1), words=""),
        "units of each hidden layer, first to last, instead of depth and width: [256,128]",
    ]

    @property
    def hidden(self) -> list[int]:
        """Units of each hidden layer, first to last."""
        return self.widths if self.widths is not None else [self.width] * self.depth


@dataclass(kw_only=True, slots=True)
class CnnModel(Model):
    """Convolution blocks, one per entry of `filters`, then dense layers of `dense` units."""

    filters: Annotated[list[int], each_at_least(1), "filters of each convolution block"]
    kernel: Annotated[int, at_least(1), "width of the square kernel"]
    stride: Annotated[int, at_least(1), "step of the kernel"]
    padding: Annotated[
        int | None, at_least(0), "border of zeros; null: half the kernel, which keeps the size at stride 1"
    ]
    pool: Annotated[Pooling, "what follows each convolution"]
    pool_size: Annotated[int, at_least(1), "width of the square that is pooled"]
    dense: Annotated[list[int], each_at_least(1), "units of each dense layer after the blocks"]

    def __post_init__(self) -> None:
        super(CnnModel, self).__post_init__()
        require(len(self.filters) >= 1, "model.filters", "must hold at least one layer", self.filters)


@dataclass(kw_only=True, slots=True)
class CustomModel(Model):
    """The user's own `torch.nn.Module`: `import_path` is `package.module:Class`, called with `kwargs`."""

    import_path: Annotated[str, IMPORT_PATH, "your torch.nn.Module, as package.module:Class"]
    kwargs: Annotated[dict[str, Any], "keyword arguments of its constructor: model.kwargs.NAME=..."]

    def __post_init__(self) -> None:
        super(CustomModel, self).__post_init__()
        require_kwargs("model.kwargs", self.kwargs)


@dataclass(kw_only=True, slots=True)
class Activation(Option):
    """Step, identity, sigmoid, tanh, ReLU: no parameters."""

    group: ClassVar[str] = "activation"


@dataclass(kw_only=True, slots=True)
class LeakyRelu(Activation):
    """`max(x, 0) + slope * min(x, 0)`."""

    slope: Annotated[float, FINITE, "slope below zero"]


@dataclass(kw_only=True, slots=True)
class Elu(Activation):
    """`x` above zero, `alpha * (exp(x) - 1)` below."""

    alpha: Annotated[float, FINITE, "depth of the curve below zero"]


class Fan(StrEnum):
    """Connections of a unit that are counted to scale its initial weights."""

    IN = "in"
    OUT = "out"
    AVERAGE = "average"


@dataclass(kw_only=True, slots=True)
class Init(Option):
    """Zeros: every weight 0; every initializer sets all biases to `bias`."""

    group: ClassVar[str] = "init"
    bias: Annotated[float, FINITE, "every bias starts here"]


@dataclass(kw_only=True, slots=True)
class NormalInit(Init):
    """Gaussian weights of standard deviation `std`."""

    std: Annotated[float, POSITIVE, "standard deviation of the weights"]


@dataclass(kw_only=True, slots=True)
class UniformInit(Init):
    """Weights uniform in [-limit, limit]."""

    limit: Annotated[float, POSITIVE, "weights lie in [-limit, limit]"]


@dataclass(kw_only=True, slots=True)
class ScaledInit(Init):
    """Xavier, He, LeCun: weights of standard deviation `gain / sqrt(fan)`, Gaussian or uniform."""

    gain: Annotated[float, POSITIVE, "standard deviation is gain / sqrt(fan)"]
    fan: Annotated[Fan, "which connections of a unit are counted"]


@dataclass(kw_only=True, slots=True)
class OrthogonalInit(Init):
    """Orthogonal weights times `gain` (Saxe et al., 2014)."""

    gain: Annotated[float, POSITIVE, "factor of the orthogonal weights"]


@dataclass(kw_only=True, slots=True)
class LsuvInit(Init):
    """Orthogonal weights, divided layer by layer by the standard deviation of its outputs (Mishkin & Matas, 2016)."""

    gain: Annotated[float, POSITIVE, "standard deviation of every layer's outputs"]
    rows: Annotated[int, at_least(2), "training rows that outputs are measured on"]


@dataclass(kw_only=True, slots=True)
class CustomInit(Init):
    """The user's own initializer: a function that fills a weight tensor in place, as those of `torch.nn.init`."""

    import_path: Annotated[str, IMPORT_PATH, "your initializer(weight, generator), as package.module:function"]
    kwargs: Annotated[dict[str, Any], "keyword arguments of the function: init.kwargs.NAME=..."] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        super(CustomInit, self).__post_init__()
        require_kwargs("init.kwargs", self.kwargs)


@dataclass(kw_only=True, slots=True)
class Norm(Option):
    """No normalization."""

    group: ClassVar[str] = "norm"


@dataclass(kw_only=True, slots=True)
class BatchNorm(Norm):
    """Batch normalization before or after the activation; `affine` learns gamma and beta."""

    momentum: Annotated[float, within("(0, 1]"), "share of the newest batch in the running statistics"]
    eps: Annotated[float, POSITIVE, "added to the variance"]
    affine: Annotated[bool, "whether gamma and beta are learned"]


@dataclass(kw_only=True, slots=True)
class Regularization(Option):
    """No weight decay, no dropout; `max_norm` bounds the incoming weights of every unit, the output layer's too."""

    group: ClassVar[str] = "regularization"
    weight_decay: float = field(default=0.0, init=False)
    dropout: float = field(default=0.0, init=False)
    max_norm: Annotated[
        float | None,
        POSITIVE,
        "bound on the norm of the incoming weights of each unit, output units included; null: none",
    ]


@dataclass(kw_only=True, slots=True)
class WeightDecay(Regularization):
    """Decay of the weights alone, not of biases or gamma and beta.

    It is decoupled for AdamW and Lion, part of the step for LAMB, and else added to the gradient.
    """

    weight_decay: Annotated[float, NOT_NEGATIVE, "decay of the weights alone, not of biases"]


@dataclass(kw_only=True, slots=True)
class Dropout(Regularization):
    """Hidden units are dropped with probability `dropout`, the rest scaled by 1 / (1 - dropout)."""

    dropout: Annotated[float, within("[0, 1)"), "probability that a hidden unit is dropped"]


@dataclass(kw_only=True, slots=True)
class WeightDecayAndDropout(WeightDecay):
    """Both at once."""

    dropout: Annotated[float, within("[0, 1)"), "probability that a hidden unit is dropped"]


NO_HIDDEN_UNITS = frozenset({"perceptron", "linear", "custom"})
"""Kinds of model without hidden units, or with those of the user's own module."""

GROUPS = (
    recipe_group(
        name="model", shapes_fleet=True,
        kinds={"perceptron": Model, "linear": Model, "mlp": MlpModel, "cnn": CnnModel, "custom": CustomModel},
    ),
    recipe_group(
        name="activation", shapes_fleet=True, per_member=("slope", "alpha"), unread_by=NO_HIDDEN_UNITS,
        kinds={
            **dict.fromkeys(("step", "identity", "sigmoid", "tanh", "relu"), Activation),
            "leaky_relu": LeakyRelu, "elu": Elu,
        },
    ),
    recipe_group(
        name="init", unread_by=frozenset({"custom"}),
        kinds={
            "zeros": Init, "normal": NormalInit, "uniform": UniformInit, "scaled_normal": ScaledInit,
            "scaled_uniform": ScaledInit, "orthogonal": OrthogonalInit, "lsuv": LsuvInit,
            "custom": CustomInit,
        },
    ),
    recipe_group(
        name="norm", shapes_fleet=True, unread_by=NO_HIDDEN_UNITS,
        kinds={"none": Norm, "before": BatchNorm, "after": BatchNorm},
    ),
    recipe_group(
        name="regularization", shapes_fleet=True, per_member=("kind", "weight_decay"),
        per_member_if_any=("dropout", "max_norm"),
        kinds={"none": Regularization, "weight_decay": WeightDecay, "dropout": Dropout, "both": WeightDecayAndDropout},
    ),
)  # fmt: skip
