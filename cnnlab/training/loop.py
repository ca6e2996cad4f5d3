"""The training loop: a generator of events, without thread, files or clock of its own.

    for event in Training(architecture, dataset, recipe).events():   # the next step is done when the next is asked for
        ...

Whoever iterates decides: not asking is a pause, closing the generator is a stop. All chance comes from generators of
the run's own, one for each purpose, so that the same recipe on the same data gives the same numbers to the bit on one
machine, whatever else runs beside it (with the same number of torch threads; the caller sets those).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.data.dataset import DataSet, Split
from cnnlab.description import ModelAbout, ModelDescription
from cnnlab.errors import RunError
from cnnlab.model import Model
from cnnlab.training.change import Applied, Change
from cnnlab.training.checkpoint import Checkpoint, Standing, check_tensors, set_generator
from cnnlab.training.checks import check_branch, check_trainable, part_size
from cnnlab.training.events import DIVERGED, Event, LookEvent, TestEvent, TrainEvent, ValEvent
from cnnlab.training.images import count_images, count_steps, generator_for, some, training_split
from cnnlab.training.learner import Learner
from cnnlab.training.losses import loss_of
from cnnlab.training.optim import follow, learning_rate, make_optimizer, remember, remembered, set_layer_rates
from cnnlab.training.order import Order
from cnnlab.training.patience import Verdict
from cnnlab.training.recipe import Recipe
from cnnlab.training.threads import wide
from cnnlab.training.watching import Watcher

__all__ = [
    "Training",
    "check_trainable",
    "count_images",
    "count_steps",
    "generator_for",
    "some",
    "training_split",
]

VAL_IMAGES = 1_000
"""How many images, always the same, the quick validation looks at."""

VAL_STEPS = 400
"""After how many steps it does so; more often where the run is short."""

_EVAL_BATCH = 500


class Training(Learner):
    """One run as a value that ``events()`` moves forward; between two events it stands still.

    There, and only there, it can be read, changed (``apply``) and kept (``checkpoint``); one thread at a time.

    Attributes:
        recipe: the one in force; ``begun_with`` is the one at the start, ``changes`` what was changed since.
        step: optimizer updates done.
        steps: those of the whole run, as far as is known now: another batch size or early stopping changes it.
        verdict: what the looks at the validation images have decided.
        network: the module that learns; never look into it from elsewhere, ask ``model()``.
        monitor: who watches some of the steps, if anybody; ``events()`` tells what was seen.
        watched: what an earlier watcher of the same run remembered (``Watcher.memory``); empty at the beginning.

    Raises:
        ShapeError, ArchitectureError, DataError, BudgetError: the network cannot run, or not on this data.
        RecipeError: the recipe does not go with the network.
    """

    def __init__(self, architecture: Architecture, dataset: DataSet, recipe: Recipe) -> None:
        check_trainable(architecture, dataset, recipe)
        super().__init__(architecture, dataset, recipe)
        self.begun_with = recipe
        self.changes: tuple[Applied, ...] = ()
        self._ahead: deque[Applied] = deque()
        self._order = Order(len(self.targets), self._generators["order"])
        self._judged = Split(self.images, self.targets) if recipe.full_train else dataset.val
        self._glance = some(self._judged, VAL_IMAGES)
        self.step = 0
        self.verdict = Verdict()
        self._best: dict[str, Tensor] = {}
        self._due: Literal["none", "some", "all"] = "none"
        self._tested = False
        self._reseeded: int | None = None
        self.monitor: Watcher | None = None
        self.watched: Mapping[str, Tensor] = {}
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
            yield self._train_step()
            if self.monitor is not None and (seen := self.monitor.take()) is not None:
                yield seen
        if not self._tested:
            yield from self._test()

    @property
    def epoch(self) -> int:
        """Epochs begun."""
        return self._order.epoch

    @property
    def batch_size(self) -> int:
        """Images of a step."""
        return self._order.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the training images; the rest of an epoch's order is left out."""
        return self._order.per_epoch

    @property
    def weights_step(self) -> int:
        """The step whose weights ``state`` and ``model`` give: the present one, at the end the one that val chose."""
        over = self.step == self.steps and self._due == "none"
        return self.verdict.best_step if over and self._best and self.verdict.best_step is not None else self.step

    def _plan(self) -> None:
        """Count anew what is still to do."""
        self._order.cut(self.recipe.batch_size)
        self._part = part_size(self.architecture, self.batch_size + 1)
        self.steps = self.step + (0 if self.verdict.ended else self._order.steps_left(self.recipe.epochs))
        self._every = max(1, min(VAL_STEPS, self.steps // 8))

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
            self.freeze(change.frozen)
        for name, p in (change.dropout or {}).items():
            self._drops[name].p = p
        self.recipe = recipe
        follow(self._optimizer, recipe)
        if change.layer_lr is not None:
            set_layer_rates(self._optimizer, self.network, recipe)
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
            position=self._order.position,
            planned=self._order.planned,
            due=self._due,
            verdict=self.verdict,
            tested=self._tested,
        )
        tensors = {f"weights/{name}": tensor for name, tensor in _copies(self.network.state_dict()).items()}
        tensors |= {f"best/{name}": tensor for name, tensor in _copies(self._best).items()}
        for name, tensor in _copies(remembered(self.network, self._optimizer)).items():
            tensors[f"optimizer/{name}"] = tensor
        memory = self.watched if self.monitor is None else self.monitor.memory()
        tensors |= {f"watched/{name}": tensor for name, tensor in memory.items()}
        states = {name: generator.get_state() for name, generator in self._generators.items()}
        if self.epoch:
            states["order"] = self._order.state.clone()
        if self.epoch and self.epoch == self._reseeded:
            states["order-next"] = self._generators["order"].get_state()
        return Checkpoint(standing, {**tensors, **{f"generator/{name}": state for name, state in states.items()}})

    @classmethod
    def restore(
        cls, architecture: Architecture, dataset: DataSet, checkpoint: Checkpoint, recipe: Recipe | None = None
    ) -> Training:
        """Return a run that stands where ``checkpoint`` was taken.

        Without ``recipe`` it is the same run: its events and weights go on to the bit as if it had never been left.

        With ``recipe`` it is a branch: same weights, same place in the order of images, then on as ``recipe`` says
        (as after a change of all its fields at once). Layers that stood still, and shares of dropout that are not the
        architecture's, stay as they were: the first of the branch's own ``changes`` says so. What the optimizer
        remembers is kept where it is the same optimizer; with another seed, chance is new from here on, except for
        the order of the epoch that has begun.

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
            check_branch(standing, recipe)
        training = cls(architecture, dataset, recipe or standing.recipe)
        training._take(checkpoint, branch=recipe is not None)
        return training

    def _take(self, checkpoint: Checkpoint, branch: bool) -> None:
        standing, wanted = checkpoint.standing, self.network.state_dict()
        check_tensors(checkpoint.weights, wanted)
        for name, tensor in wanted.items():
            tensor.copy_(checkpoint.weights[name])
        if not branch:
            for applied in standing.changes:
                self.recipe = applied.change.recipe(self.recipe)
            self.changes = standing.changes
            check_trainable(self.architecture, self.dataset, self.recipe)
        self._take_memory(checkpoint, branch)
        self.watched = checkpoint.under("watched")
        self._take_place(standing, branch)
        self._take_chance(checkpoint, new=self.recipe.seed != standing.recipe.seed)
        Change.model_construct(dropout=standing.dropout, frozen=standing.frozen).check_layers(self.architecture)
        if branch:
            self.changes = self._inherited(standing)
        for name, p in standing.dropout.items():
            self._drops[name].p = p
        self.freeze(standing.frozen)
        self._plan()

    def _inherited(self, standing: Standing) -> tuple[Applied, ...]:
        """Return what a branch takes over that no recipe and no architecture says, as its first change; () for nothing."""
        built = self.dropout
        drops = {name: p for name, p in standing.dropout.items() if built[name] != p}
        if not drops and not standing.frozen:
            return ()
        found = Change(dropout=drops or None, frozen=standing.frozen or None)
        return (Applied(step=standing.step, change=found, inherited=True),)

    def _take_memory(self, checkpoint: Checkpoint, branch: bool) -> None:
        """Take over what optimizer and validation remember, as far as the recipe in force has a use for it."""
        before, verdict = checkpoint.recipe, checkpoint.standing.verdict
        self._optimizer = make_optimizer(self._learning, self.recipe)
        set_layer_rates(self._optimizer, self.network, self.recipe)
        if self.recipe.optimizer == before.optimizer:
            remember(self.network, self._optimizer, self.recipe, checkpoint.under("optimizer"))
        if branch:
            follow(self._optimizer, self.recipe)
            verdict = verdict.carried(before, self.recipe)
        if verdict.best_step is not None:
            check_tensors(checkpoint.under("best"), self.network.state_dict())
            self._best = _copies(checkpoint.under("best"))
        self.verdict = verdict

    def _take_place(self, standing: Standing, branch: bool) -> None:
        if standing.epoch > self.recipe.epochs:
            raise RunError("this checkpoint contradicts itself: its place is outside the run")
        self.step, self._due = standing.step, standing.due
        self._tested = standing.tested and not branch

    def _take_chance(self, checkpoint: Checkpoint, new: bool) -> None:
        """Draw the present epoch's order again, and go on with each generator, unless it is to be ``new``."""
        states, standing, drawn_from = checkpoint.under("generator"), checkpoint.standing, torch.Generator()
        set_generator(drawn_from, states.get("order"))
        self._order.go_to(standing.epoch, standing.position, standing.planned, drawn_from)
        kept = states.get("order-next")
        self._reseeded = standing.epoch if new or kept is not None else None
        if not new:
            self._generators["order"].set_state(drawn_from.get_state())
            if kept is not None:
                set_generator(self._generators["order"], kept)
            for name in ("augmentation", "dropout"):
                set_generator(self._generators[name], states.get(name))

    # -- what others read -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Return copies of all parameters and buffers at ``weights_step``; training does not change them any more."""
        return _copies(self._weights())

    def _weights(self) -> Mapping[str, Tensor]:
        return self._best if self.weights_step != self.step else self.network.state_dict()

    def description(self, name: str = "", **result: Any) -> ModelDescription:
        """Return what a model with the weights of ``weights_step`` says of itself; ``result`` adds to what came of the run."""
        log = [{"step": applied.step, **applied.change.values()} for applied in self.changes]
        changes = {"changes": log} if log else {}
        about = ModelAbout(
            name=name or self.architecture.name,
            data=self.dataset.name,
            data_hash=self.dataset.hash,
            recipe=self.begun_with.model_dump(mode="json"),
            result={"step": self.weights_step, "steps": self.steps, **changes, **result},
            mirror=self.recipe.mirror,
        )
        return ModelDescription(
            architecture=self.architecture,
            preprocessing=self.preprocessing,
            class_names=self.dataset.class_names,
            about=about,
        )

    def model(self, name: str = "", **result: Any) -> Model:
        """Return the model at ``weights_step``, with weights of its own."""
        return Model(self.description(name, **result), self._weights())

    def learn_next(self, lr: float) -> tuple[float, float]:
        """Make the next batch's step at ``lr``, whatever the schedule says; return loss and accuracy before it.

        For a copy that is thrown away: no step is counted, and nothing is judged.
        """
        return self.learn(self._order.next(), lr)

    def _watched(self) -> AbstractContextManager[Callable[[], None] | None]:
        if self.monitor is None or not self.monitor.wants(self.step + 1):
            return nullcontext()
        return self.monitor.look(self.step + 1)

    def _train_step(self) -> TrainEvent:
        total = self.recipe.epochs * self.steps_per_epoch  # had the batch size always been the present one
        at = max(0, total - (self.steps - self.step))
        lr = learning_rate(self.recipe, at, total, self.steps_per_epoch) * self.verdict.scale
        index = self._order.next()
        with self._watched() as seen:
            loss, acc = self.learn(index, lr, seen)
        self.step += 1
        if self._order.left == 0:
            self._due = "some" if self.recipe.full_train else "all"
        elif self.step % self._every == 0 and self._order.left >= self._every // 2:
            self._due = "some"
        if not math.isfinite(loss):
            raise RunError(
                DIVERGED,
                loss=str(loss),
                step=self.step,
                lr=self.recipe.lr / 10,
                given=self.recipe.lr,
            )
        return TrainEvent(self.step, self.epoch, loss, acc, len(index), lr)

    def _validate(self, whole: bool) -> Iterator[Event]:
        split = self._judged if whole else self._glance
        total, right = 0.0, 0
        for images, targets in _parts(split):
            logits = self.look(images)
            loss = loss_of(logits, targets, self.recipe, self.architecture.ends_in_softmax)
            total += loss.item() * len(targets)
            right += int((logits.argmax(1) == targets).sum())
            yield LookEvent(self.step, len(targets))
        name = "train" if self.recipe.full_train else "val"
        self._due = "none"
        if whole:
            self._decide(total / len(split))
        yield ValEvent(self.step, total / len(split), right / len(split), whole, name)

    def _decide(self, loss: float) -> None:
        """Follow what ``loss`` on the whole validation set means for the rest of the run."""
        self.verdict = self.verdict.after(loss, self.step, self.recipe)
        if self.verdict.best_step == self.step:
            self._best = _copies(self.network.state_dict())
        if self.verdict.ended:
            self._plan()

    def _test(self) -> Iterator[Event]:
        """Judge the finished model in float32, with the mirrored view if it has one: the numbers of its own probs."""
        model, split = self.model(), self.dataset.test
        total, right = 0.0, 0
        for images, targets in _parts(split):
            log_probs = wide(self.recipe.threads, model.logits, images).double().log_softmax(1)
            total -= log_probs.gather(1, targets[:, None]).sum().item()
            right += int((log_probs.argmax(1) == targets).sum())
            yield LookEvent(self.step, len(targets))
        self._tested = True
        yield TestEvent(self.weights_step, total / len(split), right / len(split))


def _parts(split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(split.images.split(_EVAL_BATCH), split.targets.split(_EVAL_BATCH))


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
