"""Learning on from a model's weights, with masks that keep what was pruned at zero."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import torch
from torch import Tensor

from cnnlab.data.dataset import DataSet
from cnnlab.errors import RecipeError
from cnnlab.model import Model
from cnnlab.training.events import Event, ValEvent
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

GENTLER = 0.1
"""Fine-tuning learns at this share of the learning rate that the model was trained with (Han et al. 2015, LeNet)."""


def tuning_recipe(model: Model, epochs: int, **changes: Any) -> Recipe:
    """Return how ``model`` is fine-tuned: as it was trained, a tenth as fast, slowing down along a cosine.

    Args:
        model: whose recipe is the starting point; the default recipe where it has none that is valid.
        epochs: how long.
        changes: fields of the recipe that are to be otherwise.

    Raises:
        RecipeError: ``changes`` do not make a recipe.
    """
    try:
        base = Recipe.of(model.about.recipe)
    except RecipeError:
        base = Recipe()
    calm = {"lr": base.lr * GENTLER, "schedule": "cosine", "warmup_epochs": 0, "early_stopping": 0, "whiten": False}
    return base.changed(**{**calm, "epochs": max(1, epochs), **changes})


class Tuning(Training):
    """A run that begins with the weights of ``model`` and looks at pictures as it does.

    Args:
        model: where it begins.
        dataset: what it learns from.
        recipe: how.
        masks: which numbers of a weight stay; the others are zero after each step, whatever their gradient says.

    Raises:
        Also what ``Training`` raises.
    """

    def __init__(
        self, model: Model, dataset: DataSet, recipe: Recipe, masks: Mapping[str, Tensor] | None = None
    ) -> None:
        super().__init__(model.architecture, dataset, recipe)
        self.preprocessing = model.preprocessing
        self._padding = self.preprocessing.padding
        self._mean = torch.tensor(self.preprocessing.mean).view(1, -1, 1, 1)
        self._std = torch.tensor(self.preprocessing.std).view(1, -1, 1, 1)
        with torch.no_grad():
            for name, tensor in self.network.state_dict().items():
                tensor.copy_(model.state[name])
        parameters = dict(self.network.named_parameters())
        self._masks = [(parameters[name], mask) for name, mask in (masks or {}).items()]
        self._apply_masks()

    def _move(self) -> None:
        super()._move()
        self._apply_masks()

    @torch.no_grad()
    def _apply_masks(self) -> None:
        for parameter, mask in self._masks:
            parameter.mul_(mask)


def learned(training: Training) -> Generator[Event, None, Model]:
    """Yield the events of all steps and looks, without the judgement on the test images at the end; return the model."""
    for event in training.events():
        yield event
        if isinstance(event, ValEvent) and training.step == training.steps:
            break
    return training.model()
