"""What the options of `model`, `activation`, `init`, `norm` and `regularization` may set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.option import Option
from hpsearch.config.validation import (
    require,
    require_finite,
    require_import_path,
    require_kwargs,
    require_positive,
    require_share,
)


class Pooling(StrEnum):
    """What follows each convolution."""

    MAX = "max"
    AVERAGE = "avg"
    NONE = "none"


@dataclass(kw_only=True, slots=True)
class Model(Option):
    """The perceptron and the linear model (linear or logistic regression): one affine layer."""

    group: ClassVar[str] = "model"


@dataclass(kw_only=True, slots=True)
class MlpModel(Model):
    """A multilayer perceptron: `depth` hidden layers of `width` units, or the list `widths` instead of both."""

    replaces: ClassVar[Mapping[str, tuple[str, ...]]] = {"widths": ("depth", "width")}
    depth: Annotated[int, "hidden layers, >= 0"]
    width: Annotated[int, "units of each hidden layer, >= 1"]
    widths: Annotated[
        list[int] | None, "units of each hidden layer, first to last, instead of depth and width: [256,128]"
    ]

    def __post_init__(self) -> None:
        require(self.depth >= 0, "model.depth", "must be >= 0", self.depth)
        require(self.width >= 1, "model.width", "must be >= 1", self.width)
        require(all(w >= 1 for w in self.widths or []), "model.widths", "must hold integers >= 1", self.widths)

    @property
    def hidden(self) -> list[int]:
        """Units of each hidden layer, first to last."""
        return self.widths if self.widths is not None else [self.width] * self.depth


@dataclass(kw_only=True, slots=True)
class CnnModel(Model):
    """Convolution blocks, one for each entry of `filters`, then dense layers of `dense` units."""

    filters: Annotated[list[int], "filters of each convolution block, each >= 1"]
    kernel: Annotated[int, "width of the square kernel, >= 1"]
    stride: Annotated[int, "step of the kernel, >= 1"]
    padding: Annotated[int | None, "border of zeros, >= 0; null: half the kernel, which keeps the size at stride 1"]
    pool: Annotated[Pooling, "what follows each convolution"]
    pool_size: Annotated[int, "width of the square that is pooled, >= 1"]
    dense: Annotated[list[int], "units of each dense layer after the blocks, each >= 1"]

    def __post_init__(self) -> None:
        require(len(self.filters) >= 1, "model.filters", "must hold at least one layer", self.filters)
        require(all(f >= 1 for f in self.filters), "model.filters", "must hold integers >= 1", self.filters)
        require(all(d >= 1 for d in self.dense), "model.dense", "must hold integers >= 1", self.dense)
        require(self.kernel >= 1, "model.kernel", "must be >= 1", self.kernel)
        require(self.stride >= 1, "model.stride", "must be >= 1", self.stride)
        require(self.padding is None or self.padding >= 0, "model.padding", "must be >= 0 or null", self.padding)
        require(self.pool_size >= 1, "model.pool_size", "must be >= 1", self.pool_size)


@dataclass(kw_only=True, slots=True)
class CustomModel(Model):
    """The user's own `torch.nn.Module`: `import_path` is `package.module:Class`, called with `kwargs`."""

    import_path: Annotated[str, "your torch.nn.Module, as package.module:Class"]
    kwargs: Annotated[dict[str, Any], "keyword arguments of its constructor: model.kwargs.NAME=..."]

    def __post_init__(self) -> None:
        require_import_path("model.import_path", self.import_path)
        require_kwargs("model.kwargs", self.kwargs)


@dataclass(kw_only=True, slots=True)
class Activation(Option):
    """Step, identity, sigmoid, tanh, ReLU: no parameters."""

    group: ClassVar[str] = "activation"


@dataclass(kw_only=True, slots=True)
class LeakyRelu(Activation):
    """`max(x, 0) + slope * min(x, 0)`."""

    slope: Annotated[float, "slope below zero, finite"]

    def __post_init__(self) -> None:
        require_finite("activation.slope", self.slope)


@dataclass(kw_only=True, slots=True)
class Elu(Activation):
    """`x` above zero, `alpha * (exp(x) - 1)` below."""

    alpha: Annotated[float, "depth of the curve below zero, finite"]

    def __post_init__(self) -> None:
        require_finite("activation.alpha", self.alpha)


class Fan(StrEnum):
    """Which connections of a unit scale its initial weights."""

    IN = "in"
    OUT = "out"
    AVERAGE = "average"


