"""A batch's way through a network and back: every number and how strongly the loss depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.architecture import Address, Architecture
from cnnlab.build import Network
from cnnlab.errors import ModelError
from cnnlab.insight.arithmetic.passes import INPUT, check_spread, training_network
from cnnlab.model import Model
from cnnlab.training.losses import loss_of
from cnnlab.training.recipe import Recipe


@dataclass(frozen=True)
class Backward:
    """What one batch did, and what its loss asks of every number.

    Attributes:
        architecture: the network.
        network: a network of its own with the model's weights; dropout in it keeps what it drew.
        recipe: which loss.
        targets: the classes. Shape: (N,) int64
        loss: the mean loss of the batch.
        values: the output of each layer, and ``input``. Shape of each: (N, ...)
        gradients: dL/d(value) for each of them. Shapes as the values.
        weights: dL/dw for each parameter by name.
        probs: Shape: (N, classes)
        training: whether BatchNorm and dropout worked as in training.
    """

    architecture: Architecture
    network: Network
    recipe: Recipe
    targets: Tensor
    loss: float
    values: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    probs: Tensor
    training: bool

    @property
    def logits_layer(self) -> str:
        """The layer whose output the loss takes; ``input`` where there is none."""
        rows = self.architecture.trace().rows
        last = rows[-1].inputs[0] if self.architecture.ends_in_softmax else len(rows) - 1
        return rows[last].name if last >= 0 else INPUT

    def module(self, layer: str) -> nn.Module:
        """Return the module of ``layer``."""
        return dict(self.network.leaves())[layer]

    def sources(self, layer: str) -> tuple[str, ...]:
        """Return the names of what arrives at ``layer``."""
        rows = self.architecture.trace().rows
        return tuple(rows[i].name if i >= 0 else INPUT for i in self.architecture.trace().row(layer).inputs)

    def takers(self, layer: str) -> tuple[str, ...]:
        """Return the layers that take in the output of ``layer`` (or ``input``) on the way to the loss, each once."""
        rows = self.architecture.trace().rows
        after = [row.name for row in rows if layer in self.sources(row.name)]
        return tuple(name for name in after if not (self.architecture.ends_in_softmax and name == rows[-1].name))

    def gradient(self, unit: Address, image: int = 0) -> float:
        """Return dL/d(unit) for one image of the batch, or dL/dw for a weight.

        Raises:
            ModelError: there is no such number, or the loss does not depend on it.
        """
        if unit.tensor is not None:
            tensor = self.weights.get(f"{unit.layer}.{unit.tensor}")
            tensor = None if tensor is None else tensor
        else:
            tensor = self.gradients.get(unit.layer)
            tensor = None if tensor is None else tensor[image]
        if tensor is None:
            raise ModelError("{unit}: no gradient arrives there; there are {known}", unit=str(unit),
                             known=", ".join([*self.gradients, *self.weights]))  # fmt: skip
        shape = tuple(tensor.shape)
        if len(unit.index) != len(shape) or any(i >= length for i, length in zip(unit.index, shape)):
            last = ",".join(str(length - 1) for length in shape)
            place = f"{unit.layer}.{unit.tensor}" if unit.tensor else unit.layer
            raise ModelError("{unit}: no such number; {layer} has {shape} numbers, the last one is {layer}[{last}]",
                             unit=str(unit), layer=place, shape="x".join(map(str, shape)), last=last)  # fmt: skip
        return float(tensor[unit.index])


def backward_of(
    model: Model,
    images: Tensor,
    targets: Tensor,
    recipe: Recipe | None = None,
    *,
    training: bool = False,
    seed: int = 0,
) -> Backward:
    """Return the way of ``images`` through a copy of the model's network and back.

    Args:
        recipe: its loss and label smoothing are used; None: cross-entropy.
        training: BatchNorm and dropout as in training; dropout draws from ``seed``.

    Shape:
        images: (N, C, h, w) uint8.
        targets: (N,) int64.

    Raises:
        ModelError: another shape, a class that there is not, or a batch too small for BatchNorm2d.
    """
    recipe = recipe or Recipe()
    if int(targets.max()) >= len(model.class_names) or int(targets.min()) < 0:
        raise ModelError("there is no class {target}; classes are counted from 0 to {last}",
                         target=int(targets.max()), last=len(model.class_names) - 1)  # fmt: skip
    if training:
        check_spread(model, len(images))
    network = training_network(model, seed) if training else model.copy_network()
    with torch.enable_grad():
        return _there_and_back(model, network, images, targets, recipe)


def _there_and_back(model: Model, network: Network, images: Tensor, targets: Tensor, recipe: Recipe) -> Backward:
    training = network.training
    network.requires_grad_(True)
    x = model.preprocessing.apply(images).requires_grad_(True)
    values: dict[str, Tensor] = {INPUT: x}
    network.run(x, seen=values.__setitem__)
    rows = model.architecture.trace().rows
    softmax = model.architecture.ends_in_softmax
    last = rows[-1].inputs[0] if softmax else len(rows) - 1
    logits = values[rows[last].name if last >= 0 else INPUT]
    loss = loss_of(logits, targets, recipe, softmax)
    kept = {name: value for name, value in values.items() if not (softmax and name == rows[-1].name)}
    parameters = dict(network.named_parameters())
    found = torch.autograd.grad(loss, [*kept.values(), *parameters.values()], allow_unused=True)
    gradients = [
        torch.zeros_like(of) if one is None else one for one, of in zip(found, [*kept.values(), *parameters.values()])
    ]
    network.requires_grad_(False)
    return Backward(
        model.architecture, network, recipe, targets, float(loss.detach()),
        {name: value.detach() for name, value in values.items()},
        {name: one.detach() for name, one in zip(kept, gradients)},
        {name: one.detach() for name, one in zip(parameters, gradients[len(kept) :])},
        logits.detach().softmax(1), training,
    )  # fmt: skip
