"""The training loop: a generator of events, without thread, files or clock of its own.

    for event in train(architecture, dataset, recipe):   # the next step is done when the next event is asked for
        ...

Whoever iterates decides: not asking is a pause, closing the generator is a stop. All chance comes from generators of
the run's own, one for each purpose, so that the same recipe on the same data gives the same numbers to the bit on one
machine, whatever else runs beside it (with the same number of torch threads; the caller sets those).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.architecture import Architecture
from cnnlab.build import GeneratorDropout, build
from cnnlab.data.augment import augment
from cnnlab.data.dataset import DataSet, Split
from cnnlab.description import ModelAbout, ModelDescription, Preprocessing
from cnnlab.errors import RecipeError, RunError
from cnnlab.model import Model
from cnnlab.training.change import Applied, Change
from cnnlab.training.checkpoint import Checkpoint, Standing, check_tensors, set_generator
from cnnlab.training.checks import check_trainable
from cnnlab.training.events import Event, LookEvent, TestEvent, TrainEvent, ValEvent
from cnnlab.training.images import count_images, count_steps, generator_for, some, training_split
from cnnlab.training.losses import loss_of
from cnnlab.training.optim import follow, learning_rate, make_optimizer, remember, remembered
from cnnlab.training.recipe import Recipe
from cnnlab.training.whitening import PATCH_IMAGES, whiten_first_layer

__all__ = [
    "Training",
    "check_trainable",
    "count_images",
    "count_steps",
    "generator_for",
    "some",
    "train",
    "training_split",
]

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


class Training:
    """One run as a value that ``events()`` moves forward; between two events it stands still.

    There, and only there, it can be read, changed (``apply``) and kept (``checkpoint``); one thread at a time.

    Attributes:
        recipe: the one in force; ``begun_with`` is the one at the start, ``changes`` what was changed since.
        step: optimizer updates done.
        steps: those of the whole run, as far as is known now: a change of the batch size changes it.
        steps_per_epoch: whole batches in the training images; the rest of an epoch's order is left out.
        epoch: epochs begun.
        dropout: the share of each dropout layer, by name.
        frozen: the layers that a change has told to stand still.
        network: the module that learns; never look into it from elsewhere, ask ``model()``.

    Raises:
        ShapeError, ArchitectureError, DataError, BudgetError: the network cannot run, or not on this data.
        RecipeError: the recipe does not go with the network.
    """

    def __init__(self, architecture: Architecture, dataset: DataSet, recipe: Recipe) -> None:
        check_trainable(architecture, dataset, recipe)
        self.architecture, self.dataset = architecture, dataset
        self.recipe = self.begun_with = recipe
        self.changes: tuple[Applied, ...] = ()
        self._ahead: deque[Applied] = deque()
        self.preprocessing = Preprocessing.of(architecture, dataset)
        self._padding = self.preprocessing.padding
        self._mean = torch.tensor(self.preprocessing.mean).view(1, -1, 1, 1)
        self._std = torch.tensor(self.preprocessing.std).view(1, -1, 1, 1)
        self.images, self.targets = training_split(dataset, recipe)
        self._judged = Split(self.images, self.targets) if recipe.full_train else dataset.val
        self._glance = some(self._judged, VAL_IMAGES)
        self._generators = {name: generator_for(recipe.seed, name) for name in ("order", "augmentation", "dropout")}
        self.network = build(architecture, generator_for(recipe.seed, "init"))
        self.network.use_generator(self._generators["dropout"])
        if recipe.whiten:
            whiten_first_layer(self.network, self.preprocessing.apply(self.images[:PATCH_IMAGES]))
        self._format = torch.contiguous_format if recipe.memory_format == "contiguous" else torch.channels_last
        self.network.to(memory_format=self._format)  # type: ignore[call-overload]
        self._learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self._optimizer = make_optimizer(self._learning, recipe)
        self.dropout = {name: module.p for name, module in self._children() if isinstance(module, GeneratorDropout)}
        self.frozen: tuple[str, ...] = ()
        self.step = self.epoch = 0
        self._order = torch.empty(0, dtype=torch.int64)
        self._order_state = self._generators["order"].get_state()  # the one that the present epoch was drawn from
        self._position = self._planned = 0  # in the present epoch's order
        self._due: Literal["none", "some", "all"] = "none"
        self._tested = False
        self._plan()

    def events(self) -> Iterator[Event]:
        """Yield the events from where the run stands to its end; each step is computed when its event is asked for.

        Raises:
            RunError: the loss is no longer a number.
        """
        while True:
            if self._due != "none":
                yield from self._validate(whole=self._due == "all")
            while self._ahead and self._ahead[0].step <= self.step:
                self.apply(self._ahead.popleft().change)
            if self.step == self.steps:
                break
            yield self._train_step(self._next_batch())
        if not self._tested:
            yield from self._test()

    # -- the plan: which images when ------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Count anew what is still to do, from the place in the order and the batch size in force."""
        self.batch_size = min(self.recipe.batch_size, len(self.targets))
        self.steps_per_epoch = len(self.targets) // self.batch_size
        whole, rest = divmod(self._planned - self._position, self.batch_size)
        self._left = whole + (rest > 1 or (rest == 1 and whole == 0))  # steps in this epoch; see Change.batch_size
        self.steps = self.step + self._left + (self.recipe.epochs - self.epoch) * self.steps_per_epoch
        self._every = max(1, min(VAL_STEPS, self.steps // 8))

    def _begin_epoch(self) -> None:
        self.epoch += 1
        self._order_state = self._generators["order"].get_state()
        self._order = torch.randperm(len(self.targets), generator=self._generators["order"])
        self._position, self._planned = 0, self.steps_per_epoch * self.batch_size
        self._left = self.steps_per_epoch

    def _next_batch(self) -> Tensor:
        if self._left == 0:
            self._begin_epoch()
        begin = self._position
        self._position = begin + self.batch_size if self._left > 1 else self._planned
        self._left -= 1
        return self._order[begin : self._position]

    # -- changes and checkpoints ----------------------------------------------------------------------------------

    def apply(self, change: Mapping[str, Any] | Change) -> Applied:
        """Change the run before its next step, and return the change with the step after which it was made.

        The same changes at the same steps give the same bits. See ``Change`` for what each field does.

        Raises:
            RecipeError, BudgetError: the change is not one, or cannot be trained with; nothing has changed then.
            RunError: the run has no further step.
        """
        change = Change.of(change)
        if self.step == self.steps:
            raise RunError("this run has done its last step; nothing can be changed any more")
        recipe = change.recipe(self.recipe)
        change.check_layers(self.architecture)
        if change.batch_size is not None:
            check_trainable(self.architecture, self.dataset, recipe)
        if change.frozen is not None:
            self._freeze(change.frozen)
        for name, p in (change.dropout or {}).items():
            self._set_dropout(name, p)
        self.recipe = recipe
        follow(self._optimizer, recipe)
        self._plan()
        applied = Applied(step=self.step, change=change)
        self.changes = (*self.changes, applied)
        return applied

    def replay(self, changes: Iterable[Applied]) -> None:
        """Let ``events()`` make the rest of ``changes`` by itself, each at its step.

        Args:
            changes: all that were ever made to the run, in order, those that this one already knows first.

        Raises:
            RunError: these are the changes of another run, or one of them is of a step that has passed.
        """
        changes = tuple(changes)
        known, ahead = changes[: len(self.changes)], changes[len(self.changes) :]
        steps = [self.step, *(applied.step for applied in ahead)]
        if known != self.changes or steps != sorted(steps):
            raise RunError("these changes do not continue those of this run; replay the ones of the run itself")
        self._ahead = deque(ahead)

    def checkpoint(self) -> Checkpoint:
        """Return copies of all that the run goes on from: ``restore`` gives a run with the same bits from here on.

        A look at the validation images or a test that is under way will then be begun anew.
        """
        standing = Standing(
            data=self.dataset.name,
            data_hash=self.dataset.hash,
            recipe=self.begun_with,
            changes=self.changes,
            dropout=self.dropout,
            frozen=self.frozen,
            step=self.step,
            epoch=self.epoch,
            position=self._position,
            planned=self._planned,
            due=self._due,
            tested=self._tested,
        )
        tensors = {f"weights/{name}": tensor for name, tensor in self.state().items()}
        for name, tensor in remembered(self.network, self._optimizer).items():
            tensors[f"optimizer/{name}"] = tensor.detach().clone(memory_format=torch.contiguous_format)
        states = {name: generator.get_state() for name, generator in self._generators.items()}
        states["order"] = self._order_state.clone() if self.epoch else states["order"]
        return Checkpoint(standing, {**tensors, **{f"generator/{name}": state for name, state in states.items()}})

    @classmethod
    def restore(
        cls, architecture: Architecture, dataset: DataSet, checkpoint: Checkpoint, recipe: Recipe | None = None
    ) -> Training:
        """Return a run that stands where ``checkpoint`` was taken.

        Without ``recipe`` it is the same run: its events and weights go on to the bit as if it had never been left.

        With ``recipe`` it is a branch: same weights, same place in the order of images, then on as ``recipe`` says
        (as after a change of all its fields at once). What the optimizer remembers is kept where it is the same
        optimizer; with another seed, chance is new from here on, except for the order of the epoch that has begun.

        Raises:
            RunError: the checkpoint is of other data or of another network, or contradicts itself.
            RecipeError: the branch's recipe takes other images, or ends before the checkpoint.
            Also what ``Training`` raises.
        """
        standing = checkpoint.standing
        if standing.data_hash != dataset.hash:
            raise RunError(
                "this checkpoint learns from {data}, but with other content; go on with the very same data",
                data=standing.data or "-",
            )
        if recipe is not None:
            _check_branch(standing, dataset, recipe)
        training = cls(architecture, dataset, recipe or standing.recipe)
        training._take(checkpoint, branch=recipe is not None)
        return training

    def _take(self, checkpoint: Checkpoint, branch: bool) -> None:
        standing = checkpoint.standing
        check_tensors(checkpoint.weights, self.network.state_dict())
        with torch.no_grad():
            for name, tensor in self.network.state_dict().items():
                tensor.copy_(checkpoint.weights[name])
        if not branch:
            for applied in standing.changes:
                self.recipe = applied.change.recipe(self.recipe)
            self.changes = standing.changes
            check_trainable(self.architecture, self.dataset, self.recipe)
        self._optimizer = make_optimizer(self._learning, self.recipe)
        if self.recipe.optimizer == standing.recipe.optimizer:
            remember(self.network, self._optimizer, self.recipe, checkpoint.under("optimizer"))
        if branch:
            follow(self._optimizer, self.recipe)
        self._take_chance(checkpoint, new=self.recipe.seed != standing.recipe.seed)
        self._take_place(standing)
        Change.model_construct(dropout=standing.dropout, frozen=standing.frozen).check_layers(self.architecture)
        for name, p in standing.dropout.items():
            self._set_dropout(name, p)
        self._freeze(standing.frozen)

    def _take_chance(self, checkpoint: Checkpoint, new: bool) -> None:
        """Draw the present epoch's order again, and go on with each generator, unless it is ``new``."""
        states = checkpoint.under("generator")
        order = torch.Generator()
        set_generator(order, states.get("order"))
        self._order_state = order.get_state()
        if checkpoint.epoch:
            self._order = torch.randperm(len(self.targets), generator=order)
        if not new:
            self._generators["order"].set_state(order.get_state())
            set_generator(self._generators["augmentation"], states.get("augmentation"))
            set_generator(self._generators["dropout"], states.get("dropout"))

    def _take_place(self, standing: Standing) -> None:
        inside = standing.position <= standing.planned <= len(self.targets) and standing.epoch <= self.recipe.epochs
        begun = standing.epoch > 0 or standing.planned == 0
        if not (inside and begun):
            raise RunError("this checkpoint contradicts itself: its place is outside the run")
        self.step, self.epoch = standing.step, standing.epoch
        self._position, self._planned = standing.position, standing.planned
        self._due, self._tested = standing.due, standing.tested
        self._plan()

    def _children(self) -> list[tuple[str, nn.Module]]:
        return list(self.network.named_children())

    def _set_dropout(self, name: str, p: float) -> None:
        module = self.network.get_submodule(name)
        assert isinstance(module, GeneratorDropout)  # Change.check_layers has looked
        module.p = self.dropout[name] = p

    def _freeze(self, names: tuple[str, ...]) -> None:
        """Let just the layers ``names`` stand still, beside the filters that whitening has fixed."""
        still = {id(p) for name, module in self._children() if name in names for p in module.parameters()}
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

    # -- what others read -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Return copies of all parameters and buffers as they are now; training does not change them any more."""
        return {
            name: tensor.detach().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.network.state_dict().items()
        }

    def description(self, name: str = "", **result: Any) -> ModelDescription:
        """Return what a model with the present weights says of itself; ``result`` adds to what came of the run."""
        log = [{"step": applied.step, **applied.change.values()} for applied in self.changes]
        changes = {"changes": log} if log else {}
        about = ModelAbout(
            name=name or self.architecture.name,
            data=self.dataset.name,
            data_hash=self.dataset.hash,
            recipe=self.begun_with.model_dump(mode="json"),
            result={"step": self.step, "steps": self.steps, **changes, **result},
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
        images = augment(self.images.index_select(0, index), self.recipe.augmentation, self._generators["augmentation"])
        return self.input_of(images), self.targets.index_select(0, index)

    def _train_step(self, index: Tensor) -> TrainEvent:
        x, targets = self._batch(index)
        total = self.recipe.epochs * self.steps_per_epoch  # had the batch size always been the present one
        at = max(0, total - (self.steps - self.step))
        lr = learning_rate(self.recipe, at, total, self.steps_per_epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        loss, acc = self.update(x, targets)
        self.step += 1
        if self._left == 0:
            self._due = "some" if self.recipe.full_train else "all"
        elif self.step % self._every == 0 and self._left >= self._every // 2:
            self._due = "some"
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
        self._due = "none"
        yield ValEvent(self.step, total / len(split), right / len(split), whole, name)

    @torch.no_grad()
    def _look(self, images: Tensor) -> Tensor:
        """Return the logits of uint8 ``images`` in evaluation mode, at the recipe's precision."""
        self.network.eval()
        try:
            with self._autocast():
                return self.network.logits(self.input_of(images)).float()
        finally:
            self._to_learn()

    def _test(self) -> Iterator[Event]:
        """Judge the finished model in float32, with the mirrored view if it has one: the numbers of its own probs."""
        model, split = self.model(), self.dataset.test
        total, right = 0.0, 0
        for images, targets in _parts(split):
            log_probs = model.logits(images).double().log_softmax(1)
            total -= log_probs.gather(1, targets[:, None]).sum().item()
            right += int((log_probs.argmax(1) == targets).sum())
            yield LookEvent(self.step, len(targets))
        self._tested = True
        yield TestEvent(self.step, total / len(split), right / len(split))


def _parts(split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(split.images.split(_EVAL_BATCH), split.targets.split(_EVAL_BATCH))


def _check_branch(standing: Standing, dataset: DataSet, recipe: Recipe) -> None:
    """Raise RecipeError unless a run with ``recipe`` can go on from where another one stands."""
    same = ("limit_train", "full_train", "whiten")
    for name in same:
        before, after = getattr(standing.recipe, name), getattr(recipe, name)
        if before != after:
            raise RecipeError(
                "{name}: a branch goes on with the images and the fixed filters of its parent, {before}; start a new "
                "run for {after}",
                name=name,
                before=str(before),
                after=str(after),
            )
    if recipe.epochs < standing.epoch:
        raise RecipeError(
            "epochs: {given} is too small; the checkpoint is in epoch {epoch}, use {epoch} or more",
            given=recipe.epochs,
            epoch=standing.epoch,
        )
