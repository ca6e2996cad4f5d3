"""One frozen description for each kind of layer, and the registry that every room reads.

A kind brings its fields with their ranges (widgets, flags and the JSON schema are made from them), what it does in
plain words, its formula, and three rules in pure integers: output shape, parameters, multiply-adds. The names and
rules are torch's; each is tested against torch itself.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cnnlab.architecture.later import (
    ChannelShuffle,
    GroupNorm,
    Hardswish,
    LayerNorm,
    LocalResponseNorm,
    ReLU6,
    SiLU,
    ZeroPad2d,
)
from cnnlab.architecture.shapes import ReceptiveField, Shape, conv_size
from cnnlab.architecture.spec import MAX_CHANNELS, MAX_KERNEL, LayerSpec
from cnnlab.errors import ShapeError
from cnnlab.i18n import N_


class _Window(LayerSpec):
    """What convolution and pooling share: a square window that slides."""

    group: ClassVar[str] = "pooling"

    def window(self) -> tuple[int, int, int, int]:
        """Return kernel size, stride, padding and dilation in pixels."""
        raise NotImplementedError

    @property
    def rounds_up(self) -> bool:
        """Whether a last window that reaches over the padded edge counts."""
        return False

    def _slide(self, shape: Shape) -> tuple[int, int]:
        """Return output height and width, or raise with what would fit."""
        kernel, stride, padding, dilation = self.window()
        height, width = shape[1], shape[2]
        smaller = min(height, width)
        reach = dilation * (kernel - 1) + 1
        room = smaller + 2 * padding + (stride - 1 if self.rounds_up else 0)
        if reach > room:
            raise ShapeError(
                "{where}: a {reach}-px kernel does not fit its {height}x{width} input; "
                "use kernel_size <= {limit}, or padding >= {need}",
                where=self.kind,
                reach=reach,
                height=height,
                width=width,
                limit=(room - 1) // dilation + 1,
                need=padding - (room - reach) // 2,
            )
        return (
            conv_size(height, kernel, stride, padding, dilation, self.rounds_up),
            conv_size(width, kernel, stride, padding, dilation, self.rounds_up),
        )

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.through_window(*self.window(), self.rounds_up)


class Conv2d(_Window):
    """2-D convolution (cross-correlation, as in torch): one filter for each output channel slides over all maps."""

    kind: Literal["Conv2d"] = "Conv2d"
    prefix: ClassVar[str] = "conv"
    group: ClassVar[str] = "learned"
    explanation: ClassVar[str] = N_("Slides small learned filters over the picture; each filter makes one feature map.")
    formula: ClassVar[str] = (
        r"y_{c,i,j} = b_c + \sum_{k}\sum_{m,n} w_{c,k,m,n}\; x_{k,\; s i + d m - p,\; s j + d n - p}"
    )

    out_channels: int = Field(
        8, ge=1, le=MAX_CHANNELS, description=N_("How many filters, and so how many feature maps come out.")
    )
    kernel_size: int = Field(3, ge=1, le=MAX_KERNEL, description=N_("Side of the window in pixels."))
    stride: int = Field(1, ge=1, le=MAX_KERNEL, description=N_("How far the window jumps each time, in pixels."))
    padding: int = Field(0, ge=0, le=MAX_KERNEL, description=N_("Zeros added on each side, in pixels."))
    dilation: int = Field(
        1,
        ge=1,
        le=MAX_KERNEL,
        description=N_("Distance between the pixels that the window looks at; 1 leaves no gaps."),
    )
    groups: int = Field(
        1,
        ge=1,
        le=MAX_CHANNELS,
        description=N_("Splits the channels into groups that do not see each other; 1 means all see all."),
    )
    bias: bool = Field(True, description=N_("Adds one learned number to each map."))
    in_channels: int | None = Field(
        None,
        ge=1,
        le=MAX_CHANNELS,
        description=N_("Channels that must arrive; empty takes whatever arrives."),
    )

    def window(self) -> tuple[int, int, int, int]:
        return self.kernel_size, self.stride, self.padding, self.dilation

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        if self.in_channels is not None and self.in_channels != shape[0]:
            raise ShapeError(
                "{where}: {given} channels arrive where in_channels={expected} are expected; use in_channels={given}",
                where=self.kind,
                given=shape[0],
                expected=self.in_channels,
            )
        if shape[0] % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                "{where}: groups={groups} must divide both the {given} channels that arrive and the {out} that leave; "
                "use groups=1",
                where=self.kind,
                groups=self.groups,
                given=shape[0],
                out=self.out_channels,
            )
        return (self.out_channels, *self._slide(shape))

    def num_params(self, shape: Shape) -> int:
        return self.out_channels * (shape[0] // self.groups * self.kernel_size**2 + self.bias)

    def macs(self, shape: Shape) -> int:
        channels, height, width = self.output_shape(shape)
        return channels * height * width * (shape[0] // self.groups) * self.kernel_size**2


class _Pool(_Window):
    kernel_size: int = Field(2, ge=1, le=MAX_KERNEL, description=N_("Side of the window in pixels."))
    stride: int | None = Field(
        None,
        ge=1,
        le=MAX_KERNEL,
        description=N_("How far the window jumps each time, in pixels; empty means as far as it is wide."),
    )
    padding: int = Field(
        0, ge=0, le=MAX_KERNEL, description=N_("Pixels added on each side; at most half of the window.")
    )
    ceil_mode: bool = Field(
        False,
        description=N_("Keeps a last window that reaches over the edge instead of leaving those pixels out."),
        exclude_if=lambda chosen: not chosen,  # documents from before it had none, and stay as they were
    )

    def window(self) -> tuple[int, int, int, int]:
        return self.kernel_size, self.stride or self.kernel_size, self.padding, 1

    @property
    def rounds_up(self) -> bool:
        return self.ceil_mode

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        if 2 * self.padding > self.kernel_size:
            raise ShapeError(
                "{where}: padding={padding} is more than half of kernel_size={kernel}; use padding <= {limit}",
                where=self.kind,
                padding=self.padding,
                kernel=self.kernel_size,
                limit=self.kernel_size // 2,
            )
        return (shape[0], *self._slide(shape))


class MaxPool2d(_Pool):
    """Maximum over a sliding window; padding never wins."""

    kind: Literal["MaxPool2d"] = "MaxPool2d"
    prefix: ClassVar[str] = "pool"
    explanation: ClassVar[str] = N_("Keeps the largest number of each window: smaller maps that forgive small shifts.")
    formula: ClassVar[str] = r"y_{c,i,j} = \max_{m,n}\; x_{c,\; s i + m - p,\; s j + n - p}"


class AvgPool2d(_Pool):
    """Mean over a sliding window; padded zeros count, as in torch's default."""

    kind: Literal["AvgPool2d"] = "AvgPool2d"
    prefix: ClassVar[str] = "pool"
    explanation: ClassVar[str] = N_("Keeps the mean of each window: smaller, smoother maps.")
    formula: ClassVar[str] = r"y_{c,i,j} = \frac{1}{k^2}\sum_{m,n} x_{c,\; s i + m - p,\; s j + n - p}"


