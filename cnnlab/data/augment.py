"""Vary a whole batch at once: flip, rotate, scale, crop and shift, each image by its own draw.

Every function takes and returns (N, C, H, W) of the same shape and dtype, uint8 or float, and draws from the
``torch.Generator`` it is given, so that the same seed gives the same images. No image is touched alone in Python.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from cnnlab.data.augmentation import Augmentation


def augment(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Return ``images`` varied as ``settings`` say: flip, rotate and scale, crop with padding, shift, in this order.

    With nothing switched on the tensor itself comes back and nothing is drawn.

    Shape:
        images: (N, C, H, W) uint8 or float.
        returns: the same.
    """
    if settings.flip:
        images = flip(images, generator)
    if settings.rotate or settings.scale:
        images = rotate_scale(images, settings.rotate, settings.scale, generator)
    if settings.crop_padding:
        images = crop_padding(images, settings.crop_padding, generator)
    if settings.shift:
        images = shift(images, settings.shift, generator)
    return images


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2."""
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return flip_these(images, chosen)


def flip_these(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the images where ``chosen`` (N,) bool says so."""
    flipped = images.clone()
    flipped[chosen] = images[chosen].flip(3)
    return flipped


def shift(images: Tensor, pixels: int, generator: Generator) -> Tensor:
    """Move each image by whole pixels, uniform in -pixels...pixels on each axis; what opens up is 0."""
    offsets = _offsets(len(images), pixels, generator)
    return cut(F.pad(images, (pixels, pixels, pixels, pixels)), offsets, images.shape[2:])


def crop_padding(images: Tensor, pixels: int, generator: Generator) -> Tensor:
    """Pad by ``pixels`` mirrored pixels and cut the old size out at a random place.

    The border is mirrored without repeating the edge, as ``torchvision.transforms.RandomCrop`` does with
    ``padding_mode="reflect"``; so nothing black enters a photograph.

    Source: Jordan 2024, arXiv:2404.00498, section 3.1 (random translation with reflection padding).
    """
    offsets = _offsets(len(images), pixels, generator)
    return cut(reflect(images, pixels), offsets, images.shape[2:])


def reflect(images: Tensor, pixels: int) -> Tensor:
    """Return ``images`` with a mirrored border (the edge itself is not repeated), for any dtype.

    ``F.pad(mode="reflect")`` knows no uint8; rows and columns are picked by index instead. A border wider than
    the image folds back again, as numpy's does.
    """

    def folded(size: int) -> Tensor:
        where = torch.arange(-pixels, size + pixels)
        if size == 1:
            return torch.zeros_like(where)
        period = 2 * (size - 1)
        where = where.remainder(period)
        return torch.minimum(where, period - where)

    return images.index_select(2, folded(images.shape[2])).index_select(3, folded(images.shape[3]))


def cut(padded: Tensor, offsets: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Cut a window of ``size`` out of each image, at its own row and column.

    One gather of whole rows: a window's row is a run of W neighbours in memory, so a run is picked for each
    (image, channel, row) and none is assembled pixel by pixel.

    Shape:
        padded: (N, C, H + 2p, W + 2p), contiguous.
        offsets: (N, 2) int64, top and left.
        returns: (N, C, H, W).
    """
    count, channels, tall, wide = padded.shape
    height, width = size
    padded = padded.contiguous()
    first = torch.arange(count) * (channels * tall * wide) + offsets[:, 0] * wide + offsets[:, 1]  # (N,)
    starts = (
        first[:, None, None]
        + torch.arange(channels)[None, :, None] * (tall * wide)
        + torch.arange(height)[None, None, :] * wide
    )  # (N, C, H): where each row begins in memory
    rows = padded.view(-1).unfold(0, width, 1)  # every run of W neighbours, a view
    return rows.index_select(0, starts.reshape(-1)).view(count, channels, height, width)


def rotate_scale(images: Tensor, degrees: float, fraction: float, generator: Generator) -> Tensor:
    """Turn each image by up to ``degrees`` and scale it by 1 - fraction to 1 + fraction, about its centre.

    One bilinear sampling does both; what lies outside the image is 0. uint8 is rounded back.
    """
    draws = torch.rand((len(images), 2), generator=generator) * 2 - 1  # (N, 2) in [-1, 1]
    return rotate_scale_by(images, draws[:, 0] * degrees, 1 + draws[:, 1] * fraction)


def rotate_scale_by(images: Tensor, degrees: Tensor, factors: Tensor) -> Tensor:
    """Turn each image counter-clockwise by its ``degrees`` (N,) and enlarge it by its ``factors`` (N,).

    The output pixel at p shows the input at R(-angle) p / factor, coordinates in pixels about the centre.
    """
    _, _, height, width = images.shape
    angle = degrees * (math.pi / 180)
    cos, sin = torch.cos(angle) / factors, torch.sin(angle) / factors
    nothing = torch.zeros_like(cos)
    # affine_grid's coordinates run from -1 to 1 on either axis: the ratio keeps pixels square
    top = torch.stack([cos, -sin * (height / width), nothing], dim=1)
    bottom = torch.stack([sin * (width / height), cos, nothing], dim=1)
    matrix = torch.stack([top, bottom], dim=1)  # (N, 2, 3)
    values = images if images.is_floating_point() else images.float()
    grid = F.affine_grid(matrix.to(values.dtype), list(values.shape), align_corners=False)
    turned = F.grid_sample(values, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return turned if images.is_floating_point() else turned.round_().clamp_(0, 255).to(images.dtype)


def _offsets(count: int, pixels: int, generator: Generator) -> Tensor:
    """Draw where each window begins: (N, 2) int64 in 0...2*pixels."""
    return torch.randint(0, 2 * pixels + 1, (count, 2), generator=generator)
