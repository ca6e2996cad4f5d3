"""Blocks known by name, which stand for generic ones: depthwise-separable, inverted residual, squeeze-and-excitation."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cnnlab.architecture.composite import Block, Branches, Residual, Sequence
from cnnlab.architecture.layers import LAYERS, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ReLU, Sigmoid
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import MAX_CHANNELS, MAX_KERNEL, LayerSpec
from cnnlab.architecture.tape import Here, Signal, Tape
from cnnlab.errors import ShapeError
from cnnlab.i18n import N_

Activation = Literal["ReLU", "ReLU6", "LeakyReLU", "SiLU", "Hardswish", "GELU", "Tanh", "Sigmoid"]


class Shorthand(Block):
    """A block known by name, which stands for a generic one."""

    def parts(self, shape: Shape) -> Sequence | Residual | Branches:
        """Return the generic block that this one stands for when ``shape`` arrives.

        Raises:
            ShapeError: it does not fit.
        """
        raise NotImplementedError

    @property
    def unrolled_size(self) -> int:
        return 14

    def unroll(self, tape: Tape, arrives: Signal, here: Here) -> Signal:
        if arrives.shape is None:
            return tape.leaf(self, here, arrives)
        try:
            parts = self.parts(arrives.shape)
        except ShapeError as error:
            return tape.leaf(self, here, arrives, error)
        return parts.unroll(tape, arrives, here.standing_for())


class DepthwiseSeparable(Shorthand):
    """A window for each channel by itself, then a 1x1 convolution over all (Howard et al. 2017, MobileNet, arXiv:1704.04861).

    Conv2d(groups=channels), BatchNorm2d, activation, Conv2d(1x1), BatchNorm2d, activation; no biases; padding kernel_size // 2.
    """

    kind: Literal["DepthwiseSeparable"] = "DepthwiseSeparable"
    prefix: ClassVar[str] = "separable"
    explanation: ClassVar[str] = N_(
        "First one small filter for each map by itself, then 1×1 filters that mix the maps: far fewer multiply-adds."
    )
    formula: ClassVar[str] = r"y_o = \sum_k v_{o,k}\,(w_k * x_k)"

    out_channels: int = Field(16, ge=1, le=MAX_CHANNELS, description=N_("How many feature maps come out."))
    kernel_size: int = Field(3, ge=1, le=MAX_KERNEL, description=N_("Side of the window in pixels."))
    stride: int = Field(1, ge=1, le=MAX_KERNEL, description=N_("How far the window jumps each time, in pixels."))
    activation: Activation = Field("ReLU", description=N_("What follows each convolution."))

    def parts(self, shape: Shape) -> Sequence:
        self._need_map(shape)
        act = LAYERS[self.activation].model_validate({})
        depthwise = _depthwise(shape[0], self.kernel_size, self.stride)
        return Sequence(layers=(*depthwise, act, *_pointwise(self.out_channels), act))  # type: ignore[arg-type]


class InvertedResidual(Shorthand):
    """Widen, one window for each channel by itself, narrow again (Sandler et al. 2018, MobileNetV2, arXiv:1801.04381).

    Conv2d(1x1, expansion * channels), BatchNorm2d, activation (left out where expansion is 1), Conv2d(groups=channels),
    BatchNorm2d, activation, Conv2d(1x1), BatchNorm2d; plus the input where stride is 1 and the channels stay.
    """

    kind: Literal["InvertedResidual"] = "InvertedResidual"
    prefix: ClassVar[str] = "inverted"
    explanation: ClassVar[str] = N_(
        "Widens to many maps, looks at each by itself, narrows again; where the shape stays, the input is added."
    )
    formula: ClassVar[str] = r"y = x + V\,a(w * a(U x))"

    out_channels: int = Field(16, ge=1, le=MAX_CHANNELS, description=N_("How many feature maps come out."))
    expansion: int = Field(6, ge=1, le=64, description=N_("How many times as many maps there are in between."))
    kernel_size: int = Field(3, ge=1, le=MAX_KERNEL, description=N_("Side of the window in pixels."))
    stride: int = Field(1, ge=1, le=MAX_KERNEL, description=N_("How far the window jumps each time, in pixels."))
    activation: Activation = Field("ReLU6", description=N_("What follows each convolution but the last."))

    def parts(self, shape: Shape) -> Sequence | Residual:
        self._need_map(shape)
        act = LAYERS[self.activation].model_validate({})
        hidden = self.expansion * shape[0]
        if hidden > MAX_CHANNELS:
            raise ShapeError(
                "{where}: expansion={expansion} of {given} channels makes more than {limit}; use a smaller expansion",
                where=self.kind,
                expansion=self.expansion,
                given=shape[0],
                limit=MAX_CHANNELS,
            )
        widen = (*_pointwise(hidden), act) if self.expansion > 1 else ()
        depthwise = _depthwise(hidden, self.kernel_size, self.stride)
        layers = (*widen, *depthwise, act, *_pointwise(self.out_channels))
        stays = self.stride == 1 and self.kernel_size % 2 and self.out_channels == shape[0]
        return Residual(layers=layers) if stays else Sequence(layers=layers)  # type: ignore[arg-type]


class SqueezeExcitation(Shorthand):
    """Scale each map by a number that is made from the means of all (Hu et al. 2017, arXiv:1709.01507).

    AdaptiveAvgPool2d(1), Conv2d(1x1, channels // reduction), ReLU, Conv2d(1x1, channels), Sigmoid; times the input.
    """

    kind: Literal["SqueezeExcitation"] = "SqueezeExcitation"
    prefix: ClassVar[str] = "se"
    explanation: ClassVar[str] = N_(
        "Looks at the mean of every map and decides how much each map counts: a number from 0 to 1 for each."
    )
    formula: ClassVar[str] = r"y_c = x_c\,\sigma\left(V \max(0, U \bar{x})\right)_c"

    reduction: int = Field(
        4, ge=1, le=MAX_CHANNELS, description=N_("How many times fewer numbers stand between the two small layers.")
    )

    def parts(self, shape: Shape) -> Branches:
        self._need_map(shape)
        narrow = Conv2d(out_channels=max(1, shape[0] // self.reduction), kernel_size=1)
        wide = Conv2d(out_channels=shape[0], kernel_size=1)
        weigh = Sequence(name="squeeze", layers=(AdaptiveAvgPool2d(), narrow, ReLU(), wide, Sigmoid()))
        return Branches(branches=(Sequence(), weigh), join="multiply")


def _depthwise(channels: int, kernel: int, stride: int) -> tuple[LayerSpec, ...]:
    window = Conv2d(
        out_channels=channels, kernel_size=kernel, stride=stride, padding=kernel // 2, groups=channels, bias=False
    )
    return window, BatchNorm2d()


def _pointwise(channels: int) -> tuple[LayerSpec, ...]:
    return Conv2d(out_channels=channels, kernel_size=1, bias=False), BatchNorm2d()