class AdaptiveAvgPool2d(LayerSpec):
    """Mean over windows chosen so that the output has a given size."""

    kind: Literal["AdaptiveAvgPool2d"] = "AdaptiveAvgPool2d"
    prefix: ClassVar[str] = "pool"
    group: ClassVar[str] = "pooling"
    explanation: ClassVar[str] = N_("Averages each map down to a fixed size, whatever size arrives.")
    formula: ClassVar[str] = (
        r"y_{c,i,j} = \operatorname{mean}\; x_{c,\; \lfloor iH/h\rfloor : \lceil (i+1)H/h\rceil,\; \lfloor jW/w\rfloor : \lceil (j+1)W/w\rceil}"
    )

    output_size: int = Field(1, ge=1, le=1024, description=N_("Side of the maps that come out, in pixels."))

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        return (shape[0], self.output_size, self.output_size)

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.through_adaptive(self.output_size)


class BatchNorm2d(LayerSpec):
    """Normalise each channel to mean 0 and variance 1, then scale and shift it (Ioffe & Szegedy 2015, arXiv:1502.03167)."""

    kind: Literal["BatchNorm2d"] = "BatchNorm2d"
    prefix: ClassVar[str] = "bn"
    group: ClassVar[str] = "regularisation"
    explanation: ClassVar[str] = N_(
        "Brings each channel to mean 0 and spread 1, then lets the network scale and shift it; training runs smoother."
    )
    formula: ClassVar[str] = r"y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta"

    eps: float = Field(1e-5, gt=0, le=1, description=N_("Small number that keeps the division safe."))
    momentum: float = Field(
        0.1, ge=0, le=1, description=N_("How fast the running mean and variance follow the batches.")
    )

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        return shape

    def num_params(self, shape: Shape) -> int:
        return 2 * shape[0]


