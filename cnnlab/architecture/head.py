"""Another last layer: the network that fits other classes, or another size of picture, with all else as it is."""

from __future__ import annotations

from cnnlab.architecture.layers import Conv2d, LayerSpec, Linear
from cnnlab.architecture.network import Architecture
from cnnlab.errors import ArchitectureError, CnnLabError


def head(architecture: Architecture) -> str:
    """Return the name of the layer that makes the network's outputs: its last one with weights; empty without any."""
    return next((row.name for row in reversed(architecture.trace().rows) if row.num_params), "")


def with_head(architecture: Architecture, classes: int) -> Architecture:
    """Return the network with one output for each of ``classes``: its last layer with weights is made anew.

    Raises:
        ArchitectureError: that layer is none whose outputs can be chosen, or others follow that hold on to them.
    """
    if architecture.trace().error is None and architecture.output_shape == (classes,):
        return architecture
    row = next((row for row in reversed(architecture.trace().rows) if row.num_params), None)
    layer = None if row is None else architecture.at(row.place)
    if row is not None and isinstance(layer, (Linear, Conv2d)):
        changed: LayerSpec = (
            layer.model_copy(update={"out_features": classes})
            if isinstance(layer, Linear)
            else layer.model_copy(update={"out_channels": classes})
        )
        found = architecture.replace(row.place, changed)
        if found.trace().error is None and found.output_shape == (classes,):
            return found
    raise ArchitectureError(
        "{layer} does not make the outputs of this network one by one; let its last layers be Flatten and Linear with "
        "out_features={classes}",
        layer=row.name if row is not None else architecture.name or "-",
        classes=classes,
    )


def fitting(architecture: Architecture, image_shape: tuple[int, int, int], classes: int) -> Architecture:
    """Return the network with an input for pictures of ``image_shape`` and one output for each of ``classes``.

    The input takes the pictures' own size where that leaves every weight its shape; else it stays as it is where the
    pictures fit into it.

    Raises:
        ShapeError, ArchitectureError: it cannot run on them, whatever its last layer is.
    """
    given = architecture.input_shape
    resized = architecture.with_input(image_shape)
    same = resized.trace().error is None and _weights(resized) == _weights(architecture)
    room = given[0] == image_shape[0] and given[1] >= image_shape[1] and given[2] >= image_shape[2]
    chosen = architecture if given == image_shape or (room and not same) else resized
    try:
        chosen.check()
    except CnnLabError:
        if not room:
            raise
        chosen = architecture
    return with_head(chosen, classes)


def _weights(architecture: Architecture) -> list[int | None]:
    return [row.num_params for row in architecture.trace().rows]
