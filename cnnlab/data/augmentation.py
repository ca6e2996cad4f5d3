"""``Augmentation``: how training images are varied, as plain settings (no torch here: pages and recipes read it)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cnnlab.i18n import N_


class Augmentation(BaseModel):
    """How the training images are varied, anew at each step; the defaults leave them as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shift: int = Field(
        0,
        ge=0,
        le=16,
        title=N_("Shift"),
        description=N_("Move each image by up to this many pixels; what opens up is black."),
    )
    crop_padding: int = Field(
        0,
        ge=0,
        le=16,
        title=N_("Crop with padding"),
        description=N_("Pad by this many mirrored pixels on each side and cut the old size out at a random place."),
    )
    rotate: float = Field(
        0.0, ge=0, le=180, title=N_("Rotate"), description=N_("Turn each image by up to this many degrees, either way.")
    )
    scale: float = Field(
        0.0,
        ge=0,
        le=0.9,
        title=N_("Scale"),
        description=N_("Make each image larger or smaller by up to this fraction (0.1: from 90 % to 110 %)."),
    )
    shear: float = Field(
        0.0,
        ge=0,
        le=60,
        title=N_("Shear"),
        description=N_("Slant each image by up to this many degrees, either way, like italic letters."),
    )
    flip: bool = Field(
        False, title=N_("Flip"), description=N_("Mirror half of the images left to right. Not for digits and letters.")
    )
    cutout: int = Field(
        0,
        ge=0,
        le=64,
        title=N_("Cutout"),
        description=N_("Blacken a square with sides of this many pixels somewhere in each image."),
    )
    noise: float = Field(
        0.0,
        ge=0,
        le=1,
        title=N_("Noise"),
        description=N_("Add a random number to each pixel: its spread as a share of the way from black to white."),
    )

    @property
    def any(self) -> bool:
        """Return whether anything is varied at all."""
        return any(self.model_dump().values())
