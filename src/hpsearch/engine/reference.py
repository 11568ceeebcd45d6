"""The reference engine: one fit, one plain loop, `torch.optim`. It is the specification that faster engines must match.

N rows of the data set, B rows of a minibatch, C outputs; a suffix gives the shape: `outputs_bc` is (B, C).
"""

import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from hpsearch.config import Config, ConfigError
from hpsearch.config.model import BatchNorm
from hpsearch.data.dataset import Rows
from hpsearch.data.preprocessing import Preprocessing
from hpsearch.engine import checkpoint as checkpoints
from hpsearch.engine.augmentation import Augmenter, require_suitable
from hpsearch.engine.checkpoint import History
from hpsearch.engine.device_data import DeviceData, FitData, fit_data, see
from hpsearch.engine.diagnostics import DiagnosticsRecorder, copied_state
from hpsearch.engine.initial_network import initial_network, own_generator
from hpsearch.engine.minibatches import batch_sizes, probe_rows
from hpsearch.engine.optimizers import build_optimizer, limit_norms, set_lr, weights
from hpsearch.engine.precision import arithmetic, in_precision, require_precision
from hpsearch.engine.schedules import multiplier, plateau_factor
from hpsearch.nn.dropout import seed_dropout, set_step
from hpsearch.nn.losses import RowLoss, batch_loss, class_weights, loss_function, predicted_classes, sample_weights
from hpsearch.nn.models import build_network
from hpsearch.records import Fit, FitResult, Status, Task
from hpsearch.seeding import epoch_order

PREDICTION_ROWS = 1000
"""Rows per forward pass of a prediction; fixed, so that results do not depend on free memory."""

ROUNDING = 1e-5
"""How far outside [0, 1] a probability that was scaled in float32 may lie."""


