"""Augmentation: what a training row becomes is a pure function of (order seed of the fit, epoch, row, strengths).

Bits come from the counter-based generator of `nn.dropout`, at the position of the row in the data set: neither batch,
place, fleet nor another strength changes them. Pixels are moved and erased before scaling, and noise is added after.

G groups of fits, B rows of a minibatch, N = G * B images, C channels, H x W pixels, D inputs of a row.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import special

from hpsearch.config import Config, ConfigError
from hpsearch.config.augmentation import OF_IMAGES, STRENGTHS, Fill, RandomTransforms
from hpsearch.config.bounds import require
from hpsearch.data.dataset import Rows
from hpsearch.engine.image_transforms import erase, flip_and_crop, scale_rotate_shift
from hpsearch.nn.dropout import mixed_positions, stream, uniform_bits
from hpsearch.records import Fit
from hpsearch.seeding import Purpose, derive

STREAMS = {
    "rotate": (0,), "scale": (1,), "shift": (2, 3), "flip": (4,), "crop": (5, 6), "erase": (7, 8), "noise": (9, 10),
    "mixup": (11, 12),
}  # fmt: skip
"""Numbers of the streams of bits that each transformation draws from; they determine the bits and must never change."""

RESAMPLING = ("shift", "rotate", "scale")

QUANTILES_NORMAL, QUANTILES_BETA = 2**16, 2**12
"""Number of equally probable values that stand for a distribution. A look-up has the same bits at every position of a
tensor and on every device, which functions such as `erfinv` have not."""


class Augmenter:
    """Transforms the training rows of G groups of fits; leaves everything unchanged where no strength is above 0.

    It works on tensors at fixed addresses and never synchronizes, so that steps can be captured in a CUDA graph.
    """

    def __init__(self, fits: Sequence[Fit], n: int, device: torch.device) -> None:
        """Prepare the streams of bits.

        Args:
            fits: One fit of each group; all with the same `fill`.
            n: Number of rows of the data set.
            device: Where minibatches are.
        """
        options = [fit.config.augmentation for fit in fits]
        used = [option.in_use for option in options]
        seeds = [derive(fit.seeds.order, Purpose.AUGMENTATION) for fit in fits]
        self._strengths = {
            name: torch.tensor([[each.get(name, 0)] for each in used], dtype=torch.float64, device=device)
            for name in STRENGTHS
            if any(name in each for each in used)
        }
        streams = {each: {name: _streams(each, name) for name in self._strengths} for each in set(seeds)}
        self._seeds = {
            name: torch.stack([streams[each][name] for each in seeds], 1).to(device) for name in self._strengths
        }  # (draws, G, 2)
        self._edge = any(isinstance(option, RandomTransforms) and option.fill is Fill.EDGE for option in options)
        self._border = int(max(each.get("crop", 0) for each in used))
        resampled = [[not each.keys().isdisjoint(RESAMPLING)] for each in used]
        self._resampled = None if all(map(all, resampled)) else torch.tensor(resampled, device=device)  # (G, 1)
        self._epoch = torch.zeros((), dtype=torch.int32, device=device)
        self._places = mixed_positions(n if self._strengths else 0, device)
        if "noise" in self._strengths:
            self._normal = torch.from_numpy(_normal_quantiles()).to(device)
        if "mixup" in self._strengths:
            self._lay_out_partners(fits, device)

    def _lay_out_partners(self, fits: Sequence[Fit], device: torch.device) -> None:
        folds = {id(fit.fold): fit.fold.train for fit in fits}
        starts = dict(zip(folds, np.cumsum([0, *map(len, folds.values())]), strict=False))
        self._train = torch.from_numpy(np.concatenate(list(folds.values()))).to(device)
        self._starts = torch.tensor([[int(starts[id(fit.fold)])] for fit in fits], device=device)  # (G, 1)
        self._counts = torch.tensor([[len(fit.fold.train)] for fit in fits], dtype=torch.float64, device=device)
        quantiles = [_share_quantiles(fit.config.augmentation.in_use.get("mixup", 0)) for fit in fits]
        self._shares = torch.from_numpy(np.stack(quantiles)).to(device)  # (G, QUANTILES_BETA)

    def start(self, epoch: int) -> None:
        """Set the epoch, counted from 0."""
        self._epoch.fill_(epoch)

    def pixels(self, inputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return images moved and erased.

        Args:
            inputs: Shape (G, B, C, H, W) floating point, not yet scaled; anything if no strength of images is in use.
            rows: Shape (G, B) int64 rows of the data set.
        """
        used = [name for name in OF_IMAGES if name in self._strengths]
        if not used:
            return inputs
        drawn, images = self.draw(used, rows), inputs.flatten(0, 1)
        if "flip" in used or "crop" in used:
            images = self._flip_and_crop(images, drawn)
        if not set(used).isdisjoint(RESAMPLING):
            images = self._scale_rotate_shift(images, drawn)
        if "erase" in used:
            y, x = _columns(drawn["erase"])
            images = erase(images, y, x, self._of_rows("erase", rows))
        return images.view(inputs.shape)

    def noisy(self, inputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return scaled inputs (G, B, *shape) of the rows (G, B) with Gaussian noise."""
        if "noise" not in self._strengths:
            return inputs
        keys = uniform_bits(self._places[rows], self._seeds["noise"], self._epoch)
        keys = keys.flatten(1).T  # (N, 2): a stream for each row
        positions = mixed_positions(inputs[0, 0].numel(), inputs.device)
        bits = uniform_bits(positions, keys, self._epoch)  # (N, D)
        normal = self._normal.take(((bits >> 16) + QUANTILES_NORMAL // 2).long()).to(inputs.dtype)
        return inputs + (normal * self._of_rows("noise", rows).to(inputs.dtype)).view(inputs.shape)

    def mixed(
        self,
        rows: torch.Tensor,
        of_rows: Callable[[torch.Tensor], torch.Tensor],
        spread: Callable[[torch.Tensor], torch.Tensor] = lambda shares: shares,
    ) -> torch.Tensor:
        """Return what `of_rows` gives for these rows, mixed with what it gives for their partners of `mixup`.

        The share of a row is max(s, 1 - s), s from Beta(alpha, alpha), so that its own target counts at least half. Its
        partner is any training row of the fit.

        Args:
            rows: Shape (G, B).
            of_rows: From rows (G, B) to values (G or M, B, …): inputs or losses.
            spread: Expands shares (G, B) to the first two dimensions of the values.
        """
        own = of_rows(rows)
        if "mixup" not in self._strengths:
            return own
        place, other = self.draw(["mixup"], rows)["mixup"]
        partners = self._train[self._starts + (other * self._counts).long()]
        shares = spread(self._shares.gather(1, (place * QUANTILES_BETA).long()).to(own.dtype))
        shares = shares.view(*shares.shape, *[1] * (own.ndim - 2))
        # a row that is not mixed must not become NaN where the value of its partner is infinite
        return torch.where(shares == 1, own, own * shares + of_rows(partners) * (1 - shares))

    def draw(self, names: Sequence[str], rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return numbers (draws, G, B) float64 uniform between 0 and 1, both excluded, of transformations in use."""
        seeds = torch.cat([self._seeds[name] for name in names])  # at once: a call costs the same for more numbers
        numbers = (uniform_bits(self._places[rows], seeds, self._epoch).double() + (2.0**31 + 0.5)) / 2.0**32
        return dict(zip(names, torch.split(numbers, [len(STREAMS[name]) for name in names]), strict=True))

    def _of_rows(self, name: str, rows: torch.Tensor) -> torch.Tensor:
        """Return the strength (N, 1) for each of the rows (G, B)."""
        return self._strengths[name].expand(rows.shape).reshape(-1, 1)

    def _symmetric(self, name: str, drawn: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return numbers (draws, N, 1) uniform between minus and plus the strength; 0 if it is not in use."""
        if name not in drawn:
            some = next(iter(drawn.values()))
            return some.new_zeros(len(STREAMS[name]), some[0].numel(), 1)
        return _columns((2 * drawn[name] - 1) * self._strengths[name])

    def _flip_and_crop(self, images: torch.Tensor, drawn: dict[str, torch.Tensor]) -> torch.Tensor:
        mirrored = torch.zeros(len(images), 1, dtype=torch.bool, device=images.device)
        if "flip" in drawn:
            (mirrored,) = _columns(drawn["flip"] < self._strengths["flip"])
        top = left = torch.zeros_like(mirrored, dtype=torch.int64)
        if "crop" in drawn:
            own = self._strengths["crop"]  # of each group, within the widest
            top, left = _columns((drawn["crop"] * (2 * own + 1)).floor() - own + self._border).long()
        return flip_and_crop(images, mirrored, top, left, border=self._border, edge=self._edge)

    def _scale_rotate_shift(self, images: torch.Tensor, drawn: dict[str, torch.Tensor]) -> torch.Tensor:
        (angle,), (share,), (down, right) = (self._symmetric(name, drawn) for name in ("rotate", "scale", "shift"))
        down, right = down * images.shape[2], right * images.shape[3]
        moved = scale_rotate_shift(images, 1 + share, angle, down, right, edge=self._edge)
        if self._resampled is None:
            return moved
        of_rows = self._resampled.expand(next(iter(drawn.values())).shape[1:])
        # resampled at its own places, an image would change by rounding
        return torch.where(of_rows.reshape(-1, 1, 1, 1), moved, images)


def _columns(numbers: torch.Tensor) -> torch.Tensor:
    """Return numbers (draws, G, B) as (draws, N, 1)."""
    return numbers.flatten(1).unsqueeze(2)


def require_suitable(config: Config, rows: Rows) -> None:
    """Refuse transformations that do not suit the data.

    Raises:
        ConfigError: If tables are to be moved, an autoencoder's inputs to be moved or mixed, or crops to be empty.
    """
    for name, strength in config.augmentation.in_use.items():
        key = f"augmentation.{name}"
        way_out = f"use augmentation=none or {key}=0"
        if name in OF_IMAGES and not rows.images:
            raise ConfigError(
                f"{key} must be 0 for rows that are not images, got {strength} for {rows.name}: {way_out}; "
                "augmentation=noise and mixup are for all rows"
            )
        if rows.autoencoder and name not in ("erase", "noise"):
            raise ConfigError(
                f"{key} must be 0 for an autoencoder, whose targets are the inputs as they are, got {strength}: "
                f"{way_out}; augmentation=erase and noise are for autoencoders, too"
            )
        if name == "crop":
            side = min(rows.inputs.shape[2:])
            require(strength < side, key, f"must be < {side}, the side of the images of {rows.name}", strength)


def _streams(seed: int, name: str) -> torch.Tensor:
    """Return the seeds (draws, 2) int32 of the streams that a transformation draws from."""
    return torch.stack([stream(seed, number) for number in STREAMS[name]])


@functools.cache
def _normal_quantiles() -> np.ndarray:
    """Return equally probable values (QUANTILES_NORMAL,) float32 of a standard normal distribution, ascending."""
    quantiles: np.ndarray = special.ndtri((np.arange(QUANTILES_NORMAL) + 0.5) / QUANTILES_NORMAL)
    return quantiles.astype(np.float32)


@functools.lru_cache(maxsize=1024)
def _share_quantiles(alpha: float) -> np.ndarray:
    """Return equally probable shares (QUANTILES_BETA,) of a row under `mixup`; all are 1 if alpha is 0."""
    if alpha == 0:
        return np.ones(QUANTILES_BETA)
    quantiles = special.betaincinv(alpha, alpha, (np.arange(QUANTILES_BETA) + 0.5) / QUANTILES_BETA)
    shares: np.ndarray = np.maximum(quantiles, 1 - quantiles)
    return shares