@dataclass(kw_only=True, slots=True)
class Init(Option):
    """Zeros: every weight 0; every initializer sets all biases to `bias`."""

    group: ClassVar[str] = "init"
    bias: Annotated[float, "every bias starts here, finite"]

    def __post_init__(self) -> None:
        require_finite("init.bias", self.bias)


@dataclass(kw_only=True, slots=True)
class NormalInit(Init):
    """Gaussian weights of standard deviation `std`."""

    std: Annotated[float, "standard deviation of the weights, > 0"]

    def __post_init__(self) -> None:
        super(NormalInit, self).__post_init__()
        require_positive("init.std", self.std)


@dataclass(kw_only=True, slots=True)
class UniformInit(Init):
    """Weights uniform in [-limit, limit]."""

    limit: Annotated[float, "weights lie in [-limit, limit], > 0"]

    def __post_init__(self) -> None:
        super(UniformInit, self).__post_init__()
        require_positive("init.limit", self.limit)


@dataclass(kw_only=True, slots=True)
class ScaledInit(Init):
    """Xavier, He, LeCun: weights of standard deviation `gain / sqrt(fan)`, Gaussian or uniform."""

    gain: Annotated[float, "standard deviation is gain / sqrt(fan), > 0"]
    fan: Annotated[Fan, "which connections of a unit are counted"]

    def __post_init__(self) -> None:
        super(ScaledInit, self).__post_init__()
        require_positive("init.gain", self.gain)


@dataclass(kw_only=True, slots=True)
class OrthogonalInit(Init):
    """Orthogonal weights times `gain` (Saxe et al., 2014)."""

    gain: Annotated[float, "factor of the orthogonal weights, > 0"]

    def __post_init__(self) -> None:
        super(OrthogonalInit, self).__post_init__()
        require_positive("init.gain", self.gain)


@dataclass(kw_only=True, slots=True)
class LsuvInit(Init):
    """Orthogonal weights, divided layer by layer by the standard deviation of its outputs (Mishkin & Matas, 2016)."""

    gain: Annotated[float, "standard deviation of every layer's outputs, > 0"]
    rows: Annotated[int, "training rows that outputs are measured on, >= 2"]

    def __post_init__(self) -> None:
        super(LsuvInit, self).__post_init__()
        require_positive("init.gain", self.gain)
        require(self.rows >= 2, "init.rows", "must be >= 2", self.rows)


@dataclass(kw_only=True, slots=True)
class Norm(Option):
    """No normalization."""

    group: ClassVar[str] = "norm"


@dataclass(kw_only=True, slots=True)
class BatchNorm(Norm):
    """Batch normalization before or after the activation; `affine` learns gamma and beta."""

    momentum: Annotated[float, "share of the newest batch in the running statistics, in (0, 1]"]
    eps: Annotated[float, "added to the variance, > 0"]
    affine: Annotated[bool, "whether gamma and beta are learned"]

    def __post_init__(self) -> None:
        require(0 < self.momentum <= 1, "norm.momentum", "must lie in (0, 1]", self.momentum)
        require_positive("norm.eps", self.eps)


@dataclass(kw_only=True, slots=True)
class Regularization(Option):
    """No weight decay, no dropout; `max_norm` bounds the incoming weights of every unit, the output layer's too."""

    group: ClassVar[str] = "regularization"
    weight_decay: float = field(default=0.0, init=False)
    dropout: float = field(default=0.0, init=False)
    max_norm: Annotated[
        float | None, "bound on the norm of the incoming weights of each unit, output units included, > 0; null: none"
    ]

    def __post_init__(self) -> None:
        decay = self.weight_decay
        require(0 <= decay < float("inf"), "regularization.weight_decay", "must be >= 0 and finite", decay)
        require_share("regularization.dropout", self.dropout)
        if self.max_norm is not None:
            require_positive("regularization.max_norm", self.max_norm)


@dataclass(kw_only=True, slots=True)
class WeightDecay(Regularization):
    """Decay of the weights alone, not of biases or gamma and beta; decoupled for AdamW, else added to the gradient."""

    weight_decay: Annotated[float, "decay of the weights alone, not of biases, >= 0"]


@dataclass(kw_only=True, slots=True)
class Dropout(Regularization):
    """Hidden units are dropped with probability `dropout`, the rest scaled by 1 / (1 - dropout)."""

    dropout: Annotated[float, "probability that a hidden unit is dropped, in [0, 1)"]


@dataclass(kw_only=True, slots=True)
class WeightDecayAndDropout(Regularization):
    """Both at once."""

    weight_decay: Annotated[float, "decay of the weights alone, not of biases, >= 0"]
    dropout: Annotated[float, "probability that a hidden unit is dropped, in [0, 1)"]
