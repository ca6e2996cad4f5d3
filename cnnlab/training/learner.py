"""``Learner``: a network, its images and its optimizer, and what happens to them in one step.

What it computes depends on the recipe's number of threads (once that is fixed), not on how many the calling thread has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from itertools import chain
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.build import GeneratorDropout, build
from cnnlab.data.augment import augment, mixup
from cnnlab.data.dataset import DataSet
from cnnlab.description import Preprocessing
from cnnlab.errors import RecipeError
from cnnlab.training.checks import can_share, part_size, share_count
from cnnlab.training.images import generator_for, training_split
from cnnlab.training.losses import loss_of
from cnnlab.training.optim import make_optimizer, set_layer_rates, shape_gradients
from cnnlab.training.recipe import Recipe
from cnnlab.training.threads import own_threads, wide
from cnnlab.training.watching import PIECE
from cnnlab.training.whitening import PATCH_IMAGES, whiten_first_layer

R = TypeVar("R")

Part = tuple[Tensor, Tensor, float]
"""Pictures (still bytes, or what ``input_of`` made of them), targets, and the share of the batch that they are."""


SMALL = 100_000
"""Numbers up to which a batch is made ready before it is shared out: two threads that call a handful of quick operations
hold each other up at the interpreter (64 digits: 34 microseconds in one thread, 100 in each of two)."""


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
            wide(recipe.threads, self._whiten)
        self._format = torch.contiguous_format if recipe.memory_format == "contiguous" else torch.channels_last
        self.network.to(memory_format=self._format)  # type: ignore[call-overload]
        self._learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self._optimizer = make_optimizer(self._learning, recipe)
        set_layer_rates(self._optimizer, self.network, recipe)
        self._drops = {name: m for name, m in self.network.leaves() if isinstance(m, GeneratorDropout)}
        self.frozen: tuple[str, ...] = ()
        self._part = part_size(architecture, recipe.batch_size)

    def _whiten(self) -> None:
        whiten_first_layer(self.network, self.preprocessing.apply(self.images[:PATCH_IMAGES]))

    @property
    def dropout(self) -> dict[str, float]:
        """The share of each dropout layer, by name."""
        return {name: module.p for name, module in self._drops.items()}

    def input_of(self, images: Tensor) -> Tensor:
        """Return uint8 ``images`` as the network takes them: padded, (x / 255 - mean) / std, in the recipe's memory format.

        The same numbers as ``Preprocessing.apply``, to the bit; here in place, since it is done at each step.

        Shape:
            images: (N, C, h, w) uint8, as the data set has them
            returns: (N, C, H, W) float32, the network's input; H and W with the padding
        """
        padded = F.pad(images, self._padding) if any(self._padding) else images
        x = padded.to(torch.float32, memory_format=self._format)
        return x.div_(255).sub_(self._mean).div_(self._std)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.recipe.precision == "bfloat16":
            return torch.autocast("cpu", torch.bfloat16)
        return nullcontext()

    def look(self, images: Tensor) -> Tensor:
        """Return the logits of ``images`` in evaluation mode, computed at the recipe's precision, without gradients.

        The network is back in the mode in which it learns afterwards.

        Shape:
            images: (N, C, h, w) uint8, as the data set has them, before padding and normalisation
            returns: (N, classes) float32
        """
        return wide(self.recipe.threads, self._look, images)

    @torch.no_grad()
    def _look(self, images: Tensor) -> Tensor:
        self.network.eval()
        try:
            with self._autocast():
                return self.network.logits(self.input_of(images)).float()
        finally:
            self._to_learn()

    def learn(self, index: Tensor, lr: float, seen: Callable[[], None] | None = None) -> tuple[float, float]:
        """Change the weights once, by the images at ``index``; return loss and accuracy before the change.

        A batch that is too large for the memory comes in parts (``checks.part_size``); each is shared out among the
        recipe's threads, where that is possible (``checks.shares``). All gradients are added up in order.

        Args:
            index: (N,) int64.
            lr: the learning rate of this step.
            seen: called when all gradients are there, before they are clipped and the weights move.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        parts = index.tensor_split(-(-len(index) // self._part))
        return self._change(((*self._batch(part), len(part) / len(index)) for part in parts), seen)

    def update(self, x: Tensor, targets: Tensor, seen: Callable[[], None] | None = None) -> tuple[float, float]:
        """Change the weights once, by the gradient of the loss on ``x``; return loss and accuracy before the change.

        Shape:
            x: (N, C, H, W) float, as ``input_of`` gives it.
            targets: (N,) int64, or (N, classes) float: the share of each class.
        """
        return self._change([(x, targets, 1.0)], seen)

    def _change(self, parts: Iterable[Part], seen: Callable[[], None] | None) -> tuple[float, float]:
        """Make a step: shared out from here, with one torch thread for each piece, else with all of them as one."""
        return wide(1 if self._sharing else self.recipe.threads, self._step, parts, seen)

    def _step(self, parts: Iterable[Part], seen: Callable[[], None] | None) -> tuple[float, float]:
        self._optimizer.zero_grad(set_to_none=True)
        loss = acc = 0.0
        for part in parts:
            pieces = self._pieces(*part)
            for one_loss, one_acc in self._side_by_side(pieces) if len(pieces) > 1 else self._whole(*pieces[0]):
                loss, acc = loss + one_loss.item(), acc + one_acc.item()
        if seen is not None:
            seen()
        self._move()
        return loss, acc

    def _pieces(self, x: Tensor, targets: Tensor, share: float) -> list[Part]:
        """Cut a part into pieces for one thread each."""
        if not self._sharing or (count := share_count(len(x), self.recipe.threads)) == 1:
            return [(x, targets, share)]
        if x.dtype == torch.uint8 and x.numel() <= SMALL:
            x = self.input_of(x)
        cut = zip(x.tensor_split(count), targets.tensor_split(count))
        return [(some, theirs, share * len(some) / len(x)) for some, theirs in cut]

    def _whole(self, x: Tensor, targets: Tensor, share: float) -> Iterator[tuple[Tensor, Tensor]]:
        """Add the gradient of a part that is not cut; yield its share of loss and accuracy."""
        loss, acc = self._judge(x, targets, share)
        loss.backward()
        yield loss.detach(), acc

    def _side_by_side(self, pieces: list[Part]) -> Iterator[tuple[Tensor, Tensor]]:
        """Add the gradients of all pieces, in their order; yield each one's share of loss and accuracy.

        The first piece is computed in this thread, each other in one of its own.
        """
        moving = [parameter for parameter in self._learning if parameter.requires_grad]

        def gradient(number: int) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
            PIECE.set(number)
            loss, acc = self._judge(*pieces[number])
            return loss.detach(), acc, torch.autograd.grad(loss, moving)

        others = [self._elsewhere(gradient, number) for number in range(1, len(pieces))]
        for loss, acc, gradients in chain([gradient(0)], (other() for other in others)):
            for parameter, one in zip(moving, gradients):
                if parameter.grad is None:
                    parameter.grad = torch.empty_like(parameter).copy_(one)
                else:
                    parameter.grad.add_(one)
            yield loss, acc

    def _elsewhere(self, work: Callable[[int], R], number: int) -> Callable[[], R]:
        """Begin ``work(number)`` in a thread of the crew, and return what waits for its result.

        While the interpreter ends it takes no more work: it is done here then, when its result is asked for.
        """
        try:
            return self._crew.submit(work, number).result
        except RuntimeError:
            return partial(work, number)

    def _judge(self, pictures: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Return ``share`` of the loss on ``pictures``, with what its gradient needs, and of the accuracy."""
        x = self.input_of(pictures) if pictures.dtype == torch.uint8 else pictures
        with self._autocast():
            logits = self.network.logits(x)
        logits = logits.float()
        loss = self._loss(logits, targets)
        acc = (logits.detach().argmax(1) == self._classes(targets)).float().mean()
        return (loss, acc) if share == 1 else (loss * share, acc * share)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, or of a piece of it; ``targets`` are what ``_batch`` gave."""
        return loss_of(logits, targets, self.recipe, self.architecture.ends_in_softmax)

    def _classes(self, targets: Tensor) -> Tensor:
        """Return the class of each image: (N,) int64."""
        return targets if targets.dim() == 1 else targets.argmax(1)

    @cached_property
    def _sharing(self) -> bool:
        """Whether batches of some size are shared out among threads."""
        return self.recipe.threads > 1 and can_share(self.architecture)

    @cached_property
    def _crew(self) -> ThreadPoolExecutor:
        """The threads beside the run's own that compute pieces, each with one torch thread.

        The run's thread computes, too, instead of sleeping: of threads that are all woken for each step, two at times
        share a core while another idles. They are begun by it, and give way to pages as it does.
        """
        return ThreadPoolExecutor(self.recipe.threads - 1, "share", own_threads, (1,))

    def _move(self) -> None:
        shape_gradients(self._learning, self.recipe)
        self._optimizer.step()

    def _batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pictures at ``index``, varied by chance, and their targets."""
        chance = self._generators["augmentation"]
        images = augment(self.images.index_select(0, index), self.recipe.augmentation, chance)
        targets = self.targets.index_select(0, index)
        if self.recipe.mixup:
            return mixup(self.input_of(images), targets, len(self.dataset.class_names), self.recipe.mixup, chance)
        return images, targets

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