def train(  # noqa: C901, PLR0912, PLR0915 - one loop, read from top to bottom
    fit: Fit,
    data: DeviceData,
    *,
    keep_state: bool = False,
    stop_after: int | None = None,
    resume: FitResult | None = None,
    refit: bool = False,
    recorded: Sequence[float] | None = None,
) -> FitResult:
    """Train one network and predict its validation rows after each epoch.

    The result is a pure function of the arguments (on a CPU with one thread, bit for bit); no global generator is read
    or changed. Random layers other than our dropout run under a generator seeded per fit.

    Args:
        fit: Configuration, rows and seeds.
        data: The development set.
        keep_state: Whether the result carries the weights.
        stop_after: Total number of epochs after which to pause, while schedules still span `training.epochs`; None: do
            not pause. The result of a paused training can be passed as `resume`.
        resume: The paused training to continue; the result equals that of an uninterrupted training.
        refit: Whether this is a refit on all development rows, which has no monitor rows.
        recorded: Plateau factor of each epoch for a refit, see `schedules.recorded_factors`; the last one is kept.

    Returns:
        Learning curves, predictions and, as requested, weights; a diverged fit has status DIVERGED and is not an error.

    Raises:
        ConfigError: If model, loss and data do not fit together, or monitor rows are needed and missing.
    """
    started = time.perf_counter()
    config, training = fit.config, fit.config.training
    check_fit(fit, data, refit=refit)
    view = fit_data(fit, data)
    of_classes = class_weights(config.loss, data.rows, fit.fold.train)
    weights_c = None if of_classes is None else torch.tensor(of_classes, dtype=data.dtype, device=data.device)
    row_losses = loss_function(config.loss, weights=weights_c)
    monitored_losses = loss_function(config.loss, smooth=False, weights=weights_c)
    augmenter = Augmenter([fit], data.rows.n, data.device)
    sizes = batch_sizes(len(fit.fold.train), training.batch_size)
    history, all_val_outputs = History.of(resume), [] if resume is None else list(resume.val_outputs)
    failure, best_state, ended, checkpoint = None, None, False, None

    with arithmetic(training.precision, data.device), own_generator(fit.seeds.dropout, data.device):
        network = initial_network(fit, data, view.outputs)
        network.to(data.device, data.dtype)
        network.forward = in_precision(network.forward, training.precision, data.device)
        dropouts = seed_dropout(network, fit.seeds.dropout)
        optimizer = build_optimizer(config, network)
        parameters, limited = list(network.parameters()), weights(network)
        if resume is not None and resume.checkpoint is not None:
            best_state = checkpoints.restore(resume.checkpoint, network, optimizer, data.device)
        step, until = history.epochs * len(sizes), stop_after or training.epochs
        recorder = DiagnosticsRecorder([] if refit else [fit], data, lambda _: view, lambda _: copied_state(network))
        if resume is not None:
            recorder.resume([resume.signals])
        recorder.start(until)

        for epoch in range(history.epochs, until):
            network.train()
            augmenter.start(epoch)
            order = fit.fold.train[epoch_order(fit.seeds.order, epoch, len(fit.fold.train))]
            loss_sum = torch.zeros((), dtype=torch.float64, device=data.device)
            correct = torch.zeros((), dtype=torch.int64, device=data.device)
            factor = _factor(recorded, epoch) if refit else plateau_factor(config.schedule, history.monitor_loss)

            for rows_b in torch.split(torch.tensor(order, device=data.device), sizes):
                recorder.before(step + 1)
                lr = config.optimizer.lr * factor * multiplier(config.schedule, step, len(sizes), training.epochs)
                set_lr(optimizer, lr)
                set_step(dropouts, step)
                outputs_bc = network(view.training_batch(rows_b, augmenter))
                losses_b = _mixed_losses(row_losses, outputs_bc, view, rows_b, augmenter)
                optimizer.zero_grad()
                torch.autograd.backward(batch_loss(config.loss, losses_b))
                if training.clip_norm is not None:
                    nn.utils.clip_grad_norm_(parameters, training.clip_norm)
                optimizer.step()
                if config.regularization.max_norm is not None:
                    limit_norms(limited, config.regularization.max_norm)
                loss_sum += losses_b.detach().sum(dtype=torch.float64)
                if view.labels is not None:
                    correct += (predicted_classes(outputs_bc.detach()) == view.labels[rows_b]).sum()
                step += 1
                recorder.after(step)

            val_outputs = _predict(network, view, fit.fold.val)
            watched = not refit and len(fit.fold.monitor) > 0
            monitor_loss = _mean_loss(network, view, fit.fold.monitor, monitored_losses) if watched else None
            if non_finite := _non_finite(network, loss_sum, val_outputs, monitor_loss):
                failure = f"non-finite {non_finite} in epoch {epoch + 1} (of {training.epochs})"
                break
            history.train_loss.append(loss_sum.item() / len(order))
            if view.labels is not None:
                history.train_accuracy.append(correct.item() / len(order))
            history.lr.append(lr)
            all_val_outputs.append(val_outputs)
            if monitor_loss is not None:
                history.monitor_loss.append(monitor_loss)
            if training.patience is not None and not refit:
                if history.best == epoch:
                    best_state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
                ended = epoch - history.best >= training.patience
            recorder.end_epoch(epoch + 1, {0: ended or epoch + 1 == until})
            if ended:
                break

        if not (refit or failure or ended) and history.epochs < training.epochs:
            checkpoint = checkpoints.take(network, optimizer, best_state, data.device)
        if best_state is not None:
            network.load_state_dict(best_state)
        report_outputs = _predict(network, view, fit.fold.report[:0] if failure else fit.fold.report)
        final_loss = math.nan if failure else _mean_loss(network, view, probe_rows(fit), row_losses)
        failure = failure or final_failure(config, final_loss)

    return FitResult(
        status=Status.OK if failure is None else Status.DIVERGED,
        failure=failure,
        train_loss=np.array(history.train_loss),
        train_accuracy=np.array(history.train_accuracy),
        monitor_loss=np.array(history.monitor_loss),
        lr=np.array(history.lr),
        val_outputs=_stack(all_val_outputs, (len(fit.fold.val), view.outputs)),
        report_outputs=report_outputs[:0] if failure else report_outputs,
        final_loss=math.nan if failure else final_loss,
        chosen_epoch=history.epochs if best_state is None or failure else history.best + 1,
        state=_numpy_state(network) if keep_state else None,
        fit_s=time.perf_counter() - started + (resume.fit_s if resume else 0.0),
        rows=history.epochs * len(fit.fold.train),
        checkpoint=None if failure else checkpoint,
        signals=None if refit else recorder.signals(0),
    )