class ReLU(LayerSpec):
    """Rectified linear unit."""

    kind: Literal["ReLU"] = "ReLU"
    prefix: ClassVar[str] = "relu"
    explanation: ClassVar[str] = N_("Lets positive numbers pass and turns negative ones into zero.")
    formula: ClassVar[str] = r"y = \max(0, x)"


class LeakyReLU(LayerSpec):
    """ReLU with a small slope below zero."""

    kind: Literal["LeakyReLU"] = "LeakyReLU"
    prefix: ClassVar[str] = "leaky"
    explanation: ClassVar[str] = N_("Like ReLU, but lets a little of the negative numbers through.")
    formula: ClassVar[str] = r"y = \max(0, x) + a \min(0, x)"

    negative_slope: float = Field(0.01, ge=0, le=1, description=N_("Slope below zero."))


class Sigmoid(LayerSpec):
    """Logistic function."""

    kind: Literal["Sigmoid"] = "Sigmoid"
    prefix: ClassVar[str] = "sigmoid"
    explanation: ClassVar[str] = N_("Squeezes every number into the range from 0 to 1.")
    formula: ClassVar[str] = r"y = \frac{1}{1 + e^{-x}}"


class Tanh(LayerSpec):
    """Hyperbolic tangent."""

    kind: Literal["Tanh"] = "Tanh"
    prefix: ClassVar[str] = "tanh"
    explanation: ClassVar[str] = N_("Squeezes every number into the range from -1 to 1.")
    formula: ClassVar[str] = r"y = \tanh(x)"


class GELU(LayerSpec):
    """Gaussian error linear unit (Hendrycks & Gimpel 2016, arXiv:1606.08415), the exact form."""

    kind: Literal["GELU"] = "GELU"
    prefix: ClassVar[str] = "gelu"
    explanation: ClassVar[str] = N_("A smooth relative of ReLU: small negative numbers fade out instead of being cut.")
    formula: ClassVar[str] = r"y = x\,\Phi(x)"


class Dropout(LayerSpec):
    """Zero single numbers at random while training (Srivastava et al. 2014)."""

    kind: Literal["Dropout"] = "Dropout"
    prefix: ClassVar[str] = "drop"
    group: ClassVar[str] = "regularisation"
    explanation: ClassVar[str] = N_(
        "While training, sets random numbers to zero, so that no unit relies on a single other one."
    )
    formula: ClassVar[str] = r"y = \frac{m\,x}{1-p},\quad m \sim \mathrm{Bernoulli}(1-p)"

    p: float = Field(0.5, ge=0, lt=1, description=N_("Share that is set to zero."))


class Dropout2d(LayerSpec):
    """Zero whole channels at random while training (Tompson et al. 2015, arXiv:1411.4280)."""

    kind: Literal["Dropout2d"] = "Dropout2d"
    prefix: ClassVar[str] = "drop"
    group: ClassVar[str] = "regularisation"
    explanation: ClassVar[str] = N_("While training, sets random whole maps to zero.")
    formula: ClassVar[str] = r"y_c = \frac{m_c\,x_c}{1-p},\quad m_c \sim \mathrm{Bernoulli}(1-p)"

    p: float = Field(0.25, ge=0, lt=1, description=N_("Share of the maps that is set to zero."))

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        return shape


