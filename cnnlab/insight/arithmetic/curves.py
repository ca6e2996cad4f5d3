"""Activations: a number's curve, as its height at zero and the slope of the straight line from there."""

from __future__ import annotations

import math
from collections.abc import Callable

from cnnlab.architecture import later
from cnnlab.architecture import layers as specs
from cnnlab.architecture.spec import LayerSpec
from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import At, Parts

Curve = Callable[[float], float]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _leaky(layer: LayerSpec) -> Curve:
    slope = layer.negative_slope if isinstance(layer, specs.LeakyReLU) else 0.0
    return lambda x: x if x > 0 else slope * x


CURVES: dict[type[LayerSpec], Callable[[LayerSpec], Curve]] = {
    specs.ReLU: lambda layer: lambda x: max(0.0, x),
    later.ReLU6: lambda layer: lambda x: min(max(0.0, x), 6.0),
    specs.LeakyReLU: _leaky,
    specs.Sigmoid: lambda layer: _sigmoid,
    specs.Tanh: lambda layer: math.tanh,
    specs.GELU: lambda layer: lambda x: x * _phi(x),
    later.SiLU: lambda layer: lambda x: x * _sigmoid(x),
    later.Hardswish: lambda layer: lambda x: x * min(max(0.0, x + 3), 6.0) / 6,
}
"""Every activation as a function of one float64 number, given the layer's description."""

ACTIVATIONS = frozenset(kind.__name__ for kind in CURVES)
"""The kinds of layers that bend each number by itself."""


def curve(at: At) -> Parts:
    """Take an activation apart: y = f(0) + x * slope, where slope = (f(x) - f(0)) / x is that of the straight line from 0 to x.

    For ReLU the slope is 0 or 1, for SiLU the sigmoid of x, for GELU Phi(x); f(0) is 0 for all but the sigmoid, where it
    is 1/2. At x = 0, where nothing is added, the slope is given as 0.
    Source: the multiplier of DeepLIFT's rescale rule with reference 0 (Shrikumar et al. 2017, arXiv:1704.02685, 3.5.1).
    """
    f = CURVES[type(at.layer)](at.layer)
    x = at.arriving(*at.index)
    y, zero = f(x), f(0.0)
    slope = (y - zero) / x if x else 0.0
    says = (
        Formula("{unit} = {kind}({x:.4g}) = {value:.4g}, which is {slope:.4g} · {x:.4g}",
                unit=at.unit, kind=at.layer.kind, x=x, value=y, slope=slope)
        if zero == 0
        else Formula("{unit} = {kind}({x:.4g}) = {value:.4g}, which is {zero:.4g} (its value at 0) + {slope:.4g} · {x:.4g}",
                     unit=at.unit, kind=at.layer.kind, x=x, value=y, slope=slope, zero=zero)
    )  # fmt: skip
    return Parts(says, [at.copied(*at.index, factor=slope)], zero, {"at_zero": zero, "slope": slope})
