"""Training by textbook formulas: the independent truth that engines are compared with.

Written on bare tensors: forward pass, batch normalization, dropout bits, losses, update rules and schedules are spelled
out here a second time; only the gradient comes from autograd. Initial weights and scaling are taken from hpsearch,
whose own tests cover them.
"""

import math
from typing import Any

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from hpsearch.config import Config
from hpsearch.data.dataset import Development
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.data.scaling import fit_target_scaling
from hpsearch.nn.models import build_network
from hpsearch.records import Fit
from hpsearch.seeding import epoch_order

State = dict[str, torch.Tensor]


def train(fit: Fit, rows: Development, outputs: int) -> dict[str, Any]:
    """State, training losses and validation outputs of one fit in float64."""
    config = fit.config
    scaling = fit_preprocessing(rows, fit.fold.train, config.preprocess)[0].scaling
    x = (torch.tensor(rows.inputs).double() - torch.tensor(scaling.shift).double()) * torch.tensor(scaling.scale)
    t = torch.tensor(rows.targets)
    if not rows.classes:
        target = fit_target_scaling(rows, fit.fold.train, config.preprocess_for_loss)
        t = (t.double() - torch.tensor(target.shift).double()) * torch.tensor(target.scale).double()
    network = build_network(config, rows.inputs.shape[1:], outputs, seed=fit.seeds.init)
    state = {k: v.double() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    memory: dict[str, Any] = {}
    losses, val_outputs, step = [], [], 0
    train_rows, size = fit.fold.train, config.training.batch_size
    for epoch in range(config.training.epochs):
        order = train_rows[epoch_order(fit.seeds.order, epoch, len(train_rows))]
        starts = list(range(0, len(order), size))
        if len(order) % size == 1 and len(starts) > 1:
            starts.pop()
        batches = [order[a:b] for a, b in zip(starts, [*starts[1:], len(order)], strict=True)]
        total = 0.0
        for batch in batches:
            leaves = {k: v.clone().requires_grad_() for k, v in state.items() if is_parameter(k)}
            z = forward(config, {**state, **leaves}, x[batch], state=state, dropout_seed=fit.seeds.dropout, step=step)
            per_row = row_losses(config, z, t[batch], rows.classes)
            if getattr(config.loss, "class_weight", None):
                per_row = per_row * weights_of_rows(config, rows, fit.fold.train)[batch]
            if rows.weights is not None:
                per_row = per_row * torch.tensor(rows.weights / rows.weights[train_rows].mean())[batch]
            objective = per_row.sum() if config.loss.kind == "sse" else per_row.sum() / len(batch)
            gradients = dict(zip(leaves, torch.autograd.grad(objective, list(leaves.values())), strict=True))
            lr = config.optimizer.lr * lr_multiplier(config, step, len(batches))
            update(config, state, gradients, lr, memory, step + 1)
            total += per_row.sum().item()
            step += 1
        losses.append(total / len(order))
        val_outputs.append(forward(config, state, x[fit.fold.val]).numpy())
    return {"state": state, "train_loss": losses, "val_outputs": np.stack(val_outputs)}


def weights_of_rows(config: Config, rows: Development, train: np.ndarray) -> torch.Tensor:
    given = config.loss.class_weight
    if given == "balanced":
        labels = rows.targets[train]
        present = np.unique(labels)
        found = dict(zip(present, compute_class_weight("balanced", classes=present, y=labels), strict=True))
    else:
        found = {rows.class_names.index(name): weight for name, weight in given.items()}
    return torch.tensor([found.get(label, 1.0) for label in rows.targets], dtype=torch.float64)


def is_parameter(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def forward(
    config: Config,
    weights: State,
    x: torch.Tensor,
    *,
    state: State | None = None,
    dropout_seed: int = 0,
    step: int = 0,
) -> torch.Tensor:
    """Outputs; with `state` in training mode, updating its running statistics."""
    model = config.model
    for i in range(len(getattr(model, "filters", []))):
        pad = model.kernel // 2 if model.padding is None else model.padding
        name = f"convolutions.{i}"
        x = functional.conv2d(x, weights[f"{name}.conv.weight"], weights.get(f"{name}.conv.bias"), model.stride, pad)
        x = normalized_activation(config, weights, name, x, state)
        if model.pool.value == "max":
            x = functional.max_pool2d(x, model.pool_size)
        elif model.pool.value == "avg":
            x = functional.avg_pool2d(x, model.pool_size)
    x = x.reshape(len(x), -1)
    for i in range(len(getattr(model, "hidden", getattr(model, "dense", [])))):
        name = f"hidden.{i}"
        x = x @ weights[f"{name}.linear.weight"].T + weights.get(f"{name}.linear.bias", 0.0)
        x = normalized_activation(config, weights, name, x, state)
        p = config.regularization.dropout
        if p > 0 and state is not None:
            x = x * torch.tensor(dropout_mask(dropout_seed, step, i, x.numel(), p).reshape(x.shape)) / (1 - p)
    return x @ weights["output.weight"].T + weights["output.bias"]


def normalized_activation(
    config: Config, weights: State, name: str, x: torch.Tensor, state: State | None
) -> torch.Tensor:
    if config.norm.kind == "before":
        x = batch_norm(config, weights, f"{name}.norm", x, state)
    x = activation(config, x)
    if config.norm.kind == "after":
        x = batch_norm(config, weights, f"{name}.norm", x, state)
    return x


def activation(config: Config, x: torch.Tensor) -> torch.Tensor:
    a = config.activation
    return {
        "identity": lambda: x,
        "step": lambda: torch.where(x > 0, 1.0, 0.0) + 0 * x,
        "relu": lambda: torch.where(x > 0, x, 0.0),
        "sigmoid": lambda: 1 / (1 + torch.exp(-x)),
        "tanh": lambda: (torch.exp(2 * x) - 1) / (torch.exp(2 * x) + 1),
        "leaky_relu": lambda: torch.where(x > 0, x, a.slope * x),
        "elu": lambda: torch.where(x > 0, x, a.alpha * (torch.exp(x.clamp(max=0)) - 1)),
    }[a.kind]()


def batch_norm(config: Config, weights: State, name: str, x: torch.Tensor, state: State | None) -> torch.Tensor:
    axes = [0, *range(2, x.ndim)]
    shape = [1, -1, *[1] * (x.ndim - 2)]
    mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    if state is not None:
        mean, var = x.mean(dim=axes), x.var(dim=axes, correction=0)
        n, m = x.numel() / x.shape[1], config.norm.momentum
        state[f"{name}.running_mean"] = ((1 - m) * state[f"{name}.running_mean"] + m * mean).detach()
        state[f"{name}.running_var"] = ((1 - m) * state[f"{name}.running_var"] + m * var * n / (n - 1)).detach()
    x = (x - mean.reshape(shape)) / torch.sqrt(var.reshape(shape) + config.norm.eps)
    if config.norm.affine:
        x = x * weights[f"{name}.weight"].reshape(shape) + weights[f"{name}.bias"].reshape(shape)
    return x


def row_losses(config: Config, z: torch.Tensor, t: torch.Tensor, classes: int) -> torch.Tensor:  # noqa: PLR0911 - one a loss
    loss = config.loss
    if loss.kind == "cross_entropy":
        q = torch.eye(classes, dtype=z.dtype)[t] * (1 - loss.label_smoothing) + loss.label_smoothing / classes
        return -(q * (z - torch.log(torch.exp(z).sum(dim=1, keepdim=True)))).sum(dim=1)
    if loss.kind == "multi_margin":
        return functional.multi_margin_loss(z, t, margin=loss.margin, reduction="none")
    if loss.kind == "focal":
        p = torch.cat([1 - torch.sigmoid(z), torch.sigmoid(z)], dim=1) if z.shape[1] == 1 else torch.softmax(z, dim=1)
        own = p[torch.arange(len(t)), t]
        return -((1 - own) ** loss.gamma) * torch.log(own)
    if loss.kind == "gaussian_nll":
        mean, log_variance = z.tensor_split(2, dim=1)
        return functional.gaussian_nll_loss(mean, t, log_variance.exp(), reduction="none").mean(dim=1)
    if loss.kind == "poisson_nll":
        return functional.poisson_nll_loss(z, t, reduction="none").mean(dim=1)
    if classes and z.shape[1] == 1:
        t = t.double()[:, None]
    elif classes:
        t = torch.eye(classes, dtype=z.dtype)[t]
    if loss.kind == "bce":
        p, t = 1 / (1 + torch.exp(-z)), t * (1 - loss.label_smoothing) + loss.label_smoothing / 2
        return -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean(dim=1)
    if loss.kind == "perceptron":
        return ((torch.where(z > 0, 1.0, 0.0) - t) * z).sum(dim=1)
    difference = z - t
    return {
        "mse": lambda: (difference**2).mean(dim=1),
        "mae": lambda: difference.abs().mean(dim=1),
        "sse": lambda: (difference**2).sum(dim=1),
        "huber": lambda: functional.huber_loss(z, t, delta=loss.delta, reduction="none").mean(dim=1),
        "pinball": lambda: torch.maximum(-loss.quantile * difference, (1 - loss.quantile) * difference).mean(dim=1),
    }[loss.kind]()


def lr_multiplier(config: Config, step: int, steps: int) -> float:  # noqa: PLR0911 - one a schedule
    s, epoch = config.schedule, step // steps
    warm = 1.0 if s.warmup_epochs == 0 else min(1.0, (step + 1) / (s.warmup_epochs * steps))
    if s.kind == "step":
        return warm * s.gamma ** math.floor(epoch / s.every)
    if s.kind == "exponential":
        return warm * s.gamma**epoch
    if s.kind == "cosine":
        angle = math.pi * step / (steps * config.training.epochs)
        return warm * (s.floor + (1 - s.floor) * 0.5 * (1 + math.cos(angle)))
    if s.kind == "linear":
        done = step / (steps * config.training.epochs)
        return warm * (s.floor * done + 1 - done)
    if s.kind == "warm_restarts":
        since, length = step, s.period * steps
        while since >= length:
            since, length = since - length, length * s.period_mult
        return warm * (s.floor + (1 - s.floor) * math.cos(math.pi * since / length / 2) ** 2)
    if s.kind == "one_cycle":
        total, low = steps * config.training.epochs, 1 / s.div_factor
        peak = s.pct_start * total - 1
        if step <= peak:
            return warm * (low + (1 - low) * math.sin(math.pi * step / peak / 2) ** 2)
        end, angle = low / s.final_div_factor, math.pi * (step - peak) / (total - 1 - peak) / 2
        return warm * (end + (1 - end) * math.cos(angle) ** 2)
    return warm


def update(config: Config, state: State, grads: State, lr: float, memory: dict[str, Any], t: int) -> None:  # noqa: C901 - one branch a rule
    """One step of the update rules as the textbooks print them; t counts from 1."""
    o, decay = config.optimizer, config.regularization.weight_decay
    if config.training.clip_norm is not None:
        norm = math.sqrt(sum((g**2).sum().item() for g in grads.values()))
        if norm > config.training.clip_norm:
            grads = {k: g * config.training.clip_norm / (norm + 1e-6) for k, g in grads.items()}
    for name, raw in grads.items():
        w = state[name]
        is_weight = w.ndim >= 2
        g = raw + decay * w if is_weight and o.kind not in ("adamw", "lion", "lamb") else raw
        if o.kind in ("adamw", "lion") and is_weight:
            w = w * (1 - lr * decay)
        zero = torch.zeros_like(w)
        v, m = memory.get(name, (zero, zero))
        if o.kind == "sgd":
            w = w - lr * g
        elif o.kind == "momentum":
            v = o.momentum * v + g
            w = w - lr * v
        elif o.kind == "nesterov":
            v = o.momentum * v + g
            w = w - lr * (g + o.momentum * v)
        elif o.kind == "adagrad":
            v = v + g**2
            w = w - lr * g / (torch.sqrt(v) + o.eps)
        elif o.kind == "rmsprop":
            v = o.alpha * v + (1 - o.alpha) * g**2
            w = w - lr * g / (torch.sqrt(v) + o.eps)
        elif o.kind == "lion":
            w = w - lr * torch.sign(o.beta1 * m + (1 - o.beta1) * g)
            m = o.beta2 * m + (1 - o.beta2) * g
        else:
            m = o.beta1 * m + (1 - o.beta1) * g
            v = o.beta2 * v + (1 - o.beta2) * g**2
            w = w - lr * adaptive_step(o, w, g, m, v, t, decay if is_weight else 0.0)
        memory[name] = (v, m)
        limit = config.regularization.max_norm
        if is_weight and limit is not None:
            norms = torch.sqrt((w.reshape(len(w), -1) ** 2).sum(dim=1)).reshape(-1, *[1] * (w.ndim - 1))
            w = torch.where(norms > limit, w * limit / norms, w)
        state[name] = w


def adaptive_step(
    o: Any, w: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor, t: int, decay: float
) -> Any:
    """The step of Adam and its kin at a learning rate of 1, after the means of gradients m and squares v."""
    mean, root = m / (1 - o.beta1**t), torch.sqrt(v / (1 - o.beta2**t)) + o.eps
    if o.kind == "nadam":  # Dozat, 2016; torch.optim keeps the product in float32
        mu = [o.beta1 * (1 - 0.96 ** (i * o.momentum_decay) / 2) for i in range(1, t + 2)]
        product = float(np.cumprod(np.array(mu[:-1], np.float32))[-1])
        return (mu[-1] * m / (1 - product * mu[-1]) + (1 - mu[-2]) * g / (1 - product)) / root
    if o.kind == "radam":  # Liu et al., 2020, algorithm 2
        limit = 2 / (1 - o.beta2) - 1
        rho = limit - 2 * t * o.beta2**t / (1 - o.beta2**t)
        if rho <= 5:
            return mean
        r = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
        return r * mean * math.sqrt(1 - o.beta2**t) / (torch.sqrt(v) + o.eps)
    if o.kind == "lamb":  # You et al., 2020, algorithm 2, phi(z) = z
        r = mean / root + decay * w
        lengths = math.sqrt((w**2).sum()), math.sqrt((r**2).sum())
        return r * (lengths[0] / lengths[1] if all(lengths) else 1.0)
    return mean / root


def dropout_mask(seed: int, step: int, layer: int, n: int, p: float) -> np.ndarray:
    """(n,) True where a unit is kept, in unsigned 32-bit arithmetic."""
    u = np.uint32
    with np.errstate(over="ignore"):
        words = lowbias32(np.array([seed % 2**32, seed >> 32 & 0xFFFFFFFF], u))
        words = lowbias32(words + u(layer) * u(0x85EBCA6B))
        words = lowbias32(words + np.array([words[1] * u(0x9E3779B9), words[0]], u))
        first, second = lowbias32(words + u(step) * u(0x9E3779B9))
        h = lowbias32(np.arange(n, dtype=u)) ^ first
        h = (h ^ (h >> u(16))) * u(0x7FEB352D)
        h = ((h ^ (h >> u(15))) + second) * u(0x846CA68B)
        h = h ^ (h >> u(16))
    return h.view(np.int32).astype(np.int64) + 2**31 >= p * 2**32


def lowbias32(h: np.ndarray) -> np.ndarray:
    u = np.uint32
    with np.errstate(over="ignore"):
        h = (h ^ (h >> u(16))) * u(0x7FEB352D)
        h = (h ^ (h >> u(15))) * u(0x846CA68B)
    return h ^ (h >> u(16))
