"""``Change``: what may be changed in a run between two steps, as plain values (no torch here: pages read it too)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Dropout, Dropout2d
from cnnlab.data.augmentation import Augmentation
from cnnlab.errors import RecipeError
from cnnlab.i18n import N_
from cnnlab.training.recipe import HAS_MOMENTUM, LayerName, Recipe, check_layer_rates
from cnnlab.validation import first_finding

LIVE_FIELDS = (
    "lr",
    "layer_lr",
    "momentum",
    "nesterov",
    "weight_decay",
    "l1",
    "clip_norm",
    "batch_size",
    "augmentation",
    "mixup",
)
"""The fields of a recipe that may change while a run learns; their ranges are the recipe's own."""

Share = Annotated[float, Field(ge=0, lt=1)]


class Change(BaseModel):
    """One change of a run, made between two steps; what is None stays as it is.

    Attributes:
        lr: the recipe's learning rate. The schedule keeps its shape and its place and is scaled by the new number:
            halving ``lr`` in the middle of a cosine halves every learning rate from here on. What a plateau has taken
            off stays off.
        layer_lr: the factors of all layers from here on; an empty map sets each to 1.
        momentum, nesterov, weight_decay, l1, clip_norm, mixup: as in the recipe. Momentum 0 forgets the direction kept so far.
        batch_size: from the next step on. The images that this epoch still has to see are cut anew: none is left out
            or seen twice; the last batch of the epoch may then be smaller (or larger by one, where one image would
            be left alone). Later epochs have whole batches only, as ever.
        augmentation: the whole of it; a field that is left out is off.
        dropout: a layer's name and its new ``p``, for some of the dropout layers or all.
        frozen: the names of all layers that are to stand still from now on, parameters and running statistics; an
            empty list frees them all. A frozen BatchNorm2d divides by its running statistics. What the optimizer
            remembers of a frozen layer waits for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lr: float | None = None
    layer_lr: dict[LayerName, float] | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    weight_decay: float | None = None
    l1: float | None = None
    clip_norm: float | None = None
    batch_size: int | None = None
    augmentation: Augmentation | None = None
    mixup: float | None = None
    dropout: dict[str, Share] | None = Field(
        None, title=N_("Dropout of each layer"), description=N_("The share that a dropout layer sets to zero.")
    )
    frozen: tuple[str, ...] | None = Field(
        None,
        max_length=200,
        title=N_("Frozen layers"),
        description=N_("Layers whose weights stay as they are while the others learn."),
    )

    @model_validator(mode="after")
    def _says_something(self) -> Change:
        if not self.values():
            raise RecipeError("this change changes nothing; name a field, for example lr")
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any] | Change) -> Change:
        """Return the change that ``values`` describe.

        Raises:
            RecipeError: a field that is unknown or no value for it, or none at all.
        """
        if isinstance(values, Change):
            return values
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise RecipeError("change: {finding}", finding=first_finding(error)) from error

    @classmethod
    def between(cls, before: Recipe, after: Recipe) -> Change | None:
        """Return what leads from one recipe to another as far as it can change live, or None where that is nothing."""
        changed = {name: getattr(after, name) for name in LIVE_FIELDS if getattr(after, name) != getattr(before, name)}
        return cls(**changed) if changed else None

    def values(self) -> dict[str, Any]:
        """Return the fields that the change sets, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True)

    def recipe(self, before: Recipe) -> Recipe:
        """Return the recipe that is in force after this change of ``before``.

        Raises:
            RecipeError: a value out of its range, or one that does not go with the rest.
        """
        if self.momentum is not None and before.optimizer not in HAS_MOMENTUM:
            raise RecipeError(
                "momentum: {optimizer} has none to set; it belongs to sgd and rmsprop", optimizer=before.optimizer
            )
        return before.changed(**{name: value for name, value in self.values().items() if name in LIVE_FIELDS})

    def check_layers(self, architecture: Architecture) -> None:
        """Raise RecipeError where a layer that is named is not there, or has nothing to set."""
        check_layer_rates(architecture, self.layer_lr or ())
        drops = [row.name for row in architecture.trace().rows if isinstance(row.layer, (Dropout, Dropout2d))]
        for name in self.dropout or ():
            if name not in drops:
                raise RecipeError(
                    "dropout: {name} is no dropout layer of this network; it has {known}",
                    name=name[:80],
                    known=", ".join(drops) or "-",
                )
        learning = [row.name for row in architecture.trace().rows if row.num_params]
        for name in self.frozen or ():
            if name not in learning:
                raise RecipeError(
                    "frozen: {name} is no layer with weights in this network; it has {known}",
                    name=name[:80],
                    known=", ".join(learning),
                )
        if self.frozen and set(learning) <= set(self.frozen):
            raise RecipeError("frozen: with every layer frozen nothing is left to learn; leave one free")


class Applied(BaseModel):
    """A change and when it was made: after ``step`` steps, before the next.

    Attributes:
        inherited: True for what a branch found already made; nobody has made it in this run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=0)
    change: Change
    inherited: Literal[True] | None = None
