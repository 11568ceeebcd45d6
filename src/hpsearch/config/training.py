"""Options of `optimizer`, `schedule`, `loss` and `training`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.bounds import (
    BETWEEN_0_AND_1,
    IMPORT_PATH,
    NOT_NEGATIVE,
    POSITIVE,
    at_least,
    require,
    require_kwargs,
    within,
)
from hpsearch.config.option import Option, OptionGroup, recipe_group


@dataclass(kw_only=True, slots=True)
class Optimizer(Option):
    """Plain stochastic gradient descent with learning rate `lr`."""

    group: ClassVar[str] = "optimizer"
    lr: Annotated[float, POSITIVE, "learning rate"]


@dataclass(kw_only=True, slots=True)
class Momentum(Optimizer):
    """Heavy-ball or Nesterov momentum."""

    momentum: Annotated[float, within("[0, 1)"), "share of the last step that is repeated"]


@dataclass(kw_only=True, slots=True)
class AdaGrad(Optimizer):
    """AdaGrad (Duchi, Hazan & Singer, 2011)."""

    eps: Annotated[float, POSITIVE, "added to the denominator"]


@dataclass(kw_only=True, slots=True)
class RmsProp(Optimizer):
    """RMSprop; `alpha` is the decay of the mean square."""

    alpha: Annotated[float, within("[0, 1)"), "decay of the mean square"]
    eps: Annotated[float, POSITIVE, "added to the denominator"]


@dataclass(kw_only=True, slots=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015), AdamW (Loshchilov & Hutter, 2019), RAdam (Liu et al.) or LAMB (You et al.)."""

    beta1: Annotated[float, within("[0, 1)"), "decay of the mean gradient"]
    beta2: Annotated[float, within("[0, 1)"), "decay of the mean square"]
    eps: Annotated[float, POSITIVE, "added to the denominator"]


@dataclass(kw_only=True, slots=True)
class NAdam(Adam):
    """Adam with Nesterov momentum (Dozat, 2016)."""

    momentum_decay: Annotated[float, NOT_NEGATIVE, "how fast beta1 grows from half its value to all of it"]


@dataclass(kw_only=True, slots=True)
class Lion(Optimizer):
    """Lion (Chen et al., 2023); weight decay is decoupled."""

    beta1: Annotated[float, within("[0, 1)"), "share of the mean gradient in the step, whose sign is taken"]
    beta2: Annotated[float, within("[0, 1)"), "decay of the mean gradient"]


