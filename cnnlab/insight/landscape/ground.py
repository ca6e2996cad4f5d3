"""The loss of a model as a function of its weights, on some training images that never change."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from pydantic import ValidationError
from torch import Tensor

from cnnlab.build import Network
from cnnlab.errors import ModelError
from cnnlab.insight.memo import Memo
from cnnlab.insight.own_data import check_fits, dataset_for
from cnnlab.model import Model
from cnnlab.training.images import some_index
from cnnlab.training.losses import loss_of
from cnnlab.training.recipe import Recipe

MOST_IMAGES = 512
FEWEST_IMAGES = 64
WORK = 160_000_000
"""Multiply-adds of one pass over the images; of a larger network fewer images are looked at."""
MOST_PARAMS = 20_000_000
_CHUNK = 256


class Ground:
    """A private copy of a network whose weights may be put anywhere, and the images that say how good they are.

    It is in evaluation mode: no dropout, and batch normalisation with the running statistics of the model. The loss is
    that of the model's recipe, on the picture as it is: no augmentation, no mirror image.

    Attributes:
        model: the one that is looked into; it never changes.
        centre: all its parameters one behind the other. Shape: (P,) float32
        shapes: name and shape of each parameter, in that order.
        index: which images of ``dataset.fit``. Shape: (N,) int64
        recipe: whose loss it is.

    Raises:
        DataError: the data set is not here.
        ModelError: it has other pictures or classes than the model, or the model is too large.
    """

    def __init__(self, model: Model) -> None:
        dataset = dataset_for(model)
        check_fits(model, dataset)
        params, macs = model.architecture.trace().num_params, model.architecture.trace().macs
        if params > MOST_PARAMS:
            raise ModelError(
                "this network has {params:,} weights; a plane is laid through at most {most:,}",
                params=params,
                most=MOST_PARAMS,
            )
        self.model = model
        self.recipe = recipe_of(model)
        fitting = WORK // max(1, macs) // 16 * 16
        count = max(FEWEST_IMAGES, min(MOST_IMAGES, fitting))
        self.index = some_index(len(dataset.fit), min(count, len(dataset.fit)))
        self.x = model.preprocessing.apply(dataset.fit.images[self.index])  # (N, C, H, W)
        self.targets = dataset.fit.targets[self.index]
        self._guard = threading.Lock()
        self._network = model.copy_network().requires_grad_(True)
        self._parameters = [parameter for _name, parameter in self._network.named_parameters()]
        self.shapes = [(name, tuple(one.shape)) for name, one in self._network.named_parameters()]
        self.centre = flat(self._parameters)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)

    def vector(self, model: Model) -> Tensor:
        """Return the parameters of another model of this network one behind the other. Shape: (P,)."""
        return flat([model.state[name] for name, _shape in self.shapes])

    @torch.no_grad()
    def loss(self, weights: Tensor) -> float:
        """Return the mean loss of all images with ``weights``. Shape of weights: (P,)."""
        with self._guard:
            self._put(weights)
            return self._mean(self._network)

    @torch.no_grad()
    def loss_of(self, model: Model) -> float:
        """Return the loss of another model on these images, with its own running statistics."""
        return self._mean(model.network)

    def slope(self, weights: Tensor, images: Sequence[int] | Tensor | None = None) -> tuple[float, Tensor]:
        """Return the mean loss of ``images`` (None: all) with ``weights``, and its gradient by all parameters.

        Shape:
            weights: (P,); images: positions in ``index``; the gradient: (P,)
        """
        index = torch.arange(len(self)) if images is None else torch.as_tensor(images)
        total, gradient = 0.0, torch.zeros_like(self.centre)
        with self._guard, torch.enable_grad():
            self._put(weights)
            for part in index.split(_CHUNK):
                loss = self._loss(self._network.logits(self.x[part]), self.targets[part]) * (len(part) / len(index))
                found = torch.autograd.grad(loss, self._parameters, allow_unused=True)
                gradient += flat([torch.zeros_like(p) if g is None else g for p, g in zip(self._parameters, found)])
                total += float(loss.detach())
        return total, gradient

    def _put(self, weights: Tensor) -> None:
        start = 0
        for parameter in self._parameters:
            parameter.detach().copy_(weights[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()

    def _mean(self, network: Network) -> float:
        parts = zip(self.x.split(_CHUNK), self.targets.split(_CHUNK))
        return sum(len(targets) * float(self._loss(network.logits(x), targets)) for x, targets in parts) / len(self)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return loss_of(logits, targets, self.recipe, self.model.architecture.ends_in_softmax)


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return ``tensors`` one behind the other, as a copy. Shape: (P,)."""
    return torch.cat([one.detach().reshape(-1) for one in tensors]).clone()


def recipe_of(model: Model) -> Recipe:
    """Return the recipe that the model was trained with; where it has none that is known, the usual one."""
    known = {name: value for name, value in model.about.recipe.items() if name in ("loss", "label_smoothing")}
    try:
        return Recipe.model_validate(known)
    except ValidationError:
        return Recipe()


def ground_for(model: Model) -> Ground:
    """Return the ground of ``model``, made once for all who look; raises as ``Ground``."""
    return _grounds.get(model) or _grounds.put(model, None, Ground(model))


_grounds: Memo[Ground] = Memo(4)
