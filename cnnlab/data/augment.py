"""Vary a whole batch at once: flip, rotate, scale, shear, crop, shift, cutout, noise, each image by its own draw.

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
    """Return ``images`` varied as ``settings`` say: flip, rotate with scale and shear, crop with padding, shift, cutout, noise.

    With nothing switched on the tensor itself comes back and nothing is drawn.

    Shape:
        images: (N, C, H, W) uint8 or float.
        returns: the same.
    """
    if settings.flip:
        images = flip(images, generator)
    if settings.rotate or settings.scale or settings.shear:
        images = rotate_scale(images, settings.rotate, settings.scale, generator, settings.shear)
    if settings.crop_padding:
        images = crop_padding(images, settings.crop_padding, generator)
    if settings.shift:
        images = shift(images, settings.shift, generator)
    if settings.cutout:
        images = cutout(images, settings.cutout, generator)
    if settings.noise:
        images = noise(images, settings.noise, generator)
    return images


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Return ``images`` with each mirrored left to right with probability 1/2.

    Shape:
        images: (N, C, H, W) uint8 or float.
        returns: a new tensor like ``images``.
    """
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return flip_these(images, chosen)


def flip_these(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the images where ``chosen`` (N,) bool says so."""
    flipped = images.clone()
    flipped[chosen] = images[chosen].flip(3)
    return flipped


def shift(images: Tensor, pixels: int, generator: Generator) -> Tensor:
    """Return ``images`` with each moved by whole pixels, uniform in -pixels...pixels on each axis; what opens up is 0.

    Shape:
        images: (N, C, H, W) uint8 or float.
        returns: (N, C, H, W) of the same dtype.
    """
    offsets = _offsets(len(images), pixels, generator)
    return cut(F.pad(images, (pixels, pixels, pixels, pixels)), offsets, images.shape[2:])


def crop_padding(images: Tensor, pixels: int, generator: Generator) -> Tensor:
    """Return ``images`` padded by ``pixels`` mirrored pixels on each side, with the old size cut out at a random place.

    The border is mirrored without repeating the edge, as ``torchvision.transforms.RandomCrop`` does with
    ``padding_mode="reflect"``; so nothing black enters a photograph.

    Shape:
        images: (N, C, H, W) uint8 or float.
        returns: (N, C, H, W) of the same dtype.

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


def rotate_scale(images: Tensor, degrees: float, fraction: float, generator: Generator, shear: float = 0.0) -> Tensor:
    """Slant, turn and scale each image about its centre: by up to ``shear`` and ``degrees``, to 1 +- fraction.

    One bilinear sampling does all three; what lies outside the image is 0. uint8 is rounded back.
    """
    draws = torch.rand((len(images), 2), generator=generator) * 2 - 1  # (N, 2) in [-1, 1]
    slants = (torch.rand(len(images), generator=generator) * 2 - 1) * shear if shear else None
    return rotate_scale_by(images, draws[:, 0] * degrees, 1 + draws[:, 1] * fraction, slants)


def rotate_scale_by(images: Tensor, degrees: Tensor, factors: Tensor, slants: Tensor | None = None) -> Tensor:
    """Slant each image by its ``slants`` (N,) degrees, turn it counter-clockwise, and enlarge it by its ``factors``.

    The output pixel at p shows the input at S R(-angle) p / factor, coordinates in pixels about the centre, where S
    moves a row by tan(slant) times its distance below the centre: a positive slant leans to the right, like italics.
    """
    _, _, height, width = images.shape
    angle = degrees * (math.pi / 180)
    cos, sin = torch.cos(angle) / factors, torch.sin(angle) / factors
    nothing = torch.zeros_like(cos)
    right, down = cos, -sin  # how far to the right in the input one pixel right, one pixel down in the output goes
    if slants is not None:
        lean = torch.tan(slants * (math.pi / 180))
        right, down = cos + sin * lean, cos * lean - sin
    # affine_grid's coordinates run from -1 to 1 on either axis: the ratio keeps pixels square
    top = torch.stack([right, down * (height / width), nothing], dim=1)
    bottom = torch.stack([sin * (width / height), cos, nothing], dim=1)
    matrix = torch.stack([top, bottom], dim=1)  # (N, 2, 3)
    values = images if images.is_floating_point() else images.float()
    grid = F.affine_grid(matrix.to(values.dtype), list(values.shape), align_corners=False)
    turned = F.grid_sample(values, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return turned if images.is_floating_point() else turned.round_().clamp_(0, 255).to(images.dtype)


def cutout(images: Tensor, side: int, generator: Generator) -> Tensor:
    """Return ``images`` with a square of ``side`` pixels of each at 0; its centre is any pixel, so it may reach over the edge.

    Shape:
        images: (N, C, H, W) uint8 or float.
        returns: (N, C, H, W) of the same dtype.

    Source: DeVries & Taylor 2017, arXiv:1708.04552, section 3.2; there it is filled with the mean, here with black.
    """
    count, _, height, width = images.shape
    centres = torch.rand((count, 2), generator=generator) * torch.tensor([height, width])
    return cutout_at(images, side, centres.long())


def cutout_at(images: Tensor, side: int, centres: Tensor) -> Tensor:
    """Blacken rows y - side//2 ... + side and the columns likewise, for each image's centre (y, x) (N, 2)."""
    _, _, height, width = images.shape
    first = (centres - side // 2)[:, :, None]  # (N, 2, 1)
    rows, columns = torch.arange(height), torch.arange(width)
    in_rows = (rows >= first[:, 0]) & (rows < first[:, 0] + side)  # (N, H)
    in_columns = (columns >= first[:, 1]) & (columns < first[:, 1] + side)  # (N, W)
    return images.masked_fill(in_rows[:, None, :, None] & in_columns[:, None, None, :], 0)


def noise(images: Tensor, spread: float, generator: Generator) -> Tensor:
    """Return ``images`` with a draw from N(0, (255 * spread)^2) added to each number, kept within 0...255.

    ``spread`` is the standard deviation as a part of the whole range of grey, 0 to 1. uint8 is rounded back.

    Shape:
        images: (N, C, H, W) uint8, or float in 0...255.
        returns: (N, C, H, W) of the same dtype.
    """
    noisy = torch.randn(images.shape, generator=generator).mul_(255 * spread).add_(images).clamp_(0, 255)
    return noisy.to(images.dtype) if images.is_floating_point() else noisy.round_().to(images.dtype)


def mixup(x: Tensor, targets: Tensor, classes: int, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return ``x`` with each image laid over another of the batch, and the share of each class in the result.

        x~_i = w_i x_i + (1 - w_i) x_p(i),   q_i = w_i onehot(t_i) + (1 - w_i) onehot(t_p(i)),   w_i ~ Beta(alpha, alpha)

    with p a random permutation of the batch.

    Shape:
        x: (N, C, H, W) float.
        targets: (N,) int64.
        returns: (N, C, H, W) like x; (N, classes) float32, each row sums to 1.

    Source: Zhang et al. 2017, arXiv:1710.09412, equation 1; its code draws one w for a batch, here each pair has its own.
    """
    count = len(targets)
    partner = torch.randperm(count, generator=generator)
    gammas = torch._standard_gamma(torch.full((2, count), alpha, dtype=torch.float64), generator=generator)
    weight = (gammas[0] / gammas.sum(0)).float()  # a quotient of gammas is a beta
    mixed = torch.lerp(x[partner], x, weight[:, None, None, None])
    shares = torch.zeros(count, classes)
    shares.scatter_add_(1, targets[:, None], weight[:, None])
    shares.scatter_add_(1, targets[partner][:, None], 1 - weight[:, None])
    return mixed.contiguous(memory_format=_format_of(x)), shares


def _format_of(x: Tensor) -> torch.memory_format:
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


def _offsets(count: int, pixels: int, generator: Generator) -> Tensor:
    """Draw where each window begins: (N, 2) int64 in 0...2*pixels."""
    return torch.randint(0, 2 * pixels + 1, (count, 2), generator=generator)