@dataclass(kw_only=True, slots=True)
class CustomOptimizer(Optimizer):
    """The user's own `torch.optim.Optimizer`, called with the parameters, `lr` and `kwargs`."""

    import_path: Annotated[str, IMPORT_PATH, "your torch.optim.Optimizer, as package.module:Class"]
    kwargs: Annotated[
        dict[str, Any], "keyword arguments of its constructor besides params and lr: optimizer.kwargs.NAME=..."
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super(CustomOptimizer, self).__post_init__()
        require_kwargs("optimizer.kwargs", self.kwargs)


@dataclass(kw_only=True, slots=True)
class Schedule(Option):
    """A constant learning rate, after a linear warm-up over `warmup_epochs` (0: none; fractions are allowed)."""

    group: ClassVar[str] = "schedule"
    warmup_epochs: Annotated[
        float, NOT_NEGATIVE, "epochs of linear warm-up, fractions allowed, {} and < training.epochs"
    ]


@dataclass(kw_only=True, slots=True)
class StepSchedule(Schedule):
    """The learning rate times `gamma` after every `every` epochs."""

    every: Annotated[int, at_least(1), "epochs between two steps"]
    gamma: Annotated[float, within("(0, 1]"), "factor of each step"]


@dataclass(kw_only=True, slots=True)
class ExponentialSchedule(Schedule):
    """The learning rate times `gamma` after every epoch."""

    gamma: Annotated[float, within("(0, 1]"), "factor after every epoch"]


@dataclass(kw_only=True, slots=True)
class CosineSchedule(Schedule):
    """Cosine decay of the learning rate to `floor` times its value, over all epochs (Loshchilov & Hutter, 2017)."""

    floor: Annotated[float, within("[0, 1]"), "share of the learning rate that is left at the end"]


@dataclass(kw_only=True, slots=True)
class LinearSchedule(Schedule):
    """Linear decay of the learning rate to `floor` times its value, over all epochs."""

    floor: Annotated[float, within("[0, 1]"), "share of the learning rate that is left at the end"]


@dataclass(kw_only=True, slots=True)
class WarmRestarts(Schedule):
    """Cosine decay to `floor` times the learning rate in cycles that start anew (Loshchilov & Hutter, 2017)."""

    period: Annotated[int, at_least(1), "epochs of the first cycle"]
    period_mult: Annotated[int, at_least(1), "how many times as long each cycle is as the one before"]
    floor: Annotated[float, within("[0, 1]"), "share of the learning rate that is left at the end of a cycle"]


@dataclass(kw_only=True, slots=True)
class OneCycleSchedule(Schedule):
    """Up to the learning rate and down again over all epochs (Smith & Topin, 2018); momentum stays as it is."""

    pct_start: Annotated[float, BETWEEN_0_AND_1, "share of the steps in which the learning rate rises"]
    div_factor: Annotated[float, within("[1, inf)"), "how many times smaller than optimizer.lr it starts"]
    final_div_factor: Annotated[float, within("[1, inf)"), "how many times smaller than at the start it ends"]


@dataclass(kw_only=True, slots=True)
class CustomSchedule(Schedule):
    """The user's own factor of the learning rate at a step, a function of what it names and `kwargs`."""

    import_path: Annotated[
        str, IMPORT_PATH, "your factor(step, steps, epoch, epochs, steps_per_epoch), as package.module:function"
    ]
    kwargs: Annotated[dict[str, Any], "keyword arguments of the function: schedule.kwargs.NAME=..."] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        super(CustomSchedule, self).__post_init__()
        require_kwargs("schedule.kwargs", self.kwargs)


@dataclass(kw_only=True, slots=True)
class PlateauSchedule(Schedule):
    """The learning rate times `factor` whenever the `monitor` loss has not improved for `patience` epochs."""

    factor: Annotated[float, within("(0, 1)"), "factor at each plateau"]
    patience: Annotated[int, at_least(0), "epochs without a better loss on 10 % of the training rows"]


@dataclass(kw_only=True, slots=True)
class Loss(Option):
    """MSE, MAE, SSE, the perceptron criterion, and the likelihoods of counts and of a Gaussian."""

    group: ClassVar[str] = "loss"


@dataclass(kw_only=True, slots=True)
class WeightedLoss(Loss):
    """A loss of classes in which the rows of some can count more: `balanced`, or weights by the names of classes."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"class_weight": None}
    class_weight: Annotated[
        str | dict[str, Any] | None,
        "how often the rows of a class count: balanced, or by name, such as {fraud: 10}, all others once; null: alike",
    ] = None

    def __post_init__(self) -> None:
        super(WeightedLoss, self).__post_init__()
        given = self.class_weight
        if isinstance(given, str):
            require(given == BALANCED, "loss.class_weight", "must be balanced, {CLASS: weight, ...} or null", given)
        for name, weight in ({} if given is None or isinstance(given, str) else given).items():
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            require(number and POSITIVE.holds(weight), f"loss.class_weight.{name}", POSITIVE.rule, weight)


BALANCED = "balanced"
"""Value of `loss.class_weight` by which all classes count alike, however many rows they have."""


@dataclass(kw_only=True, slots=True)
class SmoothedLoss(WeightedLoss):
    """Cross entropy and binary cross entropy on logits, with label smoothing (Szegedy et al., 2016)."""

    label_smoothing: Annotated[float, within("[0, 1)"), "share of the target that is spread over all classes"]


@dataclass(kw_only=True, slots=True)
class FocalLoss(WeightedLoss):
    """Focal loss (Lin et al., 2017)."""

    gamma: Annotated[float, NOT_NEGATIVE, "how much less rows count that are right with certainty; 0: cross entropy"]


@dataclass(kw_only=True, slots=True)
class HuberLoss(Loss):
    """Huber's loss (1964), on scaled targets."""

    delta: Annotated[float, POSITIVE, "error, in standard deviations of the targets, up to which it is squared"]


@dataclass(kw_only=True, slots=True)
class PinballLoss(Loss):
    """Pinball loss of a quantile (Koenker & Bassett, 1978)."""

    quantile: Annotated[float, BETWEEN_0_AND_1, "share of the targets that lie below the predictions"]


@dataclass(kw_only=True, slots=True)
class MarginLoss(Loss):
    """Hinge loss of several classes."""

    margin: Annotated[float, POSITIVE, "by which the output of the label must exceed each other one"]


@dataclass(kw_only=True, slots=True)
class CustomLoss(Loss):
    """The user's own `loss(outputs, targets)`, one value per row: a function, or a class called with `kwargs`."""

    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"kwargs": {}}
    import_path: Annotated[
        str, IMPORT_PATH, "your loss(outputs, targets), as package.module:function or package.module:Class"
    ]
    kwargs: Annotated[
        dict[str, Any], "keyword arguments of its constructor or of the function: loss.kwargs.NAME=..."
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super(CustomLoss, self).__post_init__()
        require_kwargs("loss.kwargs", self.kwargs)


OF_NUMBERS = ("mse", "mae", "sse", "huber", "pinball", "poisson_nll", "gaussian_nll")
"""Losses under which whole numbers to predict are numbers and no classes, unless there are two."""


class Precision(StrEnum):
    """Precision of matrix products and convolutions; weights, gradients and losses are always float32."""

    FLOAT32 = "float32"
    TF32 = "tf32"  # factors rounded to 10 bits of mantissa, on the tensor cores of a CUDA device
    BF16 = "bf16"  # automatic mixed precision in bfloat16, 7 bits of mantissa


@dataclass(kw_only=True, slots=True)
class Training(Option):
    """Epochs, batch size and early stopping after `patience` epochs without a better `monitor` loss."""

    group: ClassVar[str] = "training"
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"precision": "float32"}
    epochs: Annotated[int, at_least(1), "passes over the training rows"]
    batch_size: Annotated[int, at_least(1), "rows of a minibatch"]
    patience: Annotated[
        int | None,
        at_least(1),
        "stops after so many epochs without a better loss on 10 % of the training rows; null: never",
    ]
    clip_norm: Annotated[float | None, POSITIVE, "bound on the norm of the gradient; null: none"]
    precision: Annotated[
        Precision,
        "of matrix products and convolutions; tf32 needs a CUDA device; weights, gradients and losses stay float32",
    ]


