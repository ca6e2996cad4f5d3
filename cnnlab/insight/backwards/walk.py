"""Some real steps on one batch, in a copy: so that an optimizer has something to remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.architecture import Address
from cnnlab.insight.arithmetic.passes import training_network
from cnnlab.insight.backwards.passes import Backward, backward_of
from cnnlab.insight.backwards.steps import Step, step_of
from cnnlab.model import Model
from cnnlab.training.losses import loss_of
from cnnlab.training.optim import make_optimizer, remembered
from cnnlab.training.recipe import Recipe


@dataclass(frozen=True)
class Walk:
    """Where a model stands after some steps on one batch.

    Attributes:
        recipe: its optimizer, learning rate and loss; no schedule, and neither l1 nor clipping of gradients.
        steps: how many steps were taken.
        model: the weights then.
        back: the batch's gradients there.
        memory: what the optimizer remembers, as ``PARAMETER/KEY``.
    """

    recipe: Recipe
    steps: int
    model: Model
    back: Backward
    memory: Mapping[str, Tensor]

    def next_step(self, weight: Address | str) -> Step:
        """Return what the next step does to one weight; raises ModelError where there is no such weight."""
        at = Address.parse(weight) if isinstance(weight, str) else weight
        gradient = self.back.gradient(at)
        name = f"{at.layer}.{at.tensor}"
        known = {
            key: float(tensor if tensor.dim() == 0 else tensor[at.index])
            for owner, key, tensor in ((*full.rpartition("/")[::2], value) for full, value in self.memory.items())
            if owner == name
        }
        return step_of(self.recipe, float(self.model.state[name][at.index]), gradient, known, self.steps + 1)


def recipe_of(model: Model) -> Recipe:
    """Return how the model was trained, the plain recipe where it does not say."""
    return Recipe.of(model.about.recipe) if model.about.recipe else Recipe()


def walk(
    model: Model, images: Tensor, targets: Tensor, recipe: Recipe | None = None, steps: int = 0, *,
    training: bool = True, seed: int = 0,
) -> Walk:  # fmt: skip
    """Return where ``model`` stands after ``steps`` steps on one batch with a fresh optimizer, and the gradients there.

    Everything happens in copies.

    Shape:
        images: (N, C, h, w) uint8.
        targets: (N,) int64.

    Raises:
        ModelError, RecipeError: as ``backward_of`` and ``recipe_of``.
    """
    recipe = recipe or recipe_of(model)
    moved, memory = model, {}
    if steps:
        network = training_network(model, seed) if training else model.copy_network()
        network.requires_grad_(True)
        optimizer = make_optimizer(network.parameters(), recipe)
        x = model.preprocessing.apply(images)
        with torch.enable_grad():
            for _ in range(steps):
                optimizer.zero_grad()
                loss_of(network.logits(x), targets, recipe, model.architecture.ends_in_softmax).backward()
                optimizer.step()
        memory = {name: tensor.detach().clone() for name, tensor in remembered(network, optimizer).items()}
        moved = Model(model.description, {name: tensor.detach() for name, tensor in network.state_dict().items()})
    back = backward_of(moved, images, targets, recipe, training=training, seed=seed)
    return Walk(recipe, steps, moved, back, memory)