def predict(config: Config, state: dict[str, np.ndarray], data: DeviceData, preprocessing: Preprocessing) -> np.ndarray:
    """Predict all rows of `data` with a trained network in evaluation mode.

    Args:
        config: The configuration it was trained with.
        state: Weights by name, as in `FitResult.state`.
        data: Rows of the same kind as the training rows, such as the opened test set.
        preprocessing: Fitted to its training rows.

    Returns:
        Shape (N, C) outputs.
    """
    view = see(config, data, data.apply(preprocessing))
    network = build_network(config, tuple(view.inputs.shape[1:]), view.outputs).to(data.device, data.dtype)
    network.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    precision = config.training.precision
    network.forward = in_precision(network.forward, precision, data.device)
    with arithmetic(precision, data.device):
        return _predict(network, view, np.arange(data.rows.n))


def _mixed_losses(
    row_losses: RowLoss, outputs_bc: torch.Tensor, view: FitData, rows_b: torch.Tensor, augmenter: Augmenter
) -> torch.Tensor:
    """Return the losses (B,) of training rows, mixed with those of their partners' targets under `mixup`."""

    def losses_1b(rows_1b: torch.Tensor) -> torch.Tensor:
        return view.weighted(row_losses(outputs_bc, view.targets[rows_1b[0]]), rows_1b[0]).unsqueeze(0)

    return augmenter.mixed(rows_b.unsqueeze(0), losses_1b)[0]


@torch.no_grad()
def _predict(network: nn.Module, view: FitData, rows: np.ndarray) -> np.ndarray:
    """Return (n, C) outputs in evaluation mode, computed in chunks of one fixed size."""
    network.eval()
    parts = [network(view.batch(part)) for part in _portions(rows, view)]
    return torch.cat(parts).cpu().numpy() if parts else np.zeros((0, view.outputs), _float_type(view))


def final_failure(config: Config, final_loss: float) -> str | None:
    """Describe what is wrong with the loss at the kept weights; None if it is finite.

    Args:
        config: The configuration, for the number of epochs in the message.
        final_loss: Mean loss of training rows at the kept weights.
    """
    if math.isfinite(final_loss):
        return None
    return f"non-finite loss of training rows at the end (of {config.training.epochs} epochs)"


@torch.no_grad()
def _mean_loss(network: nn.Module, view: FitData, rows: np.ndarray, row_losses: RowLoss) -> float:
    """Return the mean weighted loss of these rows (n,) in evaluation mode."""
    outputs = torch.from_numpy(_predict(network, view, rows)).to(view.shift.device)
    rows_n = torch.tensor(rows, device=view.shift.device)
    return view.weighted(row_losses(outputs, view.targets[rows_n]), rows_n).double().mean().item()


def _non_finite(network: nn.Module, loss_sum: torch.Tensor, val_outputs: np.ndarray, monitor_loss: float | None) -> str:
    """Name what is not finite after an epoch; empty if everything is."""
    tensors = [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
    finite = {
        "training loss": bool(loss_sum.isfinite()),
        "weight": bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all()) if tensors else True,
        "validation output": bool(np.isfinite(val_outputs).all()),
        "monitor loss": monitor_loss is None or bool(np.isfinite(monitor_loss)),
    }
    return next((name for name, holds in finite.items() if not holds), "")


