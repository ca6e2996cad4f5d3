"""How a convolution or a pooling slides over what arrives at it."""

from __future__ import annotations

from cnnlab.architecture import Architecture


def window(architecture: Architecture, layer: str) -> tuple[int, int, int, int] | None:
    """Return ``(kernel_size, stride, padding, dilation)`` of a convolution or pooling, None for other layers."""
    spec = architecture.trace().row(layer).layer
    kernel = getattr(spec, "kernel_size", None)
    if kernel is None:
        return None
    stride = getattr(spec, "stride", None) or kernel
    return int(kernel), int(stride), int(getattr(spec, "padding", 0)), int(getattr(spec, "dilation", 1))
