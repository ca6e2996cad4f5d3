"""``Learner``: a network, its images and its optimizer, and what happens to them in one step."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from cnnlab.architecture import Architecture
from cnnlab.build import GeneratorDropout, build
from cnnlab.data.augment import augment, mixup
from cnnlab.data.dataset import DataSet
from cnnlab.description import Preprocessing
from cnnlab.errors import RecipeError
from cnnlab.training.checks import part_size
from cnnlab.training.images import generator_for, training_split
from cnnlab.training.losses import loss_of
from cnnlab.training.optim import add_l1, make_optimizer
from cnnlab.training.recipe import Recipe
from cnnlab.training.whitening import PATCH_IMAGES, whiten_first_layer


class Learner:
    """What learns, one batch at a time; which batch comes when is no business of its own.

    Attributes:
        recipe: the one in force.
        network: the module that learns; never look into it from elsewhere.
        images, targets: what it learns from, uint8 and int64; shared, never written to.
        frozen: the layers that stand still.
    """

    def __init__(self, architecture: Architecture, dataset: DataSet, recipe: Recipe) -> None:
        self.architecture, self.dataset, self.recipe = architecture, dataset, recipe
        self.preprocessing = Preprocessing.of(architecture, dataset)
        self._padding = self.preprocessing.padding
        self._mean = torch.tensor(self.preprocessing.mean).view(1, -1, 1, 1)
        self._std = torch.tensor(self.preprocessing.std).view(1, -1, 1, 1)
        self.images, self.targets = training_split(dataset, recipe)
        self._generators = {name: generator_for(recipe.seed, name) for name in ("order", "augmentation", "dropout")}
        self.network = build(architecture, generator_for(recipe.seed, "init"))
        self.network.use_generator(self._generators["dropout"])
        if recipe.whiten:
            whiten_first_layer(self.network, self.preprocessing.apply(self.images[:PATCH_IMAGES]))
        self._format = torch.contiguous_format if recipe.memory_format == "contiguous" else torch.channels_last
        self.network.to(memory_format=self._format)  # type: ignore[call-overload]
        self._learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self._optimizer = make_optimizer(self._learning, recipe)
        self._drops = {name: m for name, m in self.network.leaves() if isinstance(m, GeneratorDropout)}
        self.frozen: tuple[str, ...] = ()
        self._part = part_size(architecture, recipe.batch_size)

    @property
    def dropout(self) -> dict[str, float]:
        """The share of each dropout layer, by name."""
        return {name: module.p for name, module in self._drops.items()}

    def input_of(self, images: Tensor) -> Tensor:
        """Return uint8 ``images`` as the network takes them, in the recipe's memory format.

        The same numbers as ``Preprocessing.apply``, to the bit; here in place, since it is done at each step.
        """
        padded = F.pad(images, self._padding) if any(self._padding) else images
        x = padded.to(torch.float32, memory_format=self._format)
        return x.div_(255).sub_(self._mean).div_(self._std)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.recipe.precision == "bfloat16":
            return torch.autocast("cpu", torch.bfloat16)
        return nullcontext()

    @torch.no_grad()
    def look(self, images: Tensor) -> Tensor:
        """Return the logits of uint8 ``images`` in evaluation mode, at the recipe's precision."""
        self.network.eval()
        try:
            with self._autocast():
                return self.network.logits(self.input_of(images)).float()
        finally:
            self._to_learn()

    def learn(self, index: Tensor, lr: float) -> tuple[float, float]:
        """Change the weights once, by the images at ``index``; return loss and accuracy before the change."""
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        if len(index) <= self._part:
            return self.update(*self._batch(index))
        return self._update_in_parts(index)

    def update(self, x: Tensor, targets: Tensor) -> tuple[float, float]:
        """Change the weights once, by the gradient of the loss on ``x``; return loss and accuracy before the change.

        Shape:
            x: (N, C, H, W) float, as ``input_of`` gives it.
            targets: (N,) int64, or (N, classes) float: the share of each class.
        """
        loss, acc = self._gradient(x, targets)
        self._move()
        return loss.item(), acc.item()

    def _update_in_parts(self, index: Tensor) -> tuple[float, float]:
        """Change the weights once, by the gradient of the whole batch, looking at a part of it at a time."""
        loss = acc = 0.0
        for number, part in enumerate(index.split(self._part)):
            share = len(part) / len(index)
            one_loss, one_acc = self._gradient(*self._batch(part), share=share, add=number > 0)
            loss, acc = loss + share * one_loss.item(), acc + share * one_acc.item()
        self._move()
        return loss, acc

    def _gradient(
        self, x: Tensor, targets: Tensor, share: float | None = None, add: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Compute the gradient of the loss times ``share``, or ``add`` it to the one there; return loss, accuracy."""
        with self._autocast():
            logits = self.network.logits(x)
        logits = logits.float()
        loss = loss_of(logits, targets, self.recipe, self.architecture.ends_in_softmax)
        if not add:
            self._optimizer.zero_grad(set_to_none=True)
        (loss if share is None else loss * share).backward()
        classes = targets if targets.dim() == 1 else targets.argmax(1)
        return loss, (logits.detach().argmax(1) == classes).float().mean()

    def _move(self) -> None:
        if self.recipe.l1:
            add_l1(self._learning, self.recipe.l1)
        if self.recipe.clip_norm:
            clip_grad_norm_(self._learning, self.recipe.clip_norm)
        self._optimizer.step()

    def _batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        chance = self._generators["augmentation"]
        images = augment(self.images.index_select(0, index), self.recipe.augmentation, chance)
        x, targets = self.input_of(images), self.targets.index_select(0, index)
        if self.recipe.mixup:
            return mixup(x, targets, len(self.dataset.class_names), self.recipe.mixup, chance)
        return x, targets

    def freeze(self, names: tuple[str, ...]) -> None:
        """Let just the layers ``names`` stand still, beside the filters that whitening has fixed."""
        still = {id(p) for name in names for p in self.network.get_submodule(name).parameters()}
        if all(id(parameter) in still for parameter in self._learning):
            raise RecipeError("frozen: with every layer frozen nothing is left to learn; leave one free")
        for parameter in self._learning:
            parameter.requires_grad_(id(parameter) not in still)
            parameter.grad = None
        self.frozen = tuple(names)
        self._to_learn()

    def _to_learn(self) -> None:
        """Put the network into training mode, except for its frozen layers."""
        self.network.train()
        for name in self.frozen:
            self.network.get_submodule(name).eval()
