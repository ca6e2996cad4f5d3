"""The training loop: a generator of events, without thread, files or clock of its own.

    for event in train(architecture, dataset, recipe):   # the next step is done when the next event is asked for
        ...

Whoever iterates decides: not asking is a pause, closing the generator is a stop. All chance comes from generators of
the run's own, one for each purpose, so that the same recipe on the same data gives the same numbers to the bit on one
machine, whatever else runs beside it (with the same number of torch threads; the caller sets those).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.architecture import Architecture, check_budget
from cnnlab.architecture.layers import BatchNorm2d
from cnnlab.build import build
from cnnlab.data.augment import augment
from cnnlab.data.dataset import DataSet, Split
from cnnlab.description import ModelAbout, ModelDescription, Preprocessing
from cnnlab.errors import ArchitectureError, RecipeError, RunError
from cnnlab.model import Model
from cnnlab.training.events import Event, LookEvent, TestEvent, TrainEvent, ValEvent
from cnnlab.training.losses import loss_of
from cnnlab.training.optim import learning_rate, make_optimizer
from cnnlab.training.recipe import Recipe
from cnnlab.training.whitening import PATCH_IMAGES, whiten_first_layer

VAL_IMAGES = 1_000
"""How many images, always the same, the quick validation looks at."""

VAL_STEPS = 400
"""After how many steps it does so; more often where the run is short."""

_EVAL_BATCH = 500


def train(architecture: Architecture, dataset: DataSet, recipe: Recipe) -> Iterator[Event]:
    """Yield an event for each step, each validation and the final test of one whole run.

    Raises:
        As ``Training`` and ``Training.events``.
    """
    return Training(architecture, dataset, recipe).events()


def generator_for(seed: int, purpose: str) -> torch.Generator:
    """Return the run's generator for one purpose ("init", "order", "augmentation", "dropout"), as the seed says."""
    digest = sha256(f"{seed}:{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


class Training:
    """One run as a value that ``events()`` moves forward; between two events it stands still and can be read.

    Attributes:
        step: optimizer updates done.
        steps: those of the whole run.
        steps_per_epoch: whole batches in the training images; the rest of an epoch's order is left out.
        epoch: epochs begun.
        network: the module that learns; never look into it from elsewhere, ask ``model()``.

    Raises:
        ShapeError, ArchitectureError, DataError, BudgetError: the network cannot run, or not on this data.
        RecipeError: the recipe does not go with the network.
    """

    def __init__(self, architecture: Architecture, dataset: DataSet, recipe: Recipe) -> None:
        check_trainable(architecture, dataset, recipe)
        self.architecture, self.dataset, self.recipe = architecture, dataset, recipe
        self.preprocessing = Preprocessing.of(architecture, dataset)
        self._padding = self.preprocessing.padding
        self._mean = torch.tensor(self.preprocessing.mean).view(1, -1, 1, 1)
        self._std = torch.tensor(self.preprocessing.std).view(1, -1, 1, 1)
        self.images, self.targets = training_split(dataset, recipe)
        self.batch_size = min(recipe.batch_size, len(self.targets))
        self.steps_per_epoch = len(self.targets) // self.batch_size
        self.steps = recipe.epochs * self.steps_per_epoch
        self.step = self.epoch = 0
        self._judged = Split(self.images, self.targets) if recipe.full_train else dataset.val
        self._glance = some(self._judged, VAL_IMAGES)
        self._order = generator_for(recipe.seed, "order")
        self._augmentation = generator_for(recipe.seed, "augmentation")
        self.network = build(architecture, generator_for(recipe.seed, "init"))
        self.network.use_generator(generator_for(recipe.seed, "dropout"))
        if recipe.whiten:
            whiten_first_layer(self.network, self.preprocessing.apply(self.images[:PATCH_IMAGES]))
        self._format = torch.contiguous_format if recipe.memory_format == "contiguous" else torch.channels_last
        self.network.to(memory_format=self._format)  # type: ignore[call-overload]
        self._optimizer = make_optimizer(self.network.parameters(), recipe)

    def events(self) -> Iterator[Event]:
        """Yield the events of the run; each step is computed when its event is asked for.

        Raises:
            RunError: the loss is no longer a number.
        """
        every = max(1, min(VAL_STEPS, self.steps // 8))
        while self.epoch < self.recipe.epochs:
            self.epoch += 1
            order = torch.randperm(len(self.targets), generator=self._order)
            for batch in order[: self.steps_per_epoch * self.batch_size].split(self.batch_size):
                yield self._train_step(batch)
                left = -self.step % self.steps_per_epoch  # steps to the end of this epoch
                if left == 0 or (self.step % every == 0 and left >= every // 2):
                    yield from self._validate(whole=left == 0 and not self.recipe.full_train)
        yield from self._test()

    def state(self) -> dict[str, Tensor]:
        """Return copies of all parameters and buffers as they are now; training does not change them any more."""
        return {
            name: tensor.detach().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.network.state_dict().items()
        }

    def description(self, name: str = "", **result: Any) -> ModelDescription:
        """Return what a model with the present weights says of itself; ``result`` adds to what came of the run."""
        about = ModelAbout(
            name=name or self.architecture.name,
            data=self.dataset.name,
            data_hash=self.dataset.hash,
            recipe=self.recipe.model_dump(mode="json"),
            result={"step": self.step, "steps": self.steps, **result},
            mirror=self.recipe.mirror,
        )
        return ModelDescription(
            architecture=self.architecture,
            preprocessing=self.preprocessing,
            class_names=self.dataset.class_names,
            about=about,
        )

    def model(self, name: str = "", **result: Any) -> Model:
        """Return the model as it is now, with weights of its own."""
        return Model(self.description(name, **result), self.network.state_dict())

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

    def _batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        images = augment(self.images.index_select(0, index), self.recipe.augmentation, self._augmentation)
        return self.input_of(images), self.targets.index_select(0, index)

    def _train_step(self, index: Tensor) -> TrainEvent:
        x, targets = self._batch(index)
        lr = learning_rate(self.recipe, self.step, self.steps, self.steps_per_epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        loss, acc = self.update(x, targets)
        self.step += 1
        if not math.isfinite(loss):
            raise RunError(
                "the loss became {loss} at step {step}: the weights have grown beyond all bounds. "
                "Try a smaller learning rate, for example {lr:.2g} instead of {given:.2g}",
                loss=str(loss),
                step=self.step,
                lr=self.recipe.lr / 10,
                given=self.recipe.lr,
            )
        return TrainEvent(self.step, self.epoch, loss, acc, len(targets), lr)

    def update(self, x: Tensor, targets: Tensor) -> tuple[float, float]:
        """Change the weights once, by the gradient of the loss on ``x``; return loss and accuracy before the change.

        Shape:
            x: (N, C, H, W) float, as ``input_of`` gives it.
            targets: (N,) int64.
        """
        with self._autocast():
            logits = self.network.logits(x)
        logits = logits.float()
        loss = loss_of(logits, targets, self.recipe, self.architecture.ends_in_softmax)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        acc = (logits.detach().argmax(1) == targets).float().mean()
        return loss.item(), acc.item()

    def _validate(self, whole: bool) -> Iterator[Event]:
        split = self._judged if whole else self._glance
        total, right = 0.0, 0
        for images, targets in _parts(split):
            logits = self._look(images)
            loss = loss_of(logits, targets, self.recipe, self.architecture.ends_in_softmax)
            total += loss.item() * len(targets)
            right += int((logits.argmax(1) == targets).sum())
            yield LookEvent(self.step, len(targets))
        name = "train" if self.recipe.full_train else "val"
        yield ValEvent(self.step, total / len(split), right / len(split), whole, name)

    @torch.no_grad()
    def _look(self, images: Tensor) -> Tensor:
        """Return the logits of uint8 ``images`` in evaluation mode, at the recipe's precision."""
        self.network.eval()
        try:
            with self._autocast():
                return self.network.logits(self.input_of(images)).float()
        finally:
            self.network.train()

    def _test(self) -> Iterator[Event]:
        """Judge the finished model in float32, with the mirrored view if it has one: the numbers of its own probs."""
        model, split = self.model(), self.dataset.test
        total, right = 0.0, 0
        for images, targets in _parts(split):
            log_probs = model.logits(images).double().log_softmax(1)
            total -= log_probs.gather(1, targets[:, None]).sum().item()
            right += int((log_probs.argmax(1) == targets).sum())
            yield LookEvent(self.step, len(targets))
        yield TestEvent(self.step, total / len(split), right / len(split))


def _parts(split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(split.images.split(_EVAL_BATCH), split.targets.split(_EVAL_BATCH))


def training_split(dataset: DataSet, recipe: Recipe) -> Split:
    """Return the images that a run learns from: ``fit`` or, with ``full_train``, all of ``train``; cut to the limit.

    Which images a limit keeps is drawn once and for all, so that no class is favoured however the data is sorted.
    """
    split = dataset.train if recipe.full_train else dataset.fit
    return split if recipe.limit_train is None else some(split, recipe.limit_train)


def count_images(dataset: DataSet, recipe: Recipe) -> int:
    """Return how many images of ``dataset`` a run with ``recipe`` learns from."""
    return min(len(dataset.train if recipe.full_train else dataset.fit), recipe.limit_train or len(dataset.train))


def count_steps(dataset: DataSet, recipe: Recipe) -> int:
    """Return how many steps ``Training`` makes of ``recipe`` on ``dataset``."""
    count = count_images(dataset, recipe)
    return recipe.epochs * (count // min(recipe.batch_size, count))


def some(split: Split, count: int) -> Split:
    """Return ``count`` images of ``split``, in its order, always the same ones; all where there are no more."""
    if count >= len(split):
        return split
    index = torch.randperm(len(split), generator=generator_for(0, "some"))[:count].sort().values
    return Split(split.images[index], split.targets[index])


def check_trainable(architecture: Architecture, dataset: DataSet, recipe: Recipe) -> None:
    """Raise unless ``architecture`` can learn ``dataset`` as ``recipe`` says, before anything is allocated.

    Raises:
        ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: with what to change.
    """
    count = len(dataset.fit if not recipe.full_train else dataset.train)
    batch = min(recipe.batch_size, count, recipe.limit_train or count)
    check_budget(architecture, batch)
    Preprocessing.of(architecture, dataset)
    output, classes = architecture.output_shape, len(dataset.class_names)
    if len(output) != 1 or output[0] != classes:
        raise ArchitectureError(
            "the network ends in {shape} numbers, but {data} has {classes} classes; "
            "let its last layers be Flatten and Linear with out_features={classes}",
            shape="x".join(map(str, output)),
            data=dataset.name,
            classes=classes,
        )
    for row in architecture.trace().rows:
        lonely = isinstance(row.layer, BatchNorm2d) and row.output_shape is not None and row.output_shape[1:] == (1, 1)
        if lonely and batch == 1:
            raise RecipeError(
                "batch_size: with 1 image a batch, {name} has a single number for each channel and no spread to "
                "divide by; use batch_size >= 2",
                name=row.name,
            )
    if all(row.num_params == 0 for row in architecture.trace().rows):
        raise ArchitectureError("this network has no weight to learn; add a layer that has some, such as Linear")
