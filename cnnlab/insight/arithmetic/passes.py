"""One image's way through a network with everything that its arithmetic needs, in evaluation or in training mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cnnlab.architecture import Architecture, Row
from cnnlab.build import GeneratorDropout, Network
from cnnlab.description import Preprocessing
from cnnlab.errors import ModelError
from cnnlab.insight.activations import Look, look
from cnnlab.insight.arithmetic.parts import Statistics
from cnnlab.model import Model
from cnnlab.training.checks import spreadless

INPUT = "input"
"""The address of what the network receives."""
IMAGE = "image"
"""The address of the picture's bytes, before padding and normalisation."""
PROBS = "probs"
"""The address of the probabilities, also where the network itself ends in scores."""


@dataclass(frozen=True)
class Pass:
    """What one image did in a network.

    Attributes:
        architecture: the network.
        state: its tensors by name.
        preprocessing: from ``image`` to ``look.input``.
        image: the picture. Shape: (C, h, w) uint8
        look: all maps, logits and probabilities.
        drawn: for each BatchNorm2d and dropout, what training measured and drew; empty in evaluation mode.
        batch_size: how many images went through together in training mode; 0 in evaluation mode.
    """

    architecture: Architecture
    state: Mapping[str, Tensor]
    preprocessing: Preprocessing
    image: Tensor
    look: Look
    drawn: Mapping[str, Statistics] = field(default_factory=dict)
    batch_size: int = 0

    @property
    def training(self) -> bool:
        """Whether BatchNorm and dropout worked as in training."""
        return self.batch_size > 0

    @property
    def logits_layer(self) -> str:
        """The layer whose output the logits are; ``input`` where there is none."""
        rows = self.architecture.trace().rows
        last = rows[-1].inputs[0] if self.architecture.ends_in_softmax else len(rows) - 1
        return rows[last].name if last >= 0 else INPUT

    @property
    def probs_layer(self) -> str:
        """The last Softmax, or ``probs`` where the network ends in scores."""
        return self.architecture.trace().rows[-1].name if self.architecture.ends_in_softmax else PROBS

    def values(self, layer: str) -> Tensor:
        """Return the numbers of a layer, of ``input``, ``image`` or ``probs``.

        Raises:
            ModelError: there is no such layer.
        """
        known = {INPUT: self.look.input, IMAGE: self.image, PROBS: self.look.probs}
        if layer in self.look.maps:
            return self.look.maps[layer]
        if layer in known:
            return known[layer]
        raise ModelError("{layer}: no such layer; there are {known}", layer=layer[:60], known=", ".join(self.look.maps))

    def row(self, layer: str) -> Row:
        """Return the row of ``layer``."""
        return self.architecture.trace().row(layer)


def pass_of(model: Model, image: Tensor | None = None, seen: Look | None = None) -> Pass:
    """Return the pass of ``image`` through ``model`` in evaluation mode, from ``seen`` where one has looked already.

    One of the two is enough: the picture's bytes can be read off what the network received.

    Shape:
        image: (C, h, w) uint8, of ``model.preprocessing.data_shape``.

    Raises:
        ModelError: the image has another shape than the model's pictures.
    """
    if seen is None:
        if image is None:
            raise TypeError("an image, or what was seen of one")
        seen = look(model, image)
    if image is None:
        image = _picture(model, seen)
    return Pass(model.architecture, model.state, model.preprocessing, image, seen)


def _picture(model: Model, seen: Look) -> Tensor:
    """Return the bytes that became ``seen.input``."""
    (left, _right, top, _bottom), (_channels, height, width) = (
        model.preprocessing.padding,
        model.preprocessing.data_shape,
    )
    mean = torch.tensor(model.preprocessing.mean).view(-1, 1, 1)
    std = torch.tensor(model.preprocessing.std).view(-1, 1, 1)
    pixels = ((seen.input * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    return pixels[:, top : top + height, left : left + width].contiguous()


class Remembering(GeneratorDropout):
    """Dropout that keeps the mask it drew."""

    mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return x times the mask, which is that of ``GeneratorDropout`` under the same seed.

        Shape:
            x: (N, ...); the same comes back.
        """
        self.mask = super().forward(torch.ones_like(x))
        return x * self.mask


def training_network(model: Model, seed: int = 0) -> Network:
    """Return a copy of the model's network in training mode whose dropouts draw from ``seed`` and keep their masks."""
    network = model.copy_network().train()
    for name, module in network.leaves():
        if isinstance(module, GeneratorDropout):
            network.replace_leaf(name, Remembering(module.p, module.whole_maps))
    network.use_generator(torch.Generator().manual_seed(seed))
    return network


def check_spread(model: Model, count: int) -> None:
    """Raise where a BatchNorm2d has nothing to measure in a batch of ``count`` images: one number has no spread.

    Raises:
        ModelError: that is so.
    """
    if spreadless(model.architecture, count) is not None:
        raise ModelError("BatchNorm2d needs more than one number in each channel; use a larger batch")


@torch.no_grad()
def training_pass(model: Model, images: Tensor, which: int = 0, seed: int = 0) -> Pass:
    """Return the pass of ``images[which]`` in training mode, together with all of ``images``.

    BatchNorm measures mean and variance over the batch, dropout draws from ``seed``. It happens in a copy: the
    model and its running statistics stay as they are.

    Shape:
        images: (N, C, h, w) uint8.

    Raises:
        ModelError: another shape, no image at ``which``, or so few that BatchNorm2d has nothing to measure.
    """
    if not 0 <= which < len(images):
        raise ModelError("image {which}: the batch has the images 0 to {last}", which=which, last=len(images) - 1)
    check_spread(model, len(images))
    network = training_network(model, seed)
    x = model.preprocessing.apply(images)
    maps: dict[str, Tensor] = {}
    drawn: dict[str, Statistics] = {}
    rows = {row.name: row for row in model.architecture.trace().rows}
    modules: dict[str, nn.Module] = dict(network.leaves())

    def keep(name: str, value: Tensor) -> None:
        maps[name] = value
        module, source = modules[name], rows[name].inputs[0]
        if isinstance(module, nn.BatchNorm2d):
            arrived = (maps[model.architecture.trace().rows[source].name] if source >= 0 else x).double()
            drawn[name] = Statistics(arrived.mean((0, 2, 3)), arrived.var((0, 2, 3), unbiased=False))
        elif isinstance(module, Remembering) and module.mask is not None:
            drawn[name] = Statistics(mask=module.mask[which].clone())

    network.run(x, seen=keep)
    takes = {row.name: tuple(model.architecture.trace().rows[i].name if i >= 0 else "" for i in row.inputs)
             for row in rows.values()}  # fmt: skip
    of_one = {name: value[which].clone() for name, value in maps.items()}
    passed = Pass(model.architecture, model.state, model.preprocessing, images[which],
                  Look(x[which].clone(), of_one, x, x, takes), drawn, len(images))  # fmt: skip
    logits = passed.values(passed.logits_layer).flatten()
    return Pass(model.architecture, model.state, model.preprocessing, images[which],
                Look(x[which].clone(), of_one, logits, logits.softmax(0), takes), drawn, len(images))  # fmt: skip
