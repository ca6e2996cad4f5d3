"""Normalisation: one number comes in, scaled by a spread and shifted by a mean that other numbers decide."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cnnlab.architecture import later
from cnnlab.architecture import layers as specs
from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import At, Group, Parts, grid


def batch_norm2d(at: At) -> Parts:
    """Take BatchNorm apart: y = x * gamma / sqrt(var + eps) + (beta - mean * gamma / sqrt(var + eps)).

    Mean and variance are the running ones in evaluation mode, those of the batch in training mode.

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.
    """
    layer, channel = at.layer, at.index[0]
    if not isinstance(layer, specs.BatchNorm2d):
        raise TypeError(layer.kind)
    if at.drawn and at.drawn.mean is not None and at.drawn.var is not None:
        mean, var = float(at.drawn.mean[channel]), float(at.drawn.var[channel])
    else:
        mean, var = at.number("running_mean", channel), at.number("running_var", channel)
    return _normed(at, mean, var, layer.eps, at.number("weight", channel, default=1.0), at.number("bias", channel), {})


def layer_norm(at: At) -> Parts:
    """Take LayerNorm apart: mean and variance are those of all numbers of the example, gamma and beta the unit's own.

    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.
    """
    layer, values = at.layer, at.source.values
    if not isinstance(layer, later.LayerNorm):
        raise TypeError(layer.kind)
    index = grid(*values.shape)
    gamma, beta = at.number("weight", *at.index, default=1.0), at.number("bias", *at.index)
    return _of_example(at, index, layer.eps, gamma, beta)


def group_norm(at: At) -> Parts:
    """Take GroupNorm apart: mean and variance are those of the group's channels, gamma and beta the channel's own.

    Source: Wu & He 2018, arXiv:1803.08494.
    """
    layer, values = at.layer, at.source.values
    if not isinstance(layer, later.GroupNorm):
        raise TypeError(layer.kind)
    width = len(values) // layer.num_groups
    first = at.index[0] // width * width
    index = grid(torch.arange(first, first + width), *values.shape[1:])
    gamma, beta = at.number("weight", at.index[0], default=1.0), at.number("bias", at.index[0])
    return _of_example(at, index, layer.eps, gamma, beta)


def local_response_norm(at: At) -> Parts:
    """Take a local response norm apart: y = x * (k + alpha / n * sum of the neighbours' squares) ** -beta.

    Source: Krizhevsky, Sutskever & Hinton 2012, NeurIPS 25, section 3.3; they do not divide alpha by n, torch does.
    """
    layer, values = at.layer, at.source.values
    if not isinstance(layer, later.LocalResponseNorm):
        raise TypeError(layer.kind)
    channel, i, j = at.index
    first = channel - layer.size // 2
    near = torch.arange(max(0, first), min(len(values), first + layer.size))
    index = grid(near, torch.tensor([i]), torch.tensor([j]))
    taken = values[tuple(index.T)].double()
    squares = Group(at.source.name, index, taken, torch.ones_like(taken), None, taken.square())
    total = float(squares.products.sum())
    base = layer.k + layer.alpha / layer.size * total
    factor = base**-layer.beta
    x = at.arriving(*at.index)
    says = Formula(
        "{unit} = {x:.4g} · ({k:.4g} + {alpha:.4g} / {size} · {squares:.4g}) ^ -{beta:.4g} = {value:.4g}; "
        "{squares:.4g} is the sum of the squares of {count} channels at this place",
        unit=at.unit, x=x, k=layer.k, alpha=layer.alpha, size=layer.size, beta=layer.beta, squares=total,
        count=len(near), value=x * factor,
    )  # fmt: skip
    return Parts(says, [at.copied(*at.index, factor=factor)], 0.0, {"base": base}, {"squares": squares})


def _of_example(at: At, index: Tensor, eps: float, gamma: float, beta: float) -> Parts:
    taken = at.source.values[tuple(index.T)].double()
    share = torch.full_like(taken, 1 / len(taken))
    means = Group(at.source.name, index, taken, share)
    mean = float(means.products.sum())
    spread = Group(at.source.name, index, taken, share, None, (taken - mean).square())
    var = float(spread.products.sum())
    return _normed(at, mean, var, eps, gamma, beta, {"mean": means, "variance": spread})


def _normed(
    at: At, mean: float, var: float, eps: float, gamma: float, beta: float, sums: dict[str, Group]
) -> Parts:  # fmt: skip
    scale = gamma / math.sqrt(var + eps)
    x = at.arriving(*at.index)
    says = Formula(
        "{unit} = {gamma:.4g} · ({x:.4g} - {mean:.4g}) / √({var:.4g} + {eps:.4g}) + {beta:.4g} = {value:.4g}",
        unit=at.unit, gamma=gamma, x=x, mean=mean, var=var, eps=eps, beta=beta, value=(x - mean) * scale + beta,
    )  # fmt: skip
    numbers = {"gamma": gamma, "beta": beta, "mean": mean, "var": var, "eps": eps, "scale": scale}
    return Parts(says, [at.copied(*at.index, factor=scale)], beta - mean * scale, numbers, sums)
