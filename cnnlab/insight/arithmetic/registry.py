"""One door: any number of a network, explained by the rule of its layer's kind."""

from __future__ import annotations

from collections.abc import Callable

import torch

from cnnlab.architecture import Address, LayerSpec, joins, later, rare
from cnnlab.architecture import layers as specs
from cnnlab.errors import ModelError
from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic import curves, dense, meetings, moves, norms, shares, windows
from cnnlab.insight.arithmetic.parts import At, Group, Parts, Source, pick, summed
from cnnlab.insight.arithmetic.passes import IMAGE, INPUT, PROBS, Pass
from cnnlab.insight.arithmetic.terms import Explanation

RULES: dict[type[LayerSpec], Callable[[At], Parts]] = {
    specs.Conv2d: windows.conv2d,
    specs.MaxPool2d: windows.max_pool2d,
    specs.AvgPool2d: windows.avg_pool2d,
    specs.AdaptiveAvgPool2d: windows.adaptive_avg_pool2d,
    specs.Linear: dense.linear,
    rare.RBF: dense.rbf,
    specs.BatchNorm2d: norms.batch_norm2d,
    later.LayerNorm: norms.layer_norm,
    later.GroupNorm: norms.group_norm,
    later.LocalResponseNorm: norms.local_response_norm,
    **dict.fromkeys(curves.CURVES, curves.curve),
    specs.Dropout: moves.dropout,
    specs.Dropout2d: moves.dropout,
    specs.Flatten: moves.flatten,
    later.ZeroPad2d: moves.zero_pad2d,
    later.ChannelShuffle: moves.channel_shuffle,
    rare.SelectChannels: moves.select_channels,
    joins.Chunk: moves.chunk,
    joins.PadShortcut: moves.pad_shortcut,
    joins.Concat: moves.concat,
    joins.Add: meetings.add,
    joins.Multiply: meetings.multiply,
    specs.Softmax: shares.softmax,
}
"""How a number of each kind of row is taken apart; all of ``LAYERS``, ``RARE`` and ``JOINS`` have an entry."""


def explain(passed: Pass, unit: Address | str, top: int | None = None) -> Explanation:
    """Return the number at ``unit`` as the sum that it is, the ``top`` largest terms shown (None: all), the others as one rest.

    Besides the layers' outputs, ``input[c,y,x]`` (from the picture's bytes) and ``probs[k]`` (the softmax of the scores,
    also where the network does not end in Softmax) can be asked for.

    Raises:
        ArchitectureError: ``unit`` is not written like an address.
        ModelError: there is no such layer or number.
    """
    unit = placed(passed, unit)
    parts, kind = _parts(passed, unit)
    terms, rest, count, total, size = pick(parts.groups, top)
    return Explanation(
        unit=unit,
        kind=kind,
        value=float(passed.values(unit.layer)[unit.index]),
        bias=parts.bias,
        terms=terms,
        rest=rest,
        rest_count=count,
        total=parts.bias + total,
        size=size,
        says=parts.says,
        numbers=parts.numbers,
        sums=tuple(summed(name, group, top) for name, group in parts.sums.items()),
    )


def placed(passed: Pass, unit: Address | str) -> Address:
    """Return ``unit`` as the address of one number of ``passed``.

    Raises:
        ArchitectureError: it is no address.
        ModelError: there is no such layer or number, or it is a weight.
    """
    unit = Address.parse(unit) if isinstance(unit, str) else unit
    if unit.layer == PROBS and PROBS not in passed.look.maps:
        unit = Address(passed.probs_layer, unit.tensor, unit.index)
    shape = tuple(passed.values(unit.layer).shape)
    if unit.tensor is not None:
        raise ModelError("{unit}: a weight is learned, not computed; ask for a unit, for example {example}",
                         unit=str(unit), example=f"{unit.layer}[{','.join('0' * len(shape))}]")  # fmt: skip
    if len(unit.index) != len(shape) or any(i >= length for i, length in zip(unit.index, shape)):
        last = ",".join(str(length - 1) for length in shape)
        raise ModelError("{unit}: no such number; {layer} has {shape} numbers, the last one is {layer}[{last}]",
                         unit=str(unit), layer=unit.layer, shape="x".join(map(str, shape)), last=last)  # fmt: skip
    return unit


def takes_in(passed: Pass, unit: Address, other: Address) -> bool:
    """Return whether the number at ``other`` goes into the number at ``unit``, in the one before it in the network."""
    parts, _kind = _parts(passed, placed(passed, unit))
    wanted = torch.tensor([other.index])
    groups = [group for group in (*parts.groups, *parts.sums.values()) if group.source == other.layer]
    return any(
        group.index.shape[1] == wanted.shape[1] and bool((group.index == wanted).all(1).any()) for group in groups
    )


def _parts(passed: Pass, unit: Address) -> tuple[Parts, str]:
    if unit.layer in passed.look.maps:
        row = passed.row(unit.layer)
        names = [name or INPUT for name in passed.look.takes[unit.layer]]
        layer, shape = row.layer, row.output_shape or ()
    elif unit.layer == PROBS:
        names, layer, shape = [passed.logits_layer], specs.Softmax(), tuple(passed.look.probs.shape)
    elif unit.layer == INPUT:
        return _preprocessed(passed, unit), "Preprocessing"
    else:
        pixel = Formula("{unit} = {value}: a pixel of the picture, from 0 to 255", unit=str(unit),
                        value=int(passed.image[unit.index]))  # fmt: skip
        return Parts(pixel, bias=float(passed.image[unit.index])), "Picture"
    sources = tuple(Source(name, passed.values(name)) for name in names)
    at = At(unit.layer, layer, unit.index, shape, sources, passed.state, passed.drawn.get(unit.layer))
    return RULES[type(layer)](at), layer.kind


def _preprocessed(passed: Pass, unit: Address) -> Parts:
    """Take a number of the network's input apart: (pixel / 255 - mean) / std; a pixel of the added border is 0."""
    channel, row, column = unit.index
    left, _right, top, _bottom = passed.preprocessing.padding
    mean, std = passed.preprocessing.mean[channel], passed.preprocessing.std[channel]
    i, j, shape = row - top, column - left, passed.image.shape
    inside = 0 <= i < shape[1] and 0 <= j < shape[2]
    pixel = int(passed.image[channel, i, j]) if inside else 0
    says = Formula("{unit} = ({pixel} / 255 - {mean:.4g}) / {std:.4g} = {value:.4g}",
                   unit=str(unit), pixel=pixel, mean=mean, std=std, value=(pixel / 255 - mean) / std)  # fmt: skip
    groups = []
    if inside:
        values = torch.tensor([float(pixel)], dtype=torch.float64)
        groups = [Group(IMAGE, torch.tensor([[channel, i, j]]), values, torch.full_like(values, 1 / 255 / std))]
    return Parts(says, groups, -mean / std, {"mean": mean, "std": std, "pixel": float(pixel)})
