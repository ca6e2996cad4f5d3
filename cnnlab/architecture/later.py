"""Kinds of layers that the networks after LeNet brought."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cnnlab.architecture.shapes import ReceptiveField, Shape
from cnnlab.architecture.spec import MAX_CHANNELS, MAX_KERNEL, LayerSpec
from cnnlab.errors import ShapeError
from cnnlab.i18n import N_


class LayerNorm(LayerSpec):
    """Normalise all numbers of one example together, then scale and shift each (Ba et al. 2016, arXiv:1607.06450).

    torch.nn.LayerNorm over the whole example: a scale and a shift for every number of a map, too.
    """

    kind: Literal["LayerNorm"] = "LayerNorm"
    prefix: ClassVar[str] = "ln"
    group: ClassVar[str] = "regularisation"
    explanation: ClassVar[str] = N_(
        "Brings all numbers of one example to mean 0 and spread 1, whatever else is in the batch; "
        "then lets the network scale and shift each."
    )
    formula: ClassVar[str] = r"y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta"

    eps: float = Field(1e-5, gt=0, le=1, description=N_("Small number that keeps the division safe."))

    def num_params(self, shape: Shape) -> int:
        size = 2
        for length in shape:
            size *= length
        return size

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.everywhere()


class GroupNorm(LayerSpec):
    """Normalise groups of channels of one example, then scale and shift each channel (Wu & He 2018, arXiv:1803.08494)."""

    kind: Literal["GroupNorm"] = "GroupNorm"
    prefix: ClassVar[str] = "gn"
    group: ClassVar[str] = "regularisation"
    explanation: ClassVar[str] = N_(
        "Brings each group of channels of one example to mean 0 and spread 1; works with the smallest batches too."
    )
    formula: ClassVar[str] = r"y = \gamma_c\,\frac{x - \mu_g}{\sqrt{\sigma_g^2 + \varepsilon}} + \beta_c"

    num_groups: int = Field(
        1, ge=1, le=MAX_CHANNELS, description=N_("Into how many groups the channels are parted; it must divide them.")
    )
    eps: float = Field(1e-5, gt=0, le=1, description=N_("Small number that keeps the division safe."))

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        if shape[0] % self.num_groups:
            raise ShapeError(
                "{where}: num_groups={groups} must divide the {given} channels that arrive; use num_groups=1",
                where=self.kind,
                groups=self.num_groups,
                given=shape[0],
            )
        if shape[0] == self.num_groups and shape[1] * shape[2] == 1:  # torch refuses it, for a single image
            raise ShapeError(
                "{where}: with num_groups={groups}, each group of {shape} is a single number, which has no spread to "
                "divide by; put it where maps are larger, or use fewer groups than channels",
                where=self.kind,
                groups=self.num_groups,
                shape="x".join(map(str, shape)),
            )
        return shape

    def num_params(self, shape: Shape) -> int:
        return 2 * shape[0]

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.everywhere()


class LocalResponseNorm(LayerSpec):
    """Divide each number by what neighbouring channels hold at its place (Krizhevsky et al. 2012, section 3.3).

    As torch writes it: alpha is divided by the size, and k is 1 where the paper has 2.
    """

    kind: Literal["LocalResponseNorm"] = "LocalResponseNorm"
    prefix: ClassVar[str] = "lrn"
    group: ClassVar[str] = "regularisation"
    explanation: ClassVar[str] = N_(
        "Makes a number smaller where neighbouring channels are strong at the same place; AlexNet's way, learns nothing."
    )
    formula: ClassVar[str] = r"y_c = x_c \left(k + \frac{\alpha}{n}\sum_{c'} x_{c'}^2\right)^{-\beta}"

    size: int = Field(5, ge=1, le=1024, description=N_("How many neighbouring channels are looked at."))
    alpha: float = Field(1e-4, ge=0, le=100, description=N_("How strongly the neighbours count."))
    beta: float = Field(0.75, ge=0, le=10, description=N_("Exponent of the division."))
    k: float = Field(1.0, gt=0, le=100, description=N_("What is added, so that nothing is divided by zero."))

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        return shape


class ReLU6(LayerSpec):
    """ReLU that stops at 6 (Krizhevsky 2010; MobileNet's activation)."""

    kind: Literal["ReLU6"] = "ReLU6"
    prefix: ClassVar[str] = "relu"
    explanation: ClassVar[str] = N_("Like ReLU, but nothing grows beyond 6: kind to phones that count with few digits.")
    formula: ClassVar[str] = r"y = \min(\max(0, x), 6)"


class SiLU(LayerSpec):
    """Sigmoid-weighted linear unit, also called swish (Elfwing et al. 2017, arXiv:1702.03118)."""

    kind: Literal["SiLU"] = "SiLU"
    prefix: ClassVar[str] = "silu"
    explanation: ClassVar[str] = N_("A smooth relative of ReLU: each number is weighted by its own sigmoid.")
    formula: ClassVar[str] = r"y = \frac{x}{1 + e^{-x}}"


class Hardswish(LayerSpec):
    """SiLU made of straight pieces (Howard et al. 2019, arXiv:1905.02244)."""

    kind: Literal["Hardswish"] = "Hardswish"
    prefix: ClassVar[str] = "hardswish"
    explanation: ClassVar[str] = N_("SiLU made of straight lines and one parabola, which is quick to compute.")
    formula: ClassVar[str] = r"y = x\,\frac{\min(\max(0, x + 3), 6)}{6}"


class ZeroPad2d(LayerSpec):
    """Put a border of zeros around every map, a width of its own on each side."""

    kind: Literal["ZeroPad2d"] = "ZeroPad2d"
    prefix: ClassVar[str] = "pad"
    group: ClassVar[str] = "reshape"
    explanation: ClassVar[str] = N_("Puts a border of zeros around every map; each side may have its own width.")
    formula: ClassVar[str] = r"y_{c,i,j} = x_{c,\; i - t,\; j - l},\quad 0 \text{ outside}"

    left: int = Field(1, ge=0, le=MAX_KERNEL, description=N_("Columns of zeros on the left, in pixels."))
    right: int = Field(1, ge=0, le=MAX_KERNEL, description=N_("Columns of zeros on the right, in pixels."))
    top: int = Field(1, ge=0, le=MAX_KERNEL, description=N_("Rows of zeros above, in pixels."))
    bottom: int = Field(1, ge=0, le=MAX_KERNEL, description=N_("Rows of zeros below, in pixels."))

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        return shape[0], shape[1] + self.top + self.bottom, shape[2] + self.left + self.right

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.padded(self.left, self.right, self.top, self.bottom)


class ChannelShuffle(LayerSpec):
    """Mix the channels of groups like cards (Zhang et al. 2017, ShuffleNet, arXiv:1707.01083, section 3.1)."""

    kind: Literal["ChannelShuffle"] = "ChannelShuffle"
    prefix: ClassVar[str] = "shuffle"
    group: ClassVar[str] = "reshape"
    explanation: ClassVar[str] = N_(
        "Mixes the channels of several groups like cards, so that the next grouped layer sees all of them."
    )
    formula: ClassVar[str] = r"y_{k g + m} = x_{m\,(C/g) + k}"

    groups: int = Field(
        2, ge=1, le=MAX_CHANNELS, description=N_("How many groups the channels come in; it must divide them.")
    )

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        if shape[0] % self.groups:
            raise ShapeError(
                "{where}: groups={groups} must divide the {given} channels that arrive; use groups=1",
                where=self.kind,
                groups=self.groups,
                given=shape[0],
            )
        return shape
