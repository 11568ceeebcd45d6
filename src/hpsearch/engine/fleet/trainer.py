"""The fleet engine: many fits of the same shapes trained as one batched network, each as if trained alone.

M members, G groups that see the same minibatches, B rows of a minibatch, C outputs.

Members may differ in rows and seeds, initialization, optimizer and its hyperparameters, learning-rate schedule, and the
strength of weight decay, dropout, label smoothing, max-norm, clipping and augmentation. On a CPU, in a process with the
environment of our workers (`execution.worker_process`), a member's result is the same, bit for bit, whatever else is in
its fleet; it differs from the reference engine's by rounding.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from hpsearch.engine.augmentation import Augmenter
from hpsearch.engine.checkpoint import History
from hpsearch.engine.device_data import DeviceData
from hpsearch.engine.diagnostics import DiagnosticsRecorder
from hpsearch.engine.fleet.batch_layout import FleetBatch, FleetData, PartRows, sort_key
from hpsearch.engine.fleet.cuda_graph import Step, stepper
from hpsearch.engine.fleet.grouping import group_into_fleets
from hpsearch.engine.fleet.networks import FleetNetworks, Weights, needs_duplicate
from hpsearch.engine.fleet.stacked_losses import StackedLoss, hits, stacked_loss
from hpsearch.engine.minibatches import minibatches, padded_length, probe_length, probe_rows
from hpsearch.engine.precision import arithmetic
from hpsearch.engine.reference import check_fit, final_failure
from hpsearch.engine.schedules import epoch_rates
from hpsearch.nn.losses import class_weights
from hpsearch.records import Fit, FitResult, Status


@dataclass(slots=True)
class _Log(History):
    """Learning curves and state of one member."""

    failure: str | None = None
    kept: Weights | None = None  # weights of the best epoch, or final weights of a member that has left
    left: bool = False  # finished; may still be computed so that the last other member is not alone
    checkpoint: dict[str, np.ndarray] | None = None
    fit_s: float = 0.0


def train_fleet(
    fits: Sequence[Fit],
    data: DeviceData,
    *,
    keep_state: bool = False,
    stop_after: int | None = None,
    resume: Sequence[FitResult] | None = None,
    stepper: Callable[[Step, torch.device], Step] = stepper,
) -> list[FitResult]:
    """Train networks of one shape together.

    Args:
        fits: Fits with equal `shape_key` and equal `minibatches.row_shape`.
        data: The development set.
        keep_state: Whether the results carry the weights.
        stop_after: See `reference.train`.
        resume: The paused training of each fit to continue, all after the same number of epochs; see `reference.train`.
        stepper: Wraps a step for a device.

    Returns:
        One result per fit, in the order of `fits`. `fit_s` is the member's share of the time.

    Raises:
        ConfigError: If model, loss and data do not fit together, or monitor rows are needed and missing.
    """
    started = time.perf_counter()
    for fit in fits:
        check_fit(fit, data)
    if len(fits) == 1 and needs_duplicate(fits[0], data):
        settings: dict[str, Any] = {"keep_state": keep_state, "stop_after": stop_after, "stepper": stepper}
        return train_fleet([*fits, *fits], data, resume=None if resume is None else [*resume, *resume], **settings)[:1]
    places = sorted(range(len(fits)), key=lambda place: sort_key(fits[place]))
    with arithmetic(fits[0].config.training.precision, data.device):
        fleet = Fleet([fits[place] for place in places], data, stepper)
        if resume is not None:
            fleet.resume([resume[place] for place in places])
        results = fleet.results(stop_after, keep_state=keep_state, started=started)
    by_place = dict(zip(places, results, strict=True))
    return [by_place[place] for place in range(len(fits))]


class Fleet:
    """One training of a fleet, from the first to the last epoch."""

    def __init__(self, fits: list[Fit], data: DeviceData, stepper: Callable[[Step, torch.device], Step]) -> None:
        self.config, self.data, self.stepper = fits[0].config, data, stepper
        self.all_members = self.batch = FleetBatch.of(fits)
        self.data_view = FleetData(self.batch, data)
        self.members = FleetNetworks(self.batch, data, self.data_view.outputs)
        # Not bound methods: `data_view` and `members` are replaced, and the old ones would be kept in memory.
        see, read = lambda fit: self.data_view.of(fit), lambda at: self.members.state(at)  # noqa: PLW0108
        self.recorder = DiagnosticsRecorder(fits, data, see, read)
        self.alive = np.arange(len(fits))  # indices of the members that are still computed
        self.logs = [_Log() for _ in fits]
        n = padded_length(fits[0], len(fits[0].fold.val))
        shape = (len(fits), self.config.training.epochs, n, self.data_view.outputs)
        self.val_outputs = np.empty(shape, np.float64 if data.dtype == torch.float64 else np.float32)
        self._lay_out()

    def resume(self, results: list[FitResult]) -> None:
        """Continue trainings that were paused after the same number of epochs."""
        (epochs,) = {result.epochs for result in results}
        checkpoints = [result.checkpoint or {} for result in results]
        steps = epochs * len(minibatches(self.batch.fits[0]))
        self.members.resume(checkpoints, steps)
        self.recorder.resume([result.signals for result in results])
        self.logs = [_Log.of(result) for result in results]
        for i, result in enumerate(results):
            self.logs[i].fit_s = result.fit_s
            self.logs[i].kept = Weights.of(checkpoints[i], "best/", self.members.parameters)
            self.val_outputs[i, :epochs, : result.val_outputs.shape[1]] = result.val_outputs

    def results(self, stop_after: int | None, *, keep_state: bool, started: float) -> list[FitResult]:
        """Train, and return the result of each member."""
        until = stop_after or self.config.training.epochs
        self.recorder.start(until)
        for epoch in range(self.logs[0].epochs, until):
            self._train_epoch(epoch)
            leaves = self._leaves(epoch)
            self.recorder.end_epoch(epoch + 1, self._ends(leaves | (epoch + 1 == until)))
            self._let_go(leaves)
            if leaves.all():
                break
        self._take_checkpoints()
        report, final = self._last_predictions()
        share = (time.perf_counter() - started) / len(self.logs)
        return [self._result(i, report[i], final[i], share, keep_state=keep_state) for i in range(len(self.logs))]

    def _take_checkpoints(self) -> None:
        """Keep checkpoints of members that have not finished training."""
        for i, member in enumerate(self.alive):
            log = self.logs[member]
            if not log.left and log.failure is None and log.epochs < self.config.training.epochs:
                log.checkpoint = self.members.checkpoint(i, log.kept)

    def _train_epoch(self, epoch: int) -> None:
        """Do one pass over the training rows of each member, then predict its validation and monitor rows."""
        sizes = minibatches(self.batch.representatives[0])
        monitored = [self.logs[member].monitor_loss for member in self.alive]
        rates_sm = epoch_rates([fit.config for fit in self.batch.fits], monitored, len(sizes), epoch)
        lr_sm = torch.as_tensor(rates_sm).to(self.members.parameters)
        orders_gn = torch.as_tensor(self.batch.orders(epoch), device=self.data.device)
        self.augmenter.start(epoch)
        self.losses_m.zero_()
        self.correct_m.zero_()
        run_last = self.run if self.counted_gb is None else partial(self.step, counted_gb=self.counted_gb)
        runs = [self.run] * (len(sizes) - 1) + [run_last]
        for step, (rows_gb, run) in enumerate(zip(torch.split(orders_gn, sizes, dim=1), runs, strict=True)):
            self.recorder.before(epoch * len(sizes) + step + 1)
            run(rows_gb, lr_sm[step])
            self.recorder.after(epoch * len(sizes) + step + 1)
        self._note(epoch, self.losses_m / self.rows_m, self.correct_m / self.rows_m, rates_sm[-1])

    def step(self, rows_gb: torch.Tensor, lr_m: torch.Tensor, counted_gb: torch.Tensor | None = None) -> None:
        """Do one step of every member on its minibatch, and add up losses and hits.

        It works on tensors at fixed addresses and never synchronizes, so that it can be captured in a CUDA graph.

        Args:
            rows_gb: Rows of the minibatch of each group.
            lr_m: Learning rates.
            counted_gb: Which rows count; None: all.
        """
        spread = self.batch.broadcast_groups
        outputs_mcb = self.members.forward(spread(self.data_view.training_inputs(rows_gb, self.augmenter)))
        losses_mb = self.augmenter.mixed(rows_gb, lambda rows: self._training_losses(outputs_mcb, rows), spread)
        rows_m1: int | torch.Tensor = rows_gb.shape[1]
        counted_mb = None if counted_gb is None else self.batch.broadcast_groups(counted_gb)
        if counted_mb is not None:
            losses_mb, rows_m1 = losses_mb.where(counted_mb, 0), counted_mb.sum(1, keepdim=True)
        objective = losses_mb.sum() if self.config.loss.kind == "sse" else (losses_mb / rows_m1).sum()
        self.members.backward(objective, lr_m)
        self.losses_m += losses_mb.detach().sum(1, dtype=torch.float64)
        if self.data_view.classes:
            right_mb = hits(outputs_mcb.detach(), self.batch.broadcast_groups(self.data_view.labels(rows_gb)))
            self.correct_m += (right_mb if counted_mb is None else right_mb & counted_mb).sum(1)

    def _training_losses(self, outputs_mcb: torch.Tensor, rows_gb: torch.Tensor) -> torch.Tensor:
        """Return the weighted losses (M, B) of these outputs for the targets of these rows."""
        targets = self.batch.broadcast_groups(self.data_view.targets(rows_gb))
        return self.data_view.weighted(self.smoothed(outputs_mcb, targets), rows_gb)

    def _lay_out(self) -> None:
        """Rebuild everything that depends on which members are present."""
        m, device = len(self.batch.fits), self.data.device
        self.smoothed = self.loss(smooth=True)
        self.augmenter = Augmenter(self.batch.representatives, self.data.rows.n, device)
        self.losses_m = torch.zeros(m, dtype=torch.float64, device=device)
        self.correct_m = torch.zeros(m, dtype=torch.int64, device=device)
        self.rows_m = torch.tensor([len(fit.fold.train) for fit in self.batch.fits], dtype=torch.float64, device=device)
        self.counted_gb = self.batch.counted(device)
        self.run = self.stepper(self.step, device)

    def _note(self, epoch: int, loss_m: torch.Tensor, accuracy_m: torch.Tensor, lr_m: np.ndarray) -> None:
        """Append an epoch's results to the members' logs, or the failure of those with a value that is not finite."""
        val_mnc = self.members.predict(self.batch, self.data_view, self.batch.rows("val").rows).cpu().numpy()
        monitor_m = self._mean_losses(self.batch.rows("monitor"), smooth=False)
        bad = {
            "training loss": ~np.isfinite(loss_m.cpu().numpy()),
            "weight": ~self.members.finite().cpu().numpy(),
            "validation output": ~np.isfinite(val_mnc).all(axis=(1, 2)),
            "monitor loss": ~np.isfinite(np.zeros(len(self.alive)) if monitor_m is None else monitor_m),
        }
        losses, accuracies = loss_m.tolist(), accuracy_m.tolist()
        for i, member in enumerate(self.alive):
            log = self.logs[member]
            if log.left:
                continue
            if non_finite := next((name for name, of in bad.items() if of[i]), ""):
                log.failure = f"non-finite {non_finite} in epoch {epoch + 1} (of {self.config.training.epochs})"
                continue
            log.train_loss.append(losses[i])
            log.lr.append(float(lr_m[i]))
            self.val_outputs[member, epoch] = val_mnc[i]
            if self.data_view.classes:
                log.train_accuracy.append(accuracies[i])
            if monitor_m is not None:
                log.monitor_loss.append(float(monitor_m[i]))

    def _leaves(self, epoch: int) -> np.ndarray:
        """Return which members are finished, (M,) bool: diverged, or stopped early."""
        patience = self.config.training.patience
        leaves = np.zeros(len(self.alive), bool)
        for i, member in enumerate(self.alive):
            log = self.logs[member]
            if log.left or log.failure is not None:
                leaves[i] = True
            elif patience is not None:
                if log.best == epoch:
                    log.kept = self.members.weights(i)
                leaves[i] = epoch - log.best >= patience
        return leaves

    def _ends(self, leaves: np.ndarray) -> dict[int, bool]:
        """Return for each member that is well and has not left whether it leaves now."""
        logs = {int(member): (self.logs[member], bool(leaves[i])) for i, member in enumerate(self.alive)}
        return {member: ends for member, (log, ends) in logs.items() if not log.left and log.failure is None}

    def _let_go(self, leaves: np.ndarray) -> None:
        """Keep the weights of leaving members and continue with the rest: at least two, see `needs_duplicate`."""
        for i in np.flatnonzero(leaves):
            log = self.logs[self.alive[i]]
            log.kept, log.left = log.kept or self.members.weights(int(i)), True
        stay = np.flatnonzero(~leaves)
        if len(stay) == 1:
            stay = np.sort(np.append(stay, np.flatnonzero(leaves)[:1]))
        if 0 < len(stay) < len(self.alive):
            self.alive = self.alive[stay]
            self.batch = FleetBatch.of([self.all_members.fits[i] for i in self.alive])
            self.data_view = FleetData(self.batch, self.data)
            self.members.keep(stay, self.batch)
            self.recorder.follow(self.alive.tolist())
            self._lay_out()

    def _last_predictions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return outputs (M, n, C) for the report rows and mean losses (M,) of training rows, at the kept weights."""
        if any(log.kept for log in self.logs):
            current = {int(member): i for i, member in enumerate(self.alive)}
            kept = [log.kept or self.members.weights(current[i]) for i, log in enumerate(self.logs)]
            del self.members  # frees its memory before the next ones are allocated
            self.batch, self.alive = self.all_members, np.arange(len(self.logs))
            self.data_view = FleetData(self.batch, self.data)
            self.members = FleetNetworks(self.batch, self.data, self.data_view.outputs, kept)
        report = self.members.predict(self.batch, self.data_view, self.batch.rows("report").rows).cpu().numpy()
        probe = self.batch.part(
            [probe_rows(fit) for fit in self.batch.representatives], probe_length(self.batch.fits[0])
        )
        final = self._mean_losses(probe, smooth=True)
        assert final is not None
        return report, final

    def _mean_losses(self, part: PartRows, *, smooth: bool) -> np.ndarray | None:
        """Return the mean losses (M,) of these rows in evaluation mode; None if there are no rows."""
        if not part.rows.shape[1]:
            return None
        outputs_mnc = self.members.predict(self.batch, self.data_view, part.rows)
        rows_gn = torch.as_tensor(part.rows, device=self.data.device)
        targets = self.batch.broadcast_groups(self.data_view.targets(rows_gn))
        losses_mn = self.loss(smooth=smooth)(outputs_mnc.transpose(1, 2), targets)
        return part.mean(self.data_view.weighted(losses_mn, rows_gn).double().cpu().numpy())

    def loss(self, *, smooth: bool) -> StackedLoss:
        """Return the loss function of the members that are present."""
        fits, rows = self.batch.fits, self.data.rows
        weights = [class_weights(fit.config.loss, rows, fit.fold.train) for fit in fits]
        losses = [fit.config.loss for fit in fits]
        return stacked_loss(losses, self.members.parameters, smooth=smooth, weights=weights)

    def _result(self, i: int, report: np.ndarray, final: float, share: float, *, keep_state: bool) -> FitResult:
        log, fit, epochs = self.logs[i], self.all_members.fits[i], self.logs[i].epochs
        log.failure = log.failure or final_failure(fit.config, final)
        best = self.config.training.patience is not None and log.failure is None
        return FitResult(
            status=Status.OK if log.failure is None else Status.DIVERGED,
            failure=log.failure,
            train_loss=np.array(log.train_loss),
            train_accuracy=np.array(log.train_accuracy),
            monitor_loss=np.array(log.monitor_loss),
            lr=np.array(log.lr),
            val_outputs=self.val_outputs[i, :epochs, : len(fit.fold.val)],
            report_outputs=report[: 0 if log.failure else len(fit.fold.report)],
            final_loss=math.nan if log.failure else float(final),
            chosen_epoch=log.best + 1 if best else epochs,
            state=self.members.numpy_state(i) if keep_state else None,
            fit_s=share + log.fit_s,
            rows=epochs * len(fit.fold.train),
            width=len(self.logs),
            checkpoint=None if log.failure else log.checkpoint,
            signals=self.recorder.signals(i),
        )


def train_fits(
    fits: Sequence[Fit],
    data: DeviceData,
    width: int,
    *,
    stop_after: int | None = None,
    resume: Sequence[FitResult] | None = None,
) -> list[FitResult]:
    """Train fits of any shapes, in fleets of at most `width` members.

    Args:
        fits: The fits.
        data: The development set.
        width: Maximum number of members of a fleet, >= 1.
        stop_after: See `reference.train`.
        resume: See `train_fleet`.

    Returns:
        One result per fit, in the order of `fits`.
    """
    results: dict[int, FitResult] = {}
    for places in group_into_fleets(fits, width, data.input_shape):
        together = [fits[place] for place in places]
        starts = None if resume is None else [resume[place] for place in places]
        trained = train_fleet(together, data, stop_after=stop_after, resume=starts)
        results |= zip(places, trained, strict=True)
    return [results[place] for place in range(len(fits))]