class Flatten(LayerSpec):
    """Lay all maps out as one vector, channel by channel, row by row."""

    kind: Literal["Flatten"] = "Flatten"
    prefix: ClassVar[str] = "flatten"
    counted: ClassVar[bool] = False
    group: ClassVar[str] = "reshape"
    explanation: ClassVar[str] = N_("Lays all maps out as one long row of numbers, as a dense layer needs it.")
    formula: ClassVar[str] = r"y_{(c H + i) W + j} = x_{c,i,j}"

    def output_shape(self, shape: Shape) -> Shape:
        size = 1
        for length in shape:
            size *= length
        return (size,)

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.flattened(shape) if len(shape) == 3 else field


class Linear(LayerSpec):
    """Dense layer: every output sees every input."""

    kind: Literal["Linear"] = "Linear"
    prefix: ClassVar[str] = "fc"
    group: ClassVar[str] = "learned"
    explanation: ClassVar[str] = N_(
        "Every output is a weighted sum of all inputs; the last one gives a score to each class."
    )
    formula: ClassVar[str] = r"y_o = b_o + \sum_i w_{o,i}\, x_i"

    out_features: int = Field(
        10,
        ge=1,
        le=10_000_000,
        description=N_("How many numbers come out; in the last layer, one for each class."),
    )
    bias: bool = Field(True, description=N_("Adds one learned number to each output."))
    in_features: int | None = Field(
        None, ge=1, le=10_000_000, description=N_("Numbers that must arrive; empty takes whatever arrives.")
    )

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ShapeError(
                "{where}: needs a vector, but maps of {channels}x{height}x{width} arrive; put Flatten before it",
                where=self.kind,
                channels=shape[0],
                height=shape[1],
                width=shape[2],
            )
        if self.in_features is not None and self.in_features != shape[0]:
            raise ShapeError(
                "{where}: {given} features arrive where in_features={expected} are expected; use in_features={given}",
                where=self.kind,
                given=shape[0],
                expected=self.in_features,
            )
        return (self.out_features,)

    def num_params(self, shape: Shape) -> int:
        return self.out_features * (shape[0] + self.bias)

    def macs(self, shape: Shape) -> int:
        return self.out_features * shape[0]

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.whole()


class Softmax(LayerSpec):
    """Turn scores into probabilities over dimension 1 (classes, or the channels of maps)."""

    kind: Literal["Softmax"] = "Softmax"
    prefix: ClassVar[str] = "softmax"
    counted: ClassVar[bool] = False
    group: ClassVar[str] = "reshape"
    explanation: ClassVar[str] = N_("Turns scores into probabilities: all positive, together 1.")
    formula: ClassVar[str] = r"y_o = \frac{e^{x_o}}{\sum_i e^{x_i}}"

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.whole() if len(shape) == 1 else field


LAYERS: dict[str, type[LayerSpec]] = {
    layer.__name__: layer
    for layer in (
        Conv2d, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, BatchNorm2d, LayerNorm, GroupNorm, LocalResponseNorm,
        ReLU, ReLU6, LeakyReLU, Sigmoid, Tanh, GELU, SiLU, Hardswish,
        Dropout, Dropout2d, Flatten, ZeroPad2d, ChannelShuffle, Linear, Softmax,
    )
}  # fmt: skip
"""Every kind of single layer by its name: the one registry; blocks of layers stand in :mod:`.blocks`."""

__all__ = [
    "LAYERS", "MAX_CHANNELS", "MAX_KERNEL", "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm2d", "ChannelShuffle", "Conv2d",
    "Dropout", "Dropout2d", "Flatten", "GELU", "GroupNorm", "Hardswish", "LayerNorm", "LayerSpec", "LeakyReLU",
    "Linear", "LocalResponseNorm", "MaxPool2d", "ReLU", "ReLU6", "Sigmoid", "SiLU", "Softmax", "Tanh", "ZeroPad2d",
]  # fmt: skip
