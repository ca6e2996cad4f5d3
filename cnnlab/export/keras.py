"""A network as Keras 3 source: channels last, the same shapes, the same parameters, the same order of numbers.

A network without blocks becomes ``keras.Sequential``, one with blocks a functional model with a line for each of its rows.
What Keras does in another way is written out rather than passed over: padding that is not Keras' "same", windows that
reach over the edge, the order in which ``Flatten`` lays out maps.
"""

from __future__ import annotations

import json
import re

from cnnlab.architecture import Architecture, Row
from cnnlab.architecture.joins import JoinSpec
from cnnlab.architecture.keras_classes import EXTRA_CLASSES
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.tape import INPUT
from cnnlab.export.keras_layers import keras_name, layer_calls

_HEAD = """\
import keras
from keras import layers

keras.config.set_image_data_format("channels_last")  # a picture is (height, width, channels)
"""

_END = """\
parameters = sum(keras.ops.size(v) for v in model.trainable_variables)
print(model.output_shape, int(parameters), "parameters")
"""

_REMARKS = {
    "layers.Permute((3, 1, 2))": (
        "Permute puts the channels first before Flatten, so that the numbers lie as in PyTorch and its weights fit",
        "the next Dense layer as they are. To train anew it may be left out.",
    ),
    "layers.ZeroPadding2D(": (
        'ZeroPadding2D pads all sides alike, as PyTorch does; Keras\' own padding="same" would put the odd pixel',
        "on the right and below only.",
    ),
    "layers.BatchNormalization(": (
        "BatchNormalization: Keras' momentum is 1 minus PyTorch's, and its running variance is divided by n, not n - 1.",
    ),
    "groups=": ("A convolution in groups: TensorFlow trains it on a graphics card only; JAX and PyTorch anywhere.",),
}
"""What a reader should know of some lines: a part of a line, and what is said where one has it."""


def to_keras(architecture: Architecture) -> str:
    """Return Python source that makes ``model``, a Keras 3 model of the network, without its weights.

    It runs with every backend of Keras. Its last lines print the output's shape and the number of parameters.

    Raises:
        ArchitectureError: there is no layer yet.
        ShapeError: a layer does not fit its input.
    """
    architecture.check()
    trace = architecture.trace()
    body = "\n".join((_sequential if architecture.is_flat else _functional)(architecture, trace.rows))
    classes = [
        source.strip("\n") for name, source in EXTRA_CLASSES.items() if (name if "=" in name else f"{name}(") in body
    ]
    title = json.dumps(architecture.name, ensure_ascii=False)[1:-1] or "network"
    remarks = [f"# {title}: {trace.num_params:,} parameters, {trace.macs:,} multiply-adds"]
    for sign, sentences in _REMARKS.items():
        if sign in body:
            remarks += [f"# {sentence}" for sentence in sentences]
    parts = [_HEAD, *(f"\n{source}\n" for source in classes), "\n".join([*remarks, body]) + "\n", _END]
    return "\n".join(("\n" if classes and part.startswith(remarks[0]) else "") + part for part in parts)


def _sequential(architecture: Architecture, rows: tuple[Row, ...]) -> list[str]:
    lines = [("keras.Input(shape=" + _size(architecture.input_shape) + "),", "")]
    for row in rows:
        calls = layer_calls(row)
        lines += [(f"{call},", "") for call in calls[:-1]]
        lines.append((f"{calls[-1]},", _written(row.output_shape or ())))
    return ["model = keras.Sequential([", *_columns(lines, "    "), "])"]


def _functional(architecture: Architecture, rows: tuple[Row, ...]) -> list[str]:
    names = _variables(rows)
    lines = [(f"inputs = keras.Input(shape={_size(architecture.input_shape)})", "")]
    for row in rows:
        given = [names[index] for index in row.inputs]
        value = given[0] if len(given) == 1 else f"[{', '.join(given)}]"
        calls = layer_calls(row)
        if isinstance(row.layer, JoinSpec) and len(given) == 1:  # a single branch: nothing to join
            calls = [f'layers.Activation("linear", name="{keras_name(row.name)}")']
        for number, call in enumerate(calls, 1):
            target = names[row.index]
            lines.append(
                (f"{target} = {call}({value})", _written(row.output_shape or ()) if number == len(calls) else "")
            )
            value = target
    lines.append((f"model = keras.Model(inputs, {names[rows[-1].index]})", ""))
    return _columns(lines, "")


def _variables(rows: tuple[Row, ...]) -> dict[int, str]:
    """Return what each row's output is called: ``x`` where the next row alone takes it, else by the row's name."""
    takers: dict[int, set[int]] = {}
    for row in rows:
        for index in row.inputs:
            takers.setdefault(index, set()).add(row.index)
    names, taken = {INPUT: "inputs"}, {"inputs", "x", "keras", "layers", "model", "parameters"}
    for row in rows:
        last = row.index == len(rows) - 1
        if last or takers.get(row.index) == {row.index + 1}:
            names[row.index] = "x"
            continue
        name = re.sub(r"\W", "_", row.name)
        while name in taken:
            name += "_"
        taken.add(name)
        names[row.index] = name
    return names


def _columns(lines: list[tuple[str, str]], indent: str) -> list[str]:
    widest = min(88, max(len(line) for line, remark in lines if remark))
    return [f"{indent}{line:<{widest}}  # {remark}" if remark else indent + line for line, remark in lines]


def _size(shape: Shape) -> str:
    """Return ``(C, H, W)`` as Keras writes it: ``(H, W, C)``."""
    return f"({shape[1]}, {shape[2]}, {shape[0]})"


def _written(shape: Shape) -> str:
    return " x ".join(map(str, (*shape[1:], shape[0])))
