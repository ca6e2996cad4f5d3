"""Which channels of a network are one: what has to go with a channel when it goes.

Each channel (or number) that leaves a row has a label; an activation hands its labels on, a convolution makes new ones, a sum
makes those of its inputs one. What must not go (an input of the network, a class, a group of a grouped convolution)
is held, and the reason is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cnnlab.architecture import Architecture
from cnnlab.architecture import layers as specs
from cnnlab.architecture.blocks import Residual
from cnnlab.architecture.joins import Add, Concat, Multiply
from cnnlab.architecture.spec import LayerSpec
from cnnlab.architecture.tape import INPUT, Row
from cnnlab.i18n import Message

SAME = (
    specs.BatchNorm2d, specs.MaxPool2d, specs.AvgPool2d, specs.AdaptiveAvgPool2d, specs.ZeroPad2d,
    specs.ReLU, specs.ReLU6, specs.LeakyReLU, specs.Sigmoid, specs.Tanh, specs.GELU, specs.SiLU, specs.Hardswish,
    specs.Dropout, specs.Dropout2d,
)  # fmt: skip
"""Layers whose channel c is made from channel c alone."""

Labels = tuple[int, ...]

CLASSES = Message("the classes stay")


@dataclass
class Ties:
    """The labels of every row.

    Attributes:
        inputs: of what arrives at each row (at a join: of its first input).
        outputs: of what leaves it.
        held: for a label that must not go, why.
    """

    inputs: dict[int, Labels] = field(default_factory=dict)
    outputs: dict[int, Labels] = field(default_factory=dict)
    held: dict[int, Message] = field(default_factory=dict)
    _parents: list[int] = field(default_factory=list)

    def new(self, count: int) -> Labels:
        """Return ``count`` labels that nobody has."""
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return tuple(range(start, start + count))

    def one(self, label: int) -> int:
        """Return the label that stands for all that are one with ``label``."""
        while self._parents[label] != label:
            self._parents[label] = self._parents[self._parents[label]]
            label = self._parents[label]
        return label

    def ones(self, labels: Labels) -> Labels:
        """Return ``one`` of each."""
        return tuple(self.one(label) for label in labels)

    def tie(self, labels: Labels, others: Labels) -> None:
        """Make pairs of labels one."""
        for label, other in zip(labels, others):
            first, second = sorted((self.one(label), self.one(other)))
            self._parents[second] = first
            if second in self.held:
                self.held.setdefault(first, self.held[second])

    def hold(self, labels: Labels, reason: Message) -> None:
        """Say that ``labels`` must not go."""
        for label in self.ones(labels):
            self.held.setdefault(label, reason)

    def reason(self, labels: Labels) -> Message | None:
        """Return why one of ``labels`` must not go, or None where all may."""
        return next((self.held[label] for label in self.ones(labels) if label in self.held), None)


def ties_of(architecture: Architecture) -> Ties:
    """Return which channels of ``architecture`` are one; raises as ``architecture.check()`` does."""
    architecture.check()
    ties, rows = Ties(), architecture.trace().rows
    ties.outputs[INPUT] = ties.new(architecture.input_shape[0])
    ties.hold(ties.outputs[INPUT], Message("the channels of the pictures stay"))
    copies = [row.place for row in rows if row.num_params]
    for row in rows:
        if row is rows[-1] and isinstance(row.layer, specs.Softmax):
            ties.hold(ties.outputs[row.inputs[0]], CLASSES)
        ties.inputs[row.index] = ties.outputs[row.inputs[0]]
        ties.outputs[row.index] = _leaving(row, ties)
        spec = architecture.at(row.place)
        both = (*ties.inputs[row.index], *ties.outputs[row.index])
        if spec != row.layer and not isinstance(spec, Residual) and spec.kind not in ("Branches", "DenseBlock"):
            ties.hold(both, Message("{name} is part of {kind}, which is one piece; open that up first", name=row.name, kind=spec.kind))  # fmt: skip
        elif is_maker(row.layer) and spec == row.layer and copies.count(row.place) > 1:
            ties.hold(both, Message("{name} stands there in several copies of one block", name=row.name))
    ties.hold(ties.outputs[rows[-1].index], CLASSES)
    return ties


def is_maker(layer: LayerSpec) -> bool:
    """Return whether ``layer`` makes channels of its own from all that arrive."""
    return isinstance(layer, specs.Linear) or (isinstance(layer, specs.Conv2d) and layer.groups == 1)


def is_depthwise(row: Row) -> bool:
    """Return whether ``row`` is a convolution that looks at each channel by itself and makes one of it."""
    layer, shape = row.layer, row.input_shape
    return isinstance(layer, specs.Conv2d) and shape is not None and layer.groups == shape[0] == layer.out_channels


def _leaving(row: Row, ties: Ties) -> Labels:
    """Return the labels of what leaves ``row``."""
    arriving, shape = [ties.outputs[source] for source in row.inputs], row.output_shape or ()
    if is_maker(row.layer):
        return ties.new(shape[0])
    if isinstance(row.layer, SAME) or is_depthwise(row):
        return arriving[0]
    if isinstance(row.layer, specs.Flatten):
        pixels = shape[0] // len(arriving[0])
        return tuple(label for label in arriving[0] for _pixel in range(pixels))
    if isinstance(row.layer, Concat):
        return tuple(label for labels in arriving for label in labels)
    if isinstance(row.layer, (Add, Multiply)) and len({len(labels) for labels in arriving}) == 1:
        for labels in arriving[1:]:
            ties.tie(arriving[0], labels)
        return arriving[0]
    reason = Message("{name} ({kind}) needs all of its channels", name=row.name, kind=row.layer.kind)
    for labels in arriving:
        ties.hold(labels, reason)
    leaving = ties.new(shape[0])
    ties.hold(leaving, reason)
    return leaving
