"""Convolution and pooling: a window on what arrives."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.architecture import layers as specs
from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import At, Group, Parts, grid


def taps(position: int, length: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Tensor, Tensor]:
    """Return where a window looks along one axis, and with which of its own positions; outside the input it looks at nothing.

    Shape:
        both: (n,) int64, n <= kernel.
    """
    own = torch.arange(kernel)
    looked = position * stride - padding + own * dilation
    inside = (looked >= 0) & (looked < length)
    return looked[inside], own[inside]


def conv2d(at: At) -> Parts:
    """Take a convolution's number apart: bias + sum of weight times input over the patch of every map of its group.

    y[c,i,j] = b[c] + sum_{k,m,n} w[c,k,m,n] * x[k, s*i + d*m - p, s*j + d*n - p]
    """
    layer, (channel, i, j) = at.layer, at.index
    if not isinstance(layer, specs.Conv2d):
        raise TypeError(layer.kind)
    values, weight = at.source.values, at.tensor("weight")[channel].double()
    rows, m = taps(i, values.shape[1], *layer.window())
    columns, n = taps(j, values.shape[2], *layer.window())
    first = channel // (layer.out_channels // layer.groups) * weight.shape[0]
    own = grid(weight.shape[0], m, n)
    looked = grid(torch.arange(first, first + weight.shape[0]), rows, columns)
    index = torch.cat([torch.full((len(own), 1), channel), own], 1)
    group = Group(
        at.source.name,
        looked,
        values[tuple(looked.T)].double(),
        weight[tuple(own.T)],
        (at.name, "weight", index),
    )
    bias = at.number("bias", channel)
    padded = weight.numel() - len(own)
    says = (
        Formula("{unit} = {bias:.4g} (bias) + the sum of {count} products of input and weight = {value:.4g}",
                unit=at.unit, bias=bias, count=len(own), value=bias + float(group.products.sum()))
        if not padded
        else Formula("{unit} = {bias:.4g} (bias) + the sum of {count} products of input and weight = {value:.4g}; "
                     "{padded} more weights meet the zeros of the padding",
                     unit=at.unit, bias=bias, count=len(own), padded=padded, value=bias + float(group.products.sum()))
    )  # fmt: skip
    return Parts(says, [group], bias, {"padded": padded})


def max_pool2d(at: At) -> Parts:
    """Take a maximum apart: the winner counts once, all others not at all; of several that are equal, the first wins."""
    looked = _window(at)
    values = at.source.values[tuple(looked.T)].double()
    winner = int(values.argmax())
    factors = torch.zeros(len(values), dtype=torch.float64)
    factors[winner] = 1.0
    says = Formula("{unit} = the largest of {count} numbers: {value:.4g}, at row {row}, column {column}",
                   unit=at.unit, count=len(values), value=float(values[winner]),
                   row=int(looked[winner, 1]), column=int(looked[winner, 2]))  # fmt: skip
    return Parts(says, [Group(at.source.name, looked, values, factors)])


def avg_pool2d(at: At) -> Parts:
    """Take a mean apart: each number by 1 / (size of the window); padded zeros count, what reaches over them does not."""
    layer, values = at.layer, at.source.values
    if not isinstance(layer, specs.AvgPool2d):
        raise TypeError(layer.kind)
    kernel, stride, padding, _dilation = layer.window()
    sides = [
        min(position * stride - padding + kernel, length + padding) - (position * stride - padding)
        for position, length in zip(at.index[1:], values.shape[1:])
    ]
    return _mean(at, _window(at), sides[0] * sides[1])


def adaptive_avg_pool2d(at: At) -> Parts:
    """Take a mean apart over rows floor(i*H/h) up to ceil((i+1)*H/h), columns alike."""
    values, size = at.source.values, at.output_shape[1:]
    axes = [
        torch.arange(position * length // out, -(-(position + 1) * length // out))
        for position, length, out in zip(at.index[1:], values.shape[1:], size)
    ]
    looked = grid(torch.tensor([at.index[0]]), *axes)
    return _mean(at, looked, len(looked))


def _window(at: At) -> Tensor:
    layer, values = at.layer, at.source.values
    if not isinstance(layer, (specs.MaxPool2d, specs.AvgPool2d)):
        raise TypeError(layer.kind)
    rows, _own = taps(at.index[1], values.shape[1], *layer.window())
    columns, _own = taps(at.index[2], values.shape[2], *layer.window())
    return grid(torch.tensor([at.index[0]]), rows, columns)


def _mean(at: At, looked: Tensor, size: int) -> Parts:
    values = at.source.values[tuple(looked.T)].double()
    factors = torch.full((len(values),), 1 / size, dtype=torch.float64)
    says = Formula("{unit} = the mean of {count} numbers: {sum:.4g} / {count} = {value:.4g}",
                   unit=at.unit, count=size, sum=float(values.sum()), value=float(values.sum()) / size)  # fmt: skip
    return Parts(says, [Group(at.source.name, looked, values, factors)], numbers={"size": size})
