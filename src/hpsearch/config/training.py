"""What the options of `optimizer`, `schedule`, `loss` and `training` may set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.option import Option
from hpsearch.config.validation import require, require_import_path, require_kwargs, require_positive, require_share


@dataclass(kw_only=True, slots=True)
class Optimizer(Option):
    """Plain stochastic gradient descent with learning rate `lr`."""

    group: ClassVar[str] = "optimizer"
    lr: Annotated[float, "learning rate, > 0"]

    def __post_init__(self) -> None:
        require_positive("optimizer.lr", self.lr)


@dataclass(kw_only=True, slots=True)
class Momentum(Optimizer):
    """Heavy-ball or Nesterov momentum."""

    momentum: Annotated[float, "share of the last step that is repeated, in [0, 1)"]

    def __post_init__(self) -> None:
        super(Momentum, self).__post_init__()
        require_share("optimizer.momentum", self.momentum)


@dataclass(kw_only=True, slots=True)
class AdaGrad(Optimizer):
    """AdaGrad (Duchi, Hazan & Singer, 2011)."""

    eps: Annotated[float, "added to the denominator, > 0"]

    def __post_init__(self) -> None:
        super(AdaGrad, self).__post_init__()
        require_positive("optimizer.eps", self.eps)


@dataclass(kw_only=True, slots=True)
class RmsProp(Optimizer):
    """RMSprop; `alpha` is the decay of the mean square."""

    alpha: Annotated[float, "decay of the mean square, in [0, 1)"]
    eps: Annotated[float, "added to the denominator, > 0"]

    def __post_init__(self) -> None:
        super(RmsProp, self).__post_init__()
        require_share("optimizer.alpha", self.alpha)
        require_positive("optimizer.eps", self.eps)


@dataclass(kw_only=True, slots=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015) or AdamW (Loshchilov & Hutter, 2019)."""

    beta1: Annotated[float, "decay of the mean gradient, in [0, 1)"]
    beta2: Annotated[float, "decay of the mean square, in [0, 1)"]
    eps: Annotated[float, "added to the denominator, > 0"]

    def __post_init__(self) -> None:
        super(Adam, self).__post_init__()
        require_share("optimizer.beta1", self.beta1)
        require_share("optimizer.beta2", self.beta2)
        require_positive("optimizer.eps", self.eps)


@dataclass(kw_only=True, slots=True)
class Schedule(Option):
    """A constant learning rate, after a linear warm-up over `warmup_epochs` (0: none; fractions are allowed)."""

    group: ClassVar[str] = "schedule"
    warmup_epochs: Annotated[float, "epochs of linear warm-up, fractions allowed, >= 0 and < training.epochs"]

    def __post_init__(self) -> None:
        epochs = self.warmup_epochs
        require(0 <= epochs < float("inf"), "schedule.warmup_epochs", "must be >= 0 and finite", epochs)


@dataclass(kw_only=True, slots=True)
class StepSchedule(Schedule):
    """The learning rate times `gamma` after every `every` epochs."""

    every: Annotated[int, "epochs between two steps, >= 1"]
    gamma: Annotated[float, "factor of each step, in (0, 1]"]

    def __post_init__(self) -> None:
        super(StepSchedule, self).__post_init__()
        require(self.every >= 1, "schedule.every", "must be >= 1", self.every)
        require(0 < self.gamma <= 1, "schedule.gamma", "must lie in (0, 1]", self.gamma)


@dataclass(kw_only=True, slots=True)
class ExponentialSchedule(Schedule):
    """The learning rate times `gamma` after every epoch."""

    gamma: Annotated[float, "factor after every epoch, in (0, 1]"]

    def __post_init__(self) -> None:
        super(ExponentialSchedule, self).__post_init__()
        require(0 < self.gamma <= 1, "schedule.gamma", "must lie in (0, 1]", self.gamma)


@dataclass(kw_only=True, slots=True)
class CosineSchedule(Schedule):
    """Half a cosine from the learning rate down to `floor` times it, over all epochs (Loshchilov & Hutter, 2017)."""

    floor: Annotated[float, "share of the learning rate that is left at the end, in [0, 1]"]

    def __post_init__(self) -> None:
        super(CosineSchedule, self).__post_init__()
        require(0 <= self.floor <= 1, "schedule.floor", "must lie in [0, 1]", self.floor)


@dataclass(kw_only=True, slots=True)
class PlateauSchedule(Schedule):
    """The learning rate times `factor` when the loss on `monitor` has not improved for `patience` epochs."""

    factor: Annotated[float, "factor at each plateau, in (0, 1)"]
    patience: Annotated[int, "epochs without a better loss on 10 % of the training rows, >= 0"]

    def __post_init__(self) -> None:
        super(PlateauSchedule, self).__post_init__()
        require(0 < self.factor < 1, "schedule.factor", "must lie in (0, 1)", self.factor)
        require(self.patience >= 0, "schedule.patience", "must be >= 0", self.patience)


@dataclass(kw_only=True, slots=True)
class Loss(Option):
    """MSE, MAE, SSE and the perceptron criterion."""

    group: ClassVar[str] = "loss"


@dataclass(kw_only=True, slots=True)
class SmoothedLoss(Loss):
    """Cross entropy and binary cross entropy on logits, with label smoothing (Szegedy et al., 2016)."""

    label_smoothing: Annotated[float, "share of the target that is spread over all classes, in [0, 1)"]

    def __post_init__(self) -> None:
        require_share("loss.label_smoothing", self.label_smoothing)


@dataclass(kw_only=True, slots=True)
class CustomLoss(Loss):
    """The user's own `loss(outputs, targets)`, one value a row: a function, or a class that is called with `kwargs`."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"kwargs": {}}
    import_path: Annotated[str, "your loss(outputs, targets), as package.module:function or package.module:Class"]
    kwargs: Annotated[
        dict[str, Any], "keyword arguments of its constructor or of the function: loss.kwargs.NAME=..."
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_import_path("loss.import_path", self.import_path)
        require_kwargs("loss.kwargs", self.kwargs)


class Precision(StrEnum):
    """What matrix products and convolutions are computed in; weights, gradients and losses are float32 in any case."""

    FLOAT32 = "float32"
    TF32 = "tf32"  # factors rounded to 10 bits of mantissa, on the tensor cores of a CUDA device
    BF16 = "bf16"  # automatic mixed precision in bfloat16, 7 bits of mantissa


@dataclass(kw_only=True, slots=True)
class Training(Option):
    """How long and in what portions; `patience` epochs without a better `monitor` loss stop early, null never does."""

    group: ClassVar[str] = "training"
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"precision": "float32"}
    epochs: Annotated[int, "passes over the training rows, >= 1"]
    batch_size: Annotated[int, "rows of a minibatch, >= 1"]
    patience: Annotated[
        int | None, "stops after so many epochs without a better loss on 10 % of the training rows, >= 1; null: never"
    ]
    clip_norm: Annotated[float | None, "bound on the norm of the gradient, > 0; null: none"]
    precision: Annotated[
        Precision,
        "of matrix products and convolutions; tf32 needs a CUDA device; weights, gradients and losses stay float32",
    ]

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "training.epochs", "must be >= 1", self.epochs)
        require(self.batch_size >= 1, "training.batch_size", "must be >= 1", self.batch_size)
        require(self.patience is None or self.patience >= 1, "training.patience", "must be >= 1 or null", self.patience)
        if self.clip_norm is not None:
            require_positive("training.clip_norm", self.clip_norm)
