"""A drawing, a photo or a scan becomes what a model has learned from: one function for canvas, upload and command line.

Which way it goes is decided by the model's data set: handwriting is found, cut out and centred as MNIST's was
(:mod:`cnnlab.data.pictures`); of anything else the middle of the picture is cut out and shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cnnlab.data import loader
from cnnlab.data.drawn import DRAWN
from cnnlab.data.known import KNOWN
from cnnlab.data.pictures import MAX_BYTES, Gray, centre_digit, digit_steps, open_picture
from cnnlab.errors import DataError, PictureError

_RIM_OF = 1000  # training images that tell what ground they stand on
_DARK, _LIGHT = 40, 215


class _Preprocessing(Protocol):
    @property
    def data_shape(self) -> tuple[int, ...]: ...


class _About(Protocol):
    @property
    def data(self) -> str: ...


class Asked(Protocol):
    """What is needed to know of a model: the shape of the images it was trained on, and what they show."""

    @property
    def preprocessing(self) -> _Preprocessing:
        """With ``data_shape``: (C, H, W) of an image before padding and normalisation."""

    @property
    def about(self) -> _About:
        """With ``data``: the name of the data set."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each output."""


@dataclass(frozen=True)
class Photo:
    """How a picture that is no handwriting came to its few pixels.

    Args:
        cut: the middle of the picture, as large as it was.
        small: what is left of it. Shape: (C, H, W) uint8
        turned: whether light and dark were exchanged, because the training images stand on the other ground.
    """

    cut: Image.Image
    small: NDArray[np.uint8]
    turned: bool = False


def reads_writing(model: Asked) -> bool:
    """Return whether ``model`` has learned handwriting prepared as MNIST's is: bright ink, centred on black.

    A data set that the lab knows says so itself, and drawings are; of another greyscale one, classes of one letter or digit do.
    """
    if model.preprocessing.data_shape[0] != 1:
        return False
    if model.about.data in KNOWN:
        return KNOWN[model.about.data].writing
    if model.about.data.startswith(DRAWN):
        return True
    return all(len(name) == 1 for name in model.class_names)


def photo_steps(picture: Image.Image, model: Asked) -> Photo:
    """Return the middle of ``picture``, its shorter side scaled to fit, on the ground of the training images.

    Greyscale training images on a black ground (clothes of Fashion-MNIST) expect the same of a picture: one on a light
    ground is inverted and its ground made black; and the other way round.

    Raises:
        PictureError: the model takes neither greyscale nor colour pictures.
    """
    channels, height, width = model.preprocessing.data_shape
    if channels not in (1, 3):
        raise PictureError(
            "A model with {channels} channels takes no pictures: 1 (greyscale) or 3 (colour).", channels=channels
        )
    factor = min(picture.width / width, picture.height / height)
    cut = colour_crop(picture, max(1, round(height * factor)), max(1, round(width * factor)))
    if channels == 3:
        small = np.asarray(colour_crop(picture, height, width))
        return Photo(cut, small.transpose(2, 0, 1))
    values, turned = _on_ground(np.asarray(colour_crop(picture, height, width).convert("L")), _ground(model.about.data))
    return Photo(cut, values[None], turned)


def _on_ground(values: Gray, ground: int | None) -> tuple[Gray, bool]:
    """Return ``values`` with its rim as dark (0) or as light (255) as ``ground``, and whether it was inverted."""
    if ground is None:
        return values, False
    rim = _rim_level(values[None])
    turned = (rim > 127) != (ground > 127)
    level = 255 - rim if turned else rim
    upright = (255.0 - values if turned else values.astype(np.float64)) - level
    share = upright / max(255 - level, 1) if ground == 0 else 1 + upright / max(level, 1)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8), turned


def _rim_level(images: Gray) -> int:
    """Return the usual brightness of the outermost pixels of ``images`` (N, H, W)."""
    sides = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    return int(np.median(np.concatenate([side.ravel() for side in sides])))


def _ground(data: str) -> int | None:
    """Return 0 where the images of ``data`` stand on black, 255 on white; None for neither, or where they are gone."""
    known = KNOWN.get(data)
    for name in (data, known.relative if known else ""):
        try:
            if name and loader.is_present(name):
                level = _rim_level(loader.load(name).train.images[:_RIM_OF, 0].numpy())
                return 0 if level <= _DARK else 255 if level >= _LIGHT else None
        except DataError:
            continue
    return None


def colour_crop(picture: Image.Image, height: int, width: int) -> Image.Image:
    """Return ``picture`` scaled until it just covers ``width`` x ``height`` pixels and cut to them around its middle."""
    return ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.LANCZOS)


def picture_to_input(picture: bytes | Image.Image | Gray, model: Asked) -> torch.Tensor:
    """Return the network's input for a picture: uint8, before padding and normalisation.

    Handwriting is found on its background whichever is darker, stretched, and centred by mass as a drawing on the
    canvas is (an array is such a drawing: ink bright on black). Other models get the middle of the picture.

    Shape: picture (if an array): (h, w) uint8 -> (C, H, W) uint8 of ``model.preprocessing.data_shape``.

    Raises:
        PictureError: it cannot be read, or is blank, or the model takes neither greyscale nor colour pictures.
    """
    channels, height, width = model.preprocessing.data_shape
    if isinstance(picture, np.ndarray):
        if channels == 1:
            return torch.from_numpy(_square(centre_digit(picture, min(height, width)).centred, height, width))
        picture = Image.fromarray(picture)
    elif isinstance(picture, bytes):
        picture = open_picture(picture)
    if reads_writing(model):
        return torch.from_numpy(_square(digit_steps(picture, min(height, width)).centred, height, width))
    return torch.from_numpy(photo_steps(picture, model).small.copy())


def file_to_input(path: Path, model: Asked) -> torch.Tensor:
    """Return ``picture_to_input`` of the picture in ``path``.

    Raises:
        PictureError: as there, with the file's name; or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureError("{name}: cannot be read ({reason})", name=path, reason=error.strerror) from error
    try:
        return picture_to_input(data, model)
    except PictureError as error:
        raise PictureError("{name}: {reason}", name=path, reason=error) from error


def _square(centred: Gray, height: int, width: int) -> Gray:
    """Return (1, height, width) with ``centred`` in its middle."""
    top, left = (height - centred.shape[0]) // 2, (width - centred.shape[1]) // 2
    field = np.zeros((1, height, width), np.uint8)
    field[0, top : top + centred.shape[0], left : left + centred.shape[1]] = centred
    return field
