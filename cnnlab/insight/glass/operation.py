"""One convolution as a person sets it up: its kernel, how it slides, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cnnlab.architecture.shapes import conv_size
from cnnlab.errors import ShapeError
from cnnlab.i18n import Message
from cnnlab.insight.kernels import MAX_SIZE

Weight = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]
Activation = Literal["none", "relu", "leaky_relu", "sigmoid", "tanh"]
Pooling = Literal["none", "max", "avg"]
MAX_STRIDE, MAX_PADDING, MAX_DILATION, MAX_POOL = 8, 16, 4, 4


class Operation(BaseModel):
    """A convolution to one output map, with an activation and a pooling behind it.

    Attributes:
        kernel: one plane of weights for each input channel. Shape: (C, k, k)
        stride, padding, dilation: as torch.nn.Conv2d has them, in pixels.
        padding_mode: what stands on the rim: zeros, or the picture mirrored at its edge.
        bias: the constant that is added.
        activation: what each sum goes through.
        pooling, pool_size: what a square of ``pool_size`` px is replaced by; the squares do not overlap.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel: tuple[tuple[tuple[Weight, ...], ...], ...]
    stride: int = Field(default=1, ge=1, le=MAX_STRIDE)
    padding: int = Field(default=0, ge=0, le=MAX_PADDING)
    padding_mode: Literal["zeros", "reflect"] = "zeros"
    dilation: int = Field(default=1, ge=1, le=MAX_DILATION)
    bias: Weight = 0.0
    activation: Activation = "none"
    pooling: Pooling = "none"
    pool_size: int = Field(default=2, ge=2, le=MAX_POOL)

    @model_validator(mode="after")
    def _is_square(self) -> Operation:
        size = len(self.kernel[0]) if self.kernel else 0
        if not 1 <= size <= MAX_SIZE or any(
            len(plane) != size or any(len(row) != size for row in plane) for plane in self.kernel
        ):
            raise ValueError("the kernel is not square")
        return self

    @property
    def kernel_size(self) -> int:
        """Return the side of the kernel, in pixels."""
        return len(self.kernel[0])

    @property
    def reach(self) -> int:
        """Return the side of the window with its gaps: dilation * (kernel_size - 1) + 1, in pixels."""
        return self.dilation * (self.kernel_size - 1) + 1

    @property
    def num_params(self) -> int:
        """Return how many numbers it learns: all weights, and the bias."""
        return len(self.kernel) * self.kernel_size**2 + 1

    def conv_shape(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the sums.

        Raises:
            ShapeError: the window, or the mirrored rim, does not fit.
        """
        if problem := _window_problem(self, height, width):
            raise problem
        return (
            conv_size(height, self.kernel_size, self.stride, self.padding, self.dilation),
            conv_size(width, self.kernel_size, self.stride, self.padding, self.dilation),
        )

    def output_shape(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of what comes out in the end, after the pooling.

        Raises:
            ShapeError: the window, the mirrored rim or the pooling does not fit.
        """
        rows, cols = self.conv_shape(height, width)
        if self.pooling == "none":
            return rows, cols
        if self.pool_size > min(rows, cols):
            raise ShapeError(
                "pooling by {size} px does not fit the {rows}×{cols} sums that arrive", size=self.pool_size, rows=rows, cols=cols
            )  # fmt: skip
        return rows // self.pool_size, cols // self.pool_size


def _window_problem(operation: Operation, height: int, width: int) -> ShapeError | None:
    side, padding = min(height, width), operation.padding
    if operation.padding_mode == "reflect" and padding >= side:
        return ShapeError(
            "a mirrored rim of {padding} px needs a picture of at least {needed} px; this one has {side}",
            padding=padding,
            needed=padding + 1,
            side=side,
        )
    if operation.reach > side + 2 * padding:
        if operation.dilation > 1:
            return ShapeError(
                "a kernel of {kernel} px with dilation {dilation} reaches over {reach} px; the input with its rim has {padded}",
                kernel=operation.kernel_size, dilation=operation.dilation, reach=operation.reach, padded=side + 2 * padding,
            )  # fmt: skip
        return ShapeError(
            "a kernel of {kernel} px does not fit an input that has {padded} px with its rim",
            kernel=operation.kernel_size, padded=side + 2 * padding,
        )  # fmt: skip
    return None


def problem(operation: Operation, height: int, width: int) -> ShapeError | None:
    """Return why ``operation`` does not fit an input of this size, or None where it does."""
    try:
        operation.output_shape(height, width)
    except ShapeError as error:
        return error
    return None


def mends(operation: Operation, height: int, width: int) -> tuple[tuple[Message, dict[str, int | str]], ...]:
    """Return changes of one field each that make ``operation`` fit: what to say, and the new values by field.

    Each was tried: ``operation`` with it fits an input of this size. A change of ``kernel_size`` is for whoever
    makes the kernel; it cuts it around its middle.
    """
    from cnnlab.insight.kernels import resized

    found: list[tuple[Message, dict[str, int | str]]] = []
    for label, change in _ideas(operation):
        values = dict(change)
        if "kernel_size" in values:
            size = int(values.pop("kernel_size"))
            values["kernel"] = tuple(resized(plane, size) for plane in operation.kernel)  # type: ignore[assignment]
        if problem(operation.model_copy(update=values), height, width) is None:
            name = next(iter(change))
            if all(name not in others for _label, others in found):  # the smallest change of each field
                found.append((label, change))
    return tuple(found)


def _ideas(operation: Operation) -> Iterator[tuple[Message, dict[str, int | str]]]:
    """Yield single changes, the smallest of each field first."""
    if operation.padding_mode == "reflect":
        for padding in range(operation.padding - 1, -1, -1):
            yield Message("padding {padding}", padding=padding), {"padding": padding}
        yield Message("a rim of zeros"), {"padding_mode": "zeros"}
    for dilation in range(operation.dilation - 1, 0, -1):
        yield Message("dilation {dilation}", dilation=dilation), {"dilation": dilation}
    for size in range(operation.kernel_size - 1, 0, -1):
        yield Message("a kernel of {size} px", size=size), {"kernel_size": size}
    for padding in range(operation.padding + 1, MAX_PADDING + 1):
        yield Message("padding {padding}", padding=padding), {"padding": padding}
    for stride in range(operation.stride - 1, 0, -1):
        yield Message("stride {stride}", stride=stride), {"stride": stride}
    if operation.pooling != "none":
        for size in range(operation.pool_size - 1, 1, -1):
            yield Message("pooling by {size} px", size=size), {"pool_size": size}
        yield Message("no pooling"), {"pooling": "none"}
