"""What a method is asked: a private copy of the network, the image and its baseline, the class."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d
from cnnlab.build import GeneratorDropout, Network
from cnnlab.errors import ModelError
from cnnlab.model import Model

_NORMS = {"BatchNorm2d", "LayerNorm", "GroupNorm", "LocalResponseNorm"}
_ACTIVATIONS = {"ReLU", "ReLU6", "LeakyReLU", "Sigmoid", "Tanh", "GELU", "SiLU", "Hardswish"}
_JOINS = {"Add", "Multiply", "Concat"}
_FOLLOWING = _NORMS | _ACTIVATIONS | _JOINS

Progress = Callable[[float], None]
"""Called with the share that is done, in [0, 1], after each pass; what it raises ends the method."""


class Watched(nn.Module):
    """A network that calls back after each pass.

    Shape:
        x: (N, C, H, W) float32; returned: (N, classes) float32, the logits.
    """

    def __init__(self, network: nn.Module, done: Callable[[], None]) -> None:
        super().__init__()
        self.network = network
        self._done = done

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ``x``, then tell that a pass is done."""
        logits = self.network(x)
        self._done()
        return logits


@dataclass(frozen=True)
class Problem:
    """One question to a method.

    Attributes:
        network: a copy that belongs to this question alone, in evaluation mode; it ends in the logits.
        x: the image as the network receives it; asks for gradients. Shape: (1, C, H, W)
        baseline: a black picture, preprocessed in the same way. Shape: (1, C, H, W)
        target: the class whose logit is asked about.
        delta: logit of the image minus logit of the baseline, for ``target``.
        layer: the name of the last convolution with a map of more than one position, or None.
        maps: the name of the layer where its maps are read: its activation if one follows, else itself.
        progress: called as the work goes on.
    """

    network: Network
    x: Tensor
    baseline: Tensor
    target: int
    delta: float
    layer: str | None
    maps: str | None
    progress: Progress | None = None

    @property
    def map_module(self) -> nn.Module:
        """The module that gives the maps of the last convolution.

        Raises:
            ModelError: the network has no such convolution.
        """
        if self.maps is None:
            raise ModelError(
                "this network has no convolution whose map has more than one position, and Grad-CAM weighs such maps; "
                "choose another method, or a network with a Conv2d layer"
            )
        return self.network.get_submodule(self.maps)

    def watched(self, passes: int) -> nn.Module:
        """Return the network, reporting progress for work of ``passes`` passes."""
        if self.progress is None:
            return self.network
        count = 0
        report = self.progress

        def done() -> None:
            nonlocal count
            count += 1
            report(min(count / max(passes, 1), 1.0))

        return Watched(self.network, done)


def last_convolution(architecture: Architecture) -> str | None:
    """Return the name of the last convolution whose output has more than one position, or None.

    Grad-CAM looks there: no later layer still knows where in the picture something is, and no earlier one has seen
    as much of it at once. A convolution down to 1x1 (as LeNet-5's third) no longer says where.
    """
    found = []
    for row in architecture.trace().rows:
        shape = row.output_shape
        if isinstance(row.layer, Conv2d) and shape is not None and shape[1] * shape[2] > 1:
            found.append(row.name)
    through = [name for name in found if ".shortcut." not in name]  # what a block's layers found, not its way past them
    found = through or found
    return found[-1] if found else None


def map_layer(architecture: Architecture) -> str | None:
    """Return the name of the layer where the maps of :func:`last_convolution` are read, or None.

    That is the last of the normalisations and activations that directly follow it: Grad-CAM's paper weighs *feature
    map activations*. Before a ReLU, a unit that is switched off would still count, with the wrong sign. Where branches
    meet behind it, their joint maps are read.
    """
    name, trace = last_convolution(architecture), architecture.trace()
    if name is None:
        return None
    row = trace.row(name)
    while len(takers := trace.takers(row)) == 1 and takers[0].layer.kind in _FOLLOWING:
        row = takers[0]
    return row.name


def private_network(model: Model) -> Network:
    """Return a copy of the model's network up to its logits, for one question; hooks on it touch nobody else.

    Dropout, which passes everything through in evaluation, becomes ``nn.Identity``; a last Softmax is left out.
    """
    copy = model.copy_network()
    for name, module in copy.leaves():
        if isinstance(module, GeneratorDropout):
            copy.replace_leaf(name, nn.Identity())
    copy.drop_softmax()
    return copy.eval().requires_grad_(False)


def pose(model: Model, image: Tensor, target: int | None, progress: Progress | None) -> Problem:
    """Return the question about class ``target`` of ``image``; None asks about the predicted class.

    Shape:
        image: (C, h, w) uint8, of ``model.preprocessing.data_shape``.

    Raises:
        ModelError: the image has another shape than the model's pictures, or there is no such class.
    """
    classes = len(model.class_names)
    if target is not None and not 0 <= target < classes:
        raise ModelError("class {target}: the model has the classes 0 to {last}", target=target, last=classes - 1)
    network = private_network(model)
    with torch.no_grad():
        x = model.preprocessing.apply(image.unsqueeze(0))
        baseline = model.preprocessing.apply(torch.zeros_like(image).unsqueeze(0))
        logits, black = network(x)[0], network(baseline)[0]
    wanted = int(logits.argmax()) if target is None else target
    delta = float(logits[wanted].double() - black[wanted].double())
    layer, maps = last_convolution(model.architecture), map_layer(model.architecture)
    return Problem(network, x.detach().requires_grad_(True), baseline, wanted, delta, layer, maps, progress)


def quiet() -> None:
    """Silence Captum's notice that it hangs hooks on the network: the network is a private copy.

    Called each time, for a caller may have reset the filters; asking again changes nothing.
    """
    for message in ("Setting backward hooks on ReLU", "(?s)\\s*Setting forward, backward hooks"):
        warnings.filterwarnings("ignore", message=message, category=UserWarning)
