"""A network spelled out: every copy of a repeated block, and every shorthand, as blocks of their own that can be cut one by one."""

from __future__ import annotations

from collections.abc import Sequence as Several

from cnnlab.architecture import Architecture
from cnnlab.architecture.blocks import Branches, DenseBlock, Residual, Sequence, Shorthand
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import LayerSpec
from cnnlab.model import Model


def spelled_out(model: Model) -> Model:
    """Return the same network without repeats and shorthands, with the same weights under the names that they have then.

    Its rows are the same, in the same order; some have other names. A network that has neither comes back as it is.

    Raises:
        ShapeError, ArchitectureError: the network cannot run.
    """
    old = model.architecture
    old.check()
    architecture = Architecture(name=old.name, input_shape=old.input_shape, layers=_body(old.layers, old.input_shape))
    if architecture == old:
        return model
    names = {was.name: now.name for was, now in zip(old.trace().rows, architecture.trace().rows)}
    state = {}
    for key, tensor in model.state.items():
        row, _dot, tensor_name = key.rpartition(".")
        state[f"{names[row]}.{tensor_name}"] = tensor
    return Model(model.description.model_copy(update={"architecture": architecture}), state)


def _body(layers: Several[LayerSpec], shape: Shape) -> tuple[LayerSpec, ...]:
    """Return ``layers``, spelled out, where ``shape`` arrives at the first."""
    found: list[LayerSpec] = []
    for layer in layers:
        for one in _copies(layer):
            found.append(_one(one, shape))
            shape = one.output_shape(shape)
    return tuple(found)


def _copies(layer: LayerSpec) -> list[LayerSpec]:
    if isinstance(layer, (Sequence, DenseBlock)):
        return [_with(layer, repeat=1)] * layer.repeat
    return [layer]


def _one(layer: LayerSpec, shape: Shape) -> LayerSpec:
    if isinstance(layer, Shorthand):
        return _one(_with(layer.parts(shape), name=layer.name), shape)
    if isinstance(layer, (Sequence, Residual, DenseBlock)):
        return _with(layer, layers=_body(layer.layers, shape))
    if isinstance(layer, Branches):
        share = (shape[0] // len(layer.branches), *shape[1:]) if layer.split else shape
        return _with(layer, branches=tuple(_branch(branch, share) for branch in layer.branches))
    return layer


def _branch(branch: Sequence, shape: Shape) -> Sequence:
    """Return one branch; copies of it stand one behind the other inside it."""
    if branch.repeat == 1:
        return _with(branch, layers=_body(branch.layers, shape))
    return Sequence(name=branch.name, layers=_body((_with(branch, name=""),), shape))  # type: ignore[arg-type]


def _with(layer, **fields):  # type: ignore[no-untyped-def]
    kept = {name: getattr(layer, name) for name in type(layer).model_fields}
    return type(layer)(**{**kept, **fields})