GROUPS = (
    recipe_group(
        name="optimizer",
        kinds={
            "sgd": Optimizer, "momentum": Momentum, "nesterov": Momentum, "adagrad": AdaGrad, "rmsprop": RmsProp,
            "adam": Adam, "adamw": Adam, "nadam": NAdam, "radam": Adam, "lion": Lion, "lamb": Adam,
            "custom": CustomOptimizer,
        },
    ),
    recipe_group(
        name="schedule", confounds=True,
        kinds={
            "constant": Schedule, "step": StepSchedule, "exponential": ExponentialSchedule, "linear": LinearSchedule,
            "cosine": CosineSchedule, "warm_restarts": WarmRestarts, "one_cycle": OneCycleSchedule,
            "plateau": PlateauSchedule, "custom": CustomSchedule,
        },
    ),
    recipe_group(
        name="loss", shapes_fleet=True, per_member=("gamma", "delta", "quantile", "margin"),
        per_member_if_any=("label_smoothing", "class_weight"),
        kinds={
            "cross_entropy": SmoothedLoss, "bce": SmoothedLoss, "mse": Loss, "mae": Loss, "sse": Loss,
            "perceptron": Loss, "focal": FocalLoss, "huber": HuberLoss, "pinball": PinballLoss, "poisson_nll": Loss,
            "gaussian_nll": Loss, "multi_margin": MarginLoss, "custom": CustomLoss,
        },
    ),
    OptionGroup(
        name="training", kinds={"default": Training}, tunable=True, shapes_fleet=True, per_member_if_any=("clip_norm",),
        confounds=True,
    ),
)  # fmt: skip
