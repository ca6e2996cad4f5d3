"""How strongly each map that arrives at a layer contributes to each map that leaves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnlab.architecture import Row
from cnnlab.architecture.joins import Chunk, PadShortcut
from cnnlab.insight.arithmetic.shares import exponentials

_CHUNK = 4_000_000  # numbers of unfolded patches held at once: 32 MB


def incoming(
    row: Row | None, module: nn.Module | None, arriving: Sequence[Tensor], leaving: Tensor, wanted: Tensor
) -> list[Tensor]:
    """Return, for each input of a layer, how strongly each of its maps contributes to the ``wanted`` maps that leave.

        strength(i -> j) = || y_j(only map i arrives) - y_j(nothing arrives) ||_2

    with the sign of the sum of that difference: what i adds to map j on the whole, or takes from it. This is exact for
    everything that adds contributions up (convolution, dense layer, sum, BatchNorm in evaluation) and for everything
    that works on each map by itself. Where a layer does neither:

    - a product: all factors of map j get the norm of the product, since each of them is needed;
    - LayerNorm, GroupNorm, LocalResponseNorm: the map itself gets the norm of what leaves, the others, which enter only
      through the mean and the spread, get none;
    - softmax: the share exp(x_i) / sum_k exp(x_k) that i has in the sum by which all are divided, between maps its mean
      over all positions, since each position has a sum of its own;
    - RBF: minus the squared distance in coordinate i.

    Args:
        row: the layer; None for the softmax behind the last one.
        module: its module, in evaluation mode.

    Shape:
        arriving: (C_in, h, w) each; leaving: (C_out, H, W); wanted: (n,) int64 < C_out
        returns: (n, C_in) float64 each
    """
    if row is None or row.layer.kind == "Softmax":
        return [_softmax(row, arriving[0], wanted)]
    kind = row.layer.kind
    if kind in _DENSE:
        return [_DENSE[kind](module, arriving[0], leaving, wanted)]
    changed = leaving
    if module is not None and kind in ("BatchNorm2d", "Sigmoid"):  # something leaves even if nothing arrives
        changed = leaving - module(torch.zeros_like(leaving)[None])[0]
    sources = _sources(row, arriving, leaving, wanted)
    found = []
    for x, source in zip(arriving, sources):
        part = changed[wanted].double().flatten(1)
        if kind == "Add":
            part = _aligned(x, leaving, wanted)
        size = torch.where(part.sum(1) < 0, -part.norm(dim=1), part.norm(dim=1))
        strength = torch.zeros(len(wanted), len(x), dtype=torch.float64)
        real = (source >= 0).nonzero().flatten()
        strength[real, source[real]] = size[real]
        found.append(strength)
    return found


def _aligned(x: Tensor, leaving: Tensor, wanted: Tensor) -> Tensor:
    """Return what a summand brings to the ``wanted`` maps: the numbers that stand where theirs do."""
    return x.reshape(leaving.shape)[wanted].double().flatten(1)


def _sources(row: Row, arriving: Sequence[Tensor], leaving: Tensor, wanted: Tensor) -> list[Tensor]:
    """Return, for each input, which of its maps each wanted map comes from; -1 where it comes from another input.

    A vector's numbers may stand one by one on one side and by the map they come from on the other.
    """
    layer: Any = row.layer
    kind = layer.kind
    per = leaving[0].numel()
    if kind == "Concat":
        found, offset = [], 0
        for x in arriving:
            place = wanted * per - offset  # where its numbers stand among this input's
            found.append(torch.where((place >= 0) & (place < x.numel()), place // x[0].numel(), -1))
            offset += x.numel()
        return found
    if isinstance(layer, Chunk):
        return [wanted + layer.index * (len(arriving[0]) // layer.chunks)]
    if isinstance(layer, PadShortcut):
        place = wanted - layer.before(len(arriving[0]))
        return [torch.where((place >= 0) & (place < len(arriving[0])), place, -1)]
    if kind == "SelectChannels":
        return [torch.tensor(layer.channels)[wanted]]
    if kind == "ChannelShuffle":
        width = len(arriving[0]) // layer.groups
        return [wanted % layer.groups * width + wanted // layer.groups]
    if kind == "Multiply":  # one map alone scales all of the others
        return [_same(x, leaving, wanted) if len(x) > 1 else torch.zeros_like(wanted) for x in arriving]
    return [_same(x, leaving, wanted) for x in arriving]


def _same(x: Tensor, leaving: Tensor, wanted: Tensor) -> Tensor:
    """Return which map of ``x`` stands where each wanted map does, by the numbers in them."""
    return wanted if len(x) == len(leaving) else wanted * leaving[0].numel() // x[0].numel()


# ----------------------------------------------------------------- layers in which every map may feed every other
def _conv(module: Any, x: Tensor, _leaving: Tensor, wanted: Tensor) -> Tensor:
    """Return the norms of all partial maps, without making one of them.

        || w * x_i ||^2 = w^T G_i w,  G_i = sum over positions of (patch of x_i) (patch of x_i)^T

    in float64, since the terms cancel; the sign is that of w^T (sum over positions of patches).
    """
    weight = module.weight.detach()[wanted].double().flatten(2)  # (n, C_in / groups, k)
    width, per_group = weight.shape[1], module.out_channels // module.groups
    gram, total = _patches(module, x)
    channels = wanted[:, None] // per_group * width + torch.arange(width)  # (n, C_in / groups)
    strength = torch.zeros(len(wanted), len(x), dtype=torch.float64)
    for j, (kernels, among) in enumerate(zip(weight, channels)):
        squared = torch.einsum("ck,ckl,cl->c", kernels, gram[among], kernels).clamp(min=0)
        lean = (kernels * total[among]).sum(1)
        strength[j, among] = torch.where(lean < 0, -squared.sqrt(), squared.sqrt())
    return strength


def _patches(module: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each map the sums over all window positions of patch times patch, and of the patch.

    Shape:
        returns: (C, k, k) and (C, k) float64, k = kH * kW
    """
    size = module.kernel_size[0] * module.kernel_size[1]
    step = max(1, _CHUNK // (size * x[0].numel()))
    grams, totals = [], []
    for some in x.split(step):
        patches = functional.unfold(
            some[:, None].double(), module.kernel_size, module.dilation, module.padding, module.stride
        )
        grams.append(patches @ patches.mT)
        totals.append(patches.sum(2))
    return torch.cat(grams), torch.cat(totals)


def _linear(module: Any, x: Tensor, _leaving: Tensor, wanted: Tensor) -> Tensor:
    terms = module.weight.detach()[wanted].double() * x.flatten().double()  # (n, C_in * per)
    return terms.view(len(wanted), len(x), -1).sum(2)


def _softmax(row: Row | None, x: Tensor, wanted: Tensor) -> Tensor:
    """Return each map's mean share over the positions; of a vector, the shares of the numbers that come from it, added up."""
    if row is not None and len(row.output_shape or ()) == 3:
        sizes = exponentials(x)
        shares = (sizes / sizes.sum(0)).mean((1, 2))
    else:
        sizes = exponentials(x.flatten())
        shares = (sizes / sizes.sum()).view(len(x), -1).sum(1)
    return shares.expand(len(wanted), -1)


def _rbf(module: Any, x: Tensor, _leaving: Tensor, wanted: Tensor) -> Tensor:
    apart = (x.flatten().double() - module.weight[wanted].double()).square()
    return -apart.view(len(wanted), len(x), -1).sum(2)


_DENSE: dict[str, Callable[[Any, Tensor, Tensor, Tensor], Tensor]] = {
    "Conv2d": _conv,
    "Linear": _linear,
    "RBF": _rbf,
}

MIXING = frozenset(_DENSE) | {"Softmax", "Concat", "Chunk", "PadShortcut", "SelectChannels", "ChannelShuffle"}
"""Kinds of layers whose map k need not come from map k of what arrives."""
