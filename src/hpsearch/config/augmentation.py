"""Options of `augmentation`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from hpsearch.config.bounds import NOT_NEGATIVE, at_least, within
from hpsearch.config.option import Option, recipe_group

OF_IMAGES = ("shift", "rotate", "scale", "flip", "crop", "erase")
"""Keys of what is done to pixels."""

STRENGTHS = (*OF_IMAGES, "noise", "mixup")
"""Keys of everything that is done to training rows; 0 is off."""


class Fill(StrEnum):
    """What pixels become that come from outside the image."""

    ZERO = "zero"  # the pixel value 0, before scaling
    EDGE = "edge"  # the nearest pixel of the image


@dataclass(kw_only=True, slots=True)
class Augmentation(Option):
    """No augmentation: a training row is the same in every epoch."""

    group: ClassVar[str] = "augmentation"

    @property
    def in_use(self) -> dict[str, float]:
        """The strengths that are not 0, by key."""
        strengths = {name: getattr(self, name, 0) for name in STRENGTHS}
        return {name: strength for name, strength in strengths.items() if strength}


@dataclass(kw_only=True, slots=True)
class RandomTransforms(Augmentation):
    """Training rows change at random in every epoch; every option has all strengths, and 0 is off."""

    shift: Annotated[float, within("[0, 1)"), "largest shift, as a share of height and width"]
    rotate: Annotated[float, within("[0, 180]"), "largest angle in degrees, both ways"]
    scale: Annotated[float, within("[0, 1)"), "images become larger or smaller by up to this share"]
    flip: Annotated[float, within("[0, 1]"), "probability that left and right are exchanged"]
    crop: Annotated[int, at_least(0), "largest shift in whole pixels: a crop of the image with a border this wide"]
    erase: Annotated[float, within("[0, 1]"), "side of a random square that becomes 0, as a share of height and width"]
    noise: Annotated[float, NOT_NEGATIVE, "standard deviation of Gaussian noise on the scaled inputs"]
    mixup: Annotated[float, NOT_NEGATIVE, "alpha of the Beta distribution of the shares of two rows"]
    fill: Annotated[Fill, "what pixels become that come from outside the image"]


GROUPS = (
    recipe_group(
        name="augmentation", shapes_fleet=True, per_member=("kind", *STRENGTHS),
        fingerprint_default=Augmentation(kind="none"),
        kinds={
            "none": Augmentation,
            **dict.fromkeys(
                ("shift", "rotate", "scale", "affine", "flip", "crop", "flip_crop", "erase", "noise", "mixup"),
                RandomTransforms,
            ),
        },
    ),
)  # fmt: skip
