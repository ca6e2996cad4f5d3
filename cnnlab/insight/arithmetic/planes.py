"""A whole map of a layer with everything that makes it, so that a browser can do the sums of any of its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from cnnlab.architecture import Address, LayerSpec, joins, later, rare
from cnnlab.architecture import layers as specs
from cnnlab.build import MODULES
from cnnlab.insight.arithmetic.curves import CURVES
from cnnlab.insight.arithmetic.passes import INPUT, PROBS, Pass
from cnnlab.insight.arithmetic.plane import Incoming, Plane
from cnnlab.insight.arithmetic.registry import explain

MOVES = (
    specs.Flatten, later.ZeroPad2d, later.ChannelShuffle, rare.SelectChannels, joins.Chunk, joins.PadShortcut,
    joins.Concat,
)  # fmt: skip
"""Kinds that only carry numbers to another place."""

_SLICE = 4_000_000
"""How many float64 numbers of patches are laid out at once."""


def plane(passed: Pass, unit: Address, count: int = 6) -> Plane:
    """Return the map that ``unit`` stands in, with the ``count`` strongest of the maps that make it.

    A map is strong where the mean size of what it adds is large. ``unit`` is an address that ``explain`` takes.
    """
    kind, layer, sources = _row(passed, unit.layer)
    values = passed.values(unit.layer)
    if isinstance(layer, specs.Conv2d):
        return _window(passed, unit, layer, sources[0], count)
    if isinstance(layer, (specs.MaxPool2d, specs.AvgPool2d, specs.AdaptiveAvgPool2d)):
        return _pool(passed, unit, layer, sources[0])
    if isinstance(layer, (specs.Linear, rare.RBF)):
        return _dense(passed, unit, kind, sources[0])
    if isinstance(layer, specs.Softmax) and values.dim() == 1:
        return Plane(unit.layer, None, kind, "softmax", values.unsqueeze(0), (_vector(passed, sources[0]),))
    if isinstance(layer, specs.Flatten) and passed.values(sources[0]).dim() == 3:
        fold = dict(zip(("channels", "height", "width"), map(float, passed.values(sources[0]).shape)))
        return Plane(
            unit.layer, None, kind, "flatten", values.unsqueeze(0), (_vector(passed, sources[0]),), numbers=fold
        )
    if isinstance(layer, specs.Softmax) or layer is None and unit.layer != INPUT:
        return Plane(unit.layer, _channel(unit), kind, "terms", _map(values, unit), ())
    return _points(passed, unit, kind, layer, sources)


def _row(passed: Pass, name: str) -> tuple[str, LayerSpec | None, tuple[str, ...]]:
    """Return kind, description and sources of a layer, or of what is no layer."""
    if name in passed.look.maps:
        row = passed.row(name)
        return row.layer.kind, row.layer, tuple(source or INPUT for source in passed.look.takes[name])
    if name == PROBS:
        return "Softmax", specs.Softmax(), (passed.logits_layer,)
    return ("Preprocessing" if name == INPUT else "Picture"), None, ()


def _channel(unit: Address) -> int | None:
    return unit.index[0] if len(unit.index) == 3 else None


def _map(values: Tensor, unit: Address) -> Tensor:
    return values[unit.index[0]].float() if values.dim() == 3 else values.float().unsqueeze(0)


def _vector(passed: Pass, name: str) -> Incoming:
    values = passed.values(name)
    return Incoming(name, None, values.unsqueeze(0)) if values.dim() == 1 else Incoming(name, None, values.view(1, -1))


def _window(passed: Pass, unit: Address, layer: specs.Conv2d, source: str, count: int) -> Plane:
    channel, values = unit.index[0], passed.values(source)
    weight = passed.state[f"{unit.layer}.weight"][channel]
    first = channel // (layer.out_channels // layer.groups) * len(weight)
    seen = values[first : first + len(weight)]
    added = _added(seen, weight, layer).view(len(weight), *passed.values(unit.layer).shape[1:])
    order = added.abs().mean((1, 2)).argsort(descending=True, stable=True)
    shown = order[:count].tolist()
    bias = passed.state.get(f"{unit.layer}.bias")
    return Plane(
        unit.layer, channel, layer.kind, "window", passed.values(unit.layer)[channel],
        tuple(Incoming(source, first + one, seen[one], weight[one]) for one in shown),
        of_incoming=len(weight),
        bias=0.0 if bias is None else float(bias[channel]),
        rest=added[order[count:]].sum(0) if len(order) > count else None,
        window=layer.window(),
    )  # fmt: skip


def _added(seen: Tensor, weight: Tensor, layer: specs.Conv2d) -> Tensor:
    """Return what each incoming map adds to each number that leaves, in float64. Shape: (C, H' * W')."""
    found, taps = [], weight[0].numel()
    positions = seen[0].numel()  # as many as leave, or more: what a slice of channels costs at most
    for part, kernels in zip(*(one.split(max(1, _SLICE // (taps * positions))) for one in (seen, weight))):
        patches = functional.unfold(
            part.double().unsqueeze(0), layer.kernel_size, layer.dilation, layer.padding, layer.stride
        ).view(len(part), taps, -1)
        found.append((kernels.double().view(len(part), 1, taps) @ patches).squeeze(1))
    return torch.cat(found)


def _pool(passed: Pass, unit: Address, layer: LayerSpec, source: str) -> Plane:
    channel, values, out = unit.index[0], passed.values(source), passed.values(unit.layer)
    axes = [_spans(layer, values.shape[axis], out.shape[axis]) for axis in (1, 2)]
    means = not isinstance(layer, specs.MaxPool2d)
    return Plane(
        unit.layer, channel, layer.kind, "pool", out[channel], (Incoming(source, channel, values[channel]),),
        rows=tuple((start, stop) for start, stop, _side in axes[0]),
        columns=tuple((start, stop) for start, stop, _side in axes[1]),
        tall=tuple(side for _start, _stop, side in axes[0]) if means else None,
        wide=tuple(side for _start, _stop, side in axes[1]) if means else None,
    )  # fmt: skip


def _spans(layer: LayerSpec, length: int, out: int) -> list[tuple[int, int, int]]:
    """Return for each position of the output: first pixel, the one behind the last, and the side that a mean divides by."""
    if isinstance(layer, specs.AdaptiveAvgPool2d):
        spans = [(i * length // out, -(-(i + 1) * length // out)) for i in range(out)]
        return [(start, stop, stop - start) for start, stop in spans]
    if not isinstance(layer, (specs.MaxPool2d, specs.AvgPool2d)):
        raise TypeError(layer.kind)
    kernel, stride, padding, _dilation = layer.window()
    found = []
    for start in (i * stride - padding for i in range(out)):
        stop = start + kernel
        found.append((max(0, start), min(length, stop), min(stop, length + padding) - start))
    return found


def _dense(passed: Pass, unit: Address, kind: str, source: str) -> Plane:
    bias = passed.state.get(f"{unit.layer}.bias")
    return Plane(
        unit.layer, None, kind, "dense", passed.values(unit.layer).unsqueeze(0), (_vector(passed, source),),
        bias=0.0 if bias is None else float(bias[unit.index[0]]),
        weight=passed.state[f"{unit.layer}.weight"][unit.index[0]],
    )  # fmt: skip


def _points(passed: Pass, unit: Address, kind: str, layer: LayerSpec | None, sources: Sequence[str]) -> Plane:
    values = passed.values(unit.layer)
    out = _map(values, unit)
    shift = torch.zeros(out.shape, dtype=torch.float64)
    numbers: dict[str, float] = {}
    if isinstance(layer, joins.Add):
        incoming = tuple(_same(passed, unit, source, out) for source in sources)
    elif isinstance(layer, joins.Multiply):
        incoming = _product(passed, unit, sources, out)
    elif isinstance(layer, MOVES):
        incoming = _carried(passed, unit, layer, sources, out)
    elif layer is None:
        incoming, shift, numbers = _from_picture(passed, unit, out)
    else:
        one = _same(passed, unit, sources[0], out)
        factor, shift, numbers = _factors(passed, unit, layer, sources[0], out)
        incoming = (Incoming(one.layer, one.channel, one.values, None, one.origin, factor),)
    return Plane(unit.layer, _channel(unit), kind, "points", out, incoming, len(incoming), shift=shift, numbers=numbers)


def _same(passed: Pass, unit: Address, source: str, out: Tensor) -> Incoming:
    """Return the map of ``source`` with the same channel, each number going where it stands."""
    places = torch.arange(out.numel()).view(out.shape)
    return Incoming(
        source, _channel(unit), _map(passed.values(source), unit), None, places, torch.ones_like(out).double()
    )


def _product(passed: Pass, unit: Address, sources: Sequence[str], out: Tensor) -> tuple[Incoming, ...]:
    """Return the first map, times the numbers of the others; the others with a factor of 0, to be seen."""
    found, spread = [], []
    for source in sources:
        values = passed.values(source)
        channel = _channel(unit)
        channel = 0 if channel is not None and len(values) == 1 else channel
        own = values[channel] if channel is not None else values.unsqueeze(0)
        places = torch.arange(own.numel()).view(own.shape).expand(out.shape)
        spread.append(own.double().expand(out.shape))
        found.append(Incoming(source, channel, own, None, places, torch.zeros(out.shape, dtype=torch.float64)))
    factor = torch.ones(out.shape, dtype=torch.float64)
    for other in spread[1:]:
        factor = factor * other
    first = found[0]
    return Incoming(first.layer, first.channel, first.values, None, first.origin, factor), *found[1:]


def _carried(
    passed: Pass, unit: Address, layer: LayerSpec, sources: Sequence[str], out: Tensor
) -> tuple[Incoming, ...]:
    """Return the maps that a layer carries to another place: numbered positions go through it instead of values."""
    sizes = [passed.values(source).numel() for source in sources]
    starts = [sum(sizes[:i]) + 1 for i in range(len(sizes))]  # 0 is what a border of zeros brings
    numbered = [
        (torch.arange(size, dtype=torch.float64) + start).view(passed.values(source).shape).unsqueeze(0)
        for source, size, start in zip(sources, sizes, starts)
    ]
    shape = tuple(passed.values(sources[0]).shape)
    places = _map_of(MODULES[type(layer)](layer, shape)(*numbered)[0], unit).long()
    found = []
    for source, size, start in zip(sources, sizes, starts):
        here = (places >= start) & (places < start + size)
        if not here.any():
            continue
        values = passed.values(source)
        origin = torch.where(here, places - start, torch.tensor(-1))
        if values.dim() == 1:
            found.append(Incoming(source, None, values.unsqueeze(0), None, origin, here.double()))
            continue
        area = values[0].numel()
        for channel in torch.unique(origin[here] // area).tolist():
            own = here & (origin // area == channel)
            local = torch.where(own, origin - channel * area, torch.tensor(-1))
            found.append(Incoming(source, channel, values[channel], None, local, own.double()))
    return tuple(found)


def _map_of(values: Tensor, unit: Address) -> Tensor:
    return values[unit.index[0]] if values.dim() == 3 else values.unsqueeze(0)


def _from_picture(passed: Pass, unit: Address, out: Tensor) -> tuple[tuple[Incoming, ...], Tensor, dict[str, float]]:
    """Return the picture's bytes as what goes into the network's input: (pixel / 255 - mean) / std."""
    channel = unit.index[0]
    pixels, padding = passed.image[channel], passed.preprocessing.padding
    mean, std = passed.preprocessing.mean[channel], passed.preprocessing.std[channel]
    places = torch.arange(pixels.numel(), dtype=torch.float64).view(pixels.shape) + 1
    origin = functional.pad(places, padding).long() - 1
    factor = (origin >= 0).double() / 255 / std
    incoming = Incoming("image", channel, pixels.float(), None, origin, factor)
    return (incoming,), torch.full(out.shape, -mean / std, dtype=torch.float64), {"mean": mean, "std": std}


def _factors(
    passed: Pass, unit: Address, layer: LayerSpec, source: str, out: Tensor
) -> tuple[Tensor, Tensor, dict[str, float]]:  # fmt: skip
    """Return what a norm, an activation or dropout multiplies each number by, what it adds, and its numbers."""
    ones, zeros = torch.ones(out.shape, dtype=torch.float64), torch.zeros(out.shape, dtype=torch.float64)
    if isinstance(layer, (specs.Dropout, specs.Dropout2d)):
        drawn = passed.drawn.get(unit.layer)
        if drawn is None or drawn.mask is None:
            return ones, zeros, {"p": layer.p, "training": 0.0}
        return (
            _map(drawn.mask.expand(passed.values(unit.layer).shape), unit).double(),
            zeros,
            {"p": layer.p, "training": 1.0},
        )
    told = explain(passed, Address(unit.layer, None, unit.index), 0)
    numbers = dict(told.numbers)
    if isinstance(layer, later.LayerNorm):
        spread = (numbers["var"] + layer.eps) ** 0.5
        gamma = _map(passed.state[f"{unit.layer}.weight"], unit).double()
        beta = _map(passed.state[f"{unit.layer}.bias"], unit).double()
        return gamma / spread, beta - numbers["mean"] * gamma / spread, numbers
    if isinstance(layer, (specs.BatchNorm2d, later.GroupNorm)):
        return ones * numbers["scale"], zeros + told.bias, numbers
    if isinstance(layer, later.LocalResponseNorm):
        values, channel = passed.values(source).double(), unit.index[0]
        first = channel - layer.size // 2
        squares = values[max(0, first) : first + layer.size].square().sum(0)
        return (layer.k + layer.alpha / layer.size * squares) ** -layer.beta, zeros, numbers
    f = CURVES[type(layer)](layer)
    arriving = _map(passed.values(source), unit).double().flatten().tolist()
    slopes = [(f(x) - f(0.0)) / x if x else 0.0 for x in arriving]
    slope = float(layer.negative_slope) if isinstance(layer, specs.LeakyReLU) else 0.0
    return (
        torch.tensor(slopes, dtype=torch.float64).view(out.shape),
        zeros + f(0.0),
        {"at_zero": f(0.0), "negative_slope": slope},
    )
