"""One signature for all methods: a model, an image, a method and a class in; signed values for each pixel out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.attribution.problem import Progress, last_convolution, pose
from cnnlab.attribution.registry import METHODS
from cnnlab.errors import ModelError
from cnnlab.model import Model

__all__ = ["Attribution", "attribute", "last_convolution"]


@dataclass(frozen=True)
class Attribution:
    """What a method answered.

    Attributes:
        values: signed (sizes for ``saliency``), at the pixels of the padded input; C is 1 where the method gives one
            number a place (``occlusion``, ``grad_cam``). Shape: (C, H, W) float32
        target: the class asked about.
        method: the method's id.
        delta: logit of the image minus logit of the black baseline, for the target; the values of a complete method
            add up to it. None for the others.
        layer: the convolution that Grad-CAM looked at, else None.
        maps: the layer where its maps were read: its activation where it has one.
    """

    values: Tensor
    target: int
    method: str
    delta: float | None = None
    layer: str | None = None
    maps: str | None = None

    @property
    def sum(self) -> float:
        """The sum of all values, in float64."""
        return float(self.values.double().sum())

    @property
    def heat(self) -> Tensor:
        """One number a place: the largest over the channels for ``saliency``, their sum for the others.

        Source: the largest channel is what Simonyan et al. 2013, section 3.1, draw.

        Shape:
            returned: (H, W) float32
        """
        return self.values.amax(0) if self.method == "saliency" else self.values.sum(0)


def attribute(
    model: Model, image: Tensor, method: str, target: int | None = None, progress: Progress | None = None
) -> Attribution:
    """Return what each pixel of ``image`` had to do with the logit of class ``target``.

    The question goes to a private copy of the network, so the model is left as it was, also after a failure. Targets
    are logits, also where the network ends in Softmax: probabilities saturate, and one class's can rise because
    another's falls. Where a method compares, it compares with a black picture (all pixels 0 before normalisation).
    A model that averages with the mirror image is asked about the picture as it stands.

    Args:
        model: who is asked.
        image: a picture of ``model.preprocessing.data_shape``.
        method: an id of :data:`METHODS`.
        target: a class index, or None for the predicted class.
        progress: called with the share done, in [0, 1]; what it raises ends the work.

    Shape:
        image: (C, h, w) uint8

    Raises:
        ModelError: no such method or class, another shape of picture, or Grad-CAM on a network without convolution.
    """
    chosen = METHODS.get(method)
    if chosen is None:
        raise ModelError("{method}: no such method; there are {known}", method=method[:60], known=", ".join(METHODS))
    with torch.enable_grad():
        problem = pose(model, image, target, progress)
        values = chosen.run(problem)
    return Attribution(
        values=values.detach()[0].float().contiguous(),
        target=problem.target,
        method=method,
        delta=problem.delta if chosen.complete else None,
        layer=problem.layer if chosen.needs_convolution else None,
        maps=problem.maps if chosen.needs_convolution else None,
    )
