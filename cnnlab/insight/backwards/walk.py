"""Some real steps on one batch, in a copy: so that an optimizer has something to remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.architecture import Address
from cnnlab.insight.arithmetic.passes import training_network
from cnnlab.insight.backwards.memory import Memory
from cnnlab.insight.backwards.passes import Backward, backward_of
from cnnlab.insight.backwards.shaping import whole_length
from cnnlab.insight.backwards.steps import Step, stand_still, step_of
from cnnlab.model import Model
from cnnlab.training.losses import loss_of
from cnnlab.training.optim import make_optimizer, remember, remembered, set_layer_rates, shape_gradients
from cnnlab.training.recipe import Recipe


@dataclass(frozen=True)
class Walk:
    """Where a model stands after some steps on one batch.

    Attributes:
        recipe: its optimizer, loss, L1 penalty and clipping; no schedule.
        lr: the learning rate of every step, times what the recipe gives a layer of its own.
        before: updates that a run had done; 0 where the optimizer began afresh.
        steps: how many steps were taken.
        model: the weights then.
        back: the batch's gradients there.
        memory: what the optimizer remembers, as ``PARAMETER/KEY``.
        still: the weights that do not move, by name: those of frozen layers, and filters that whitening has fixed.
        length: of the gradient of all weights that move, the L1 penalty's part included; None where nothing is clipped.
    """

    recipe: Recipe
    lr: float
    before: int
    steps: int
    model: Model
    back: Backward
    memory: Mapping[str, Tensor]
    still: frozenset[str]
    length: float | None

    def next_step(self, weight: Address | str) -> Step:
        """Return what the next step does to one weight; raises ModelError where there is no such weight."""
        at = Address.parse(weight) if isinstance(weight, str) else weight
        gradient = self.back.gradient(at)
        name, weights = f"{at.layer}.{at.tensor}", self.model.state
        number = 1 + self.before + self.steps
        if name in self.still:
            return stand_still(self.recipe, float(weights[name][at.index]), gradient, number)
        known = {
            key: float(tensor if tensor.dim() == 0 else tensor[at.index])
            for owner, key, tensor in ((*full.rpartition("/")[::2], value) for full, value in self.memory.items())
            if owner == name
        }
        number = 1 + int(known["step"]) if "step" in known else number
        lr = self.lr * next((f for layer, f in self.recipe.layer_lr.items() if f"{name}.".startswith(f"{layer}.")), 1.0)
        return step_of(self.recipe, float(weights[name][at.index]), gradient, known, number, lr,
                       penalised=weights[name].dim() > 1, length=self.length)  # fmt: skip


def recipe_of(model: Model) -> Recipe:
    """Return how the model was trained, the plain recipe where it does not say."""
    return Recipe.of(model.about.recipe) if model.about.recipe else Recipe()


def walk(
    model: Model, images: Tensor, targets: Tensor, recipe: Recipe | None = None, steps: int = 0, *,
    training: bool = True, seed: int = 0, memory: Memory | None = None,
) -> Walk:  # fmt: skip
    """Return where ``model`` stands after ``steps`` steps on one batch, and the gradients there.

    Everything happens in copies. The optimizer begins afresh, or with ``memory``, whose recipe and learning rate it
    then has.

    Shape:
        images: (N, C, h, w) uint8.
        targets: (N,) int64.

    Raises:
        ModelError, RecipeError: as ``backward_of`` and ``recipe_of``.
    """
    recipe = memory.recipe if memory else recipe or recipe_of(model)
    lr = memory.lr if memory else recipe.lr
    moved, known = model, dict(memory.tensors) if memory else {}
    still = _still(model, recipe, memory)
    if steps:
        network = training_network(model, seed) if training else model.copy_network()
        network.requires_grad_(True)
        learning = [parameter for name, parameter in network.named_parameters() if name not in still]
        optimizer = make_optimizer(learning, recipe)
        set_layer_rates(optimizer, network, recipe)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        remember(
            network, optimizer, recipe, {name: known[name] for name in known if name.rpartition("/")[0] not in still}
        )
        x = model.preprocessing.apply(images)
        with torch.enable_grad():
            for _ in range(steps):
                optimizer.zero_grad()
                loss_of(network.logits(x), targets, recipe, model.architecture.ends_in_softmax).backward()
                shape_gradients(learning, recipe)
                optimizer.step()
        known |= {name: tensor.detach().clone() for name, tensor in remembered(network, optimizer).items()}
        moved = Model(model.description, {name: tensor.detach() for name, tensor in network.state_dict().items()})
    back = backward_of(moved, images, targets, recipe, training=training, seed=seed)
    length = whole_length(back.weights, moved.state, recipe, still) if recipe.clip_norm else None
    return Walk(recipe, lr, memory.step if memory else 0, steps, moved, back, known, still, length)


def _still(model: Model, recipe: Recipe, memory: Memory | None) -> frozenset[str]:
    """Return the names of the weights that do not move: of the layers frozen in the run, and whitened filters."""
    frozen = tuple(f"{layer}." for layer in memory.frozen) if memory else ()
    still = {name for name in model.state if name.startswith(frozen)} if frozen else set()
    if recipe.whiten:
        still.add(f"{model.architecture.names[0]}.weight")
    return frozenset(still)