def check_fit(fit: Fit, data: DeviceData, *, refit: bool = False) -> None:
    """Refuse a fit whose rows do not suffice for its configuration.

    Args:
        fit: Configuration and rows.
        data: The development set.
        refit: Whether this is a refit, which needs no monitor rows.

    Raises:
        ConfigError: If monitor rows are needed and missing, a minibatch of batch normalization has one row, targets of
            `bce` are not probabilities or of `poisson_nll` are negative, weights of classes or augmentation do not fit,
            weights of rows are all 0, or the device or data does not support the precision.
    """
    config, rows = fit.config, fit.fold.train
    require_suitable(config, data.rows)
    require_precision(config.training.precision, data)
    if config.needs_monitor and not refit and not len(fit.fold.monitor):
        raise ConfigError(
            f"training.patience and schedule=plateau must have monitor rows, got none of {len(rows)} training rows of "
            f"{data.rows.name}: use training.patience=null and another schedule, or more training rows"
        )
    if isinstance(config.norm, BatchNorm) and 1 in batch_sizes(len(rows), config.training.batch_size):
        raise ConfigError(
            "training.batch_size must give minibatches of at least 2 rows under batch normalization, got "
            f"{config.training.batch_size} for {len(rows)} training rows"
        )
    if config.loss.kind == "bce" and data.rows.task is Task.REGRESSION:
        _require_probabilities(fit, data)
    class_weights(config.loss, data.rows, rows)
    weights = sample_weights(data.rows, rows)
    if weights is not None and len(fit.fold.monitor) and not weights[fit.fold.monitor].any():
        raise ConfigError(
            f"data.weight must be > 0 for a monitor row at least, got 0 for all {len(fit.fold.monitor)} of a fit, by "
            "which training.patience and schedule=plateau go: give more rows a weight, or use neither"
        )
    if config.loss.kind == "poisson_nll":
        _require_counts(data.rows)


def _require_counts(rows: Rows) -> None:
    """Refuse negative targets, for which the loss has no lower bound, and scaled ones."""
    if rows.autoencoder:
        raise ConfigError(
            "loss=poisson_nll must be given counts, which the scaled inputs that an autoencoder reconstructs are not: "
            "use loss=mse, or loss=bce for inputs within [0, 1]"
        )
    if (lowest := rows.targets.min()) < 0:
        raise ConfigError(
            f"loss=poisson_nll must be given counts, targets >= 0, got {lowest:.4g} in {rows.name}: use loss=mse or "
            "another loss for numbers"
        )


def _require_probabilities(fit: Fit, data: DeviceData) -> None:
    """Refuse training targets outside [0, 1]; other rows may lie outside, since they did not set the scaling."""
    scaling = data.preprocessed(fit).preprocessing.target
    assert scaling is not None
    targets = scaling.scaled(data.rows.targets[fit.fold.train])
    low, high = targets.min(), targets.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ConfigError(
            f"loss=bce must be given targets within [0, 1], got {low:.4g} to {high:.4g} after scaling: for an "
            "autoencoder use preprocess=minmax; loss=mse takes any numbers"
        )


def _factor(recorded: Sequence[float] | None, epoch: int) -> float:
    return recorded[min(epoch, len(recorded) - 1)] if recorded else 1.0


def _portions(rows: np.ndarray, view: FitData) -> tuple[torch.Tensor, ...]:
    return torch.split(torch.tensor(rows, device=view.shift.device), PREDICTION_ROWS) if len(rows) else ()


def _float_type(view: FitData) -> type:
    return np.float64 if view.dtype == torch.float64 else np.float32


def _stack(outputs: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    return np.stack(outputs) if outputs else np.zeros((0, *shape), np.float32)


def _numpy_state(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}
