"""The whitening first layer: filters that take out what neighbouring pixels have in common."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.errors import RecipeError

PATCH_IMAGES = 2_000
"""From how many training images the patches are cut."""

_CHUNK = 250


def whitening_filters(images: Tensor, kernel_size: int, out_channels: int, eps: float = 5e-4) -> Tensor:
    """Return filters that whiten the patches of ``images``, in pairs of opposite sign, strongest first.

        C = P^T P / n,   C v_i = lambda_i v_i,   filter 2i = v_i / sqrt(lambda_i + eps),   filter 2i+1 = -filter 2i

    with P the (n, C*k*k) matrix of all patches.

    Shape:
        images: (N, C, H, W) float, normalised.
        returns: (out_channels, C, k, k) float32.

    Source: Jordan 2024, arXiv:2404.00498, section 3.2 (after Page 2019). There the patches of 5,000 images are used.

    Raises:
        RecipeError: more filters are asked for than there are, 2*C*k*k.
    """
    channels = images.shape[1]
    size = channels * kernel_size * kernel_size
    if out_channels > 2 * size:
        raise RecipeError(
            "whiten: a {kernel}x{kernel} filter over {channels} channels has {most} whitening filters at most; "
            "give the first convolution out_channels <= {most}, or switch whiten off",
            kernel=kernel_size,
            channels=channels,
            most=2 * size,
        )
    covariance = torch.zeros(size, size)
    count = 0
    for part in images.split(_CHUNK):
        patches = F.unfold(part.float().contiguous(), kernel_size).transpose(1, 2).reshape(-1, size)
        covariance += patches.T @ patches
        count += len(patches)
    values, vectors = torch.linalg.eigh(covariance / count)  # ascending
    filters = (vectors / (values.clamp_min(0) + eps).sqrt()).T.flip(0)  # (size, size), strongest first
    pairs = torch.stack([filters, -filters], dim=1).reshape(2 * size, channels, kernel_size, kernel_size)
    return pairs[:out_channels].contiguous()


def whiten_first_layer(network: Iterable[nn.Module], images: Tensor) -> None:
    """Set the first convolution of ``network`` to whitening filters of ``images`` and fix them; its bias stays free.

    Raises:
        RecipeError: the first layer is no ungrouped convolution, or has too many filters.
    """
    first = next(iter(network), None)
    if not isinstance(first, nn.Conv2d) or first.groups != 1:
        raise RecipeError("whiten: the first layer must be a Conv2d with groups=1; put one there, or switch whiten off")
    filters = whitening_filters(images[:PATCH_IMAGES], first.kernel_size[0], first.out_channels)
    with torch.no_grad():
        first.weight.copy_(filters)
        if first.bias is not None:
            first.bias.zero_()
    first.weight.requires_grad_(False)
