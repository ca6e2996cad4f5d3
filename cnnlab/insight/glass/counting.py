"""What a convolution saves against a dense layer between the same sizes, in two steps, each with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.insight.glass.operation import Operation


@dataclass(frozen=True)
class Counts:
    """Parameters of three layers from the same inputs to the same outputs, and what each output multiplies.

    Attributes:
        inputs, outputs: how many numbers go in and come out.
        seen: how many inputs one output of the convolution looks at.
        dense: every output with a weight of its own for every input: outputs * (inputs + 1).
        local: every output with weights of its own, but only for the window: outputs * (seen + 1).
        shared: one kernel for all outputs: seen + 1. This is the convolution.
        dense_macs, macs: multiply-adds of the dense layer and of the convolution.
    """

    inputs: int
    outputs: int
    seen: int

    @property
    def dense(self) -> int:
        """Return the parameters of the dense layer."""
        return self.outputs * (self.inputs + 1)

    @property
    def local(self) -> int:
        """Return the parameters where each output has a kernel of its own."""
        return self.outputs * (self.seen + 1)

    @property
    def shared(self) -> int:
        """Return the parameters of the convolution."""
        return self.seen + 1

    @property
    def dense_macs(self) -> int:
        """Return the multiply-adds of the dense layer."""
        return self.outputs * self.inputs

    @property
    def macs(self) -> int:
        """Return the multiply-adds of the convolution, rim included."""
        return self.outputs * self.seen


def counts(operation: Operation, height: int, width: int) -> Counts:
    """Return what ``operation``'s convolution needs on an input of this size, and what others would.

    Source: LeCun, Bottou, Bengio & Haffner 1998, section II.A (local receptive fields, shared weights);
    Goodfellow, Bengio & Courville 2016, "Deep Learning", section 9.2.

    Raises:
        ShapeError: the operation does not fit.
    """
    rows, cols = operation.conv_shape(height, width)
    channels = len(operation.kernel)
    return Counts(channels * height * width, rows * cols, channels * operation.kernel_size**2)
