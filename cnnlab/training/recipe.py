"""``Recipe``: everything a run is asked to do, in one validated record (no torch here: pages read it too)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cnnlab.data.augmentation import Augmentation
from cnnlab.errors import RecipeError
from cnnlab.i18n import N_
from cnnlab.validation import first_finding

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture

Optimizer = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad"]
HAS_MOMENTUM: frozenset[str] = frozenset({"sgd", "rmsprop"})
"""The optimizers that ``momentum`` means something to."""

ADAPTIVE: frozenset[str] = frozenset({"adam", "adamw", "rmsprop", "adagrad"})
"""Those that divide each weight's step by the size of its own gradients, so that a learning rate means the same to all."""

Schedule = Literal["constant", "step", "cosine", "one_cycle", "triangular", "reduce_on_plateau"]
Loss = Literal["cross_entropy", "mse"]
Precision = Literal["auto", "float32", "bfloat16"]
MemoryFormat = Literal["auto", "contiguous", "channels_last"]
LayerName = Annotated[str, Field(max_length=200)]

LABELS: dict[str, str] = {
    "sgd": N_("SGD"),
    "adam": N_("Adam"),
    "adamw": N_("AdamW"),
    "rmsprop": N_("RMSprop"),
    "adagrad": N_("Adagrad"),
    "constant": N_("constant"),
    "step": N_("in steps"),
    "cosine": N_("cosine"),
    "one_cycle": N_("one cycle"),
    "triangular": N_("triangular"),
    "reduce_on_plateau": N_("smaller when stuck"),
    "cross_entropy": N_("cross-entropy"),
    "mse": N_("mean squared error"),
    "auto": N_("automatic"),
    "float32": N_("float32"),
    "bfloat16": N_("bfloat16"),
    "contiguous": N_("channel by channel"),
    "channels_last": N_("channels last"),
}
"""What a person reads for each choice; the keys are the values that a recipe holds."""


class Recipe(BaseModel):
    """How a network is trained. Frozen; ``changed`` returns a copy, ``Recipe.of`` raises ``RecipeError``.

    ``precision``, ``memory_format`` and ``threads`` may be left to the machine (``auto``, 0); the engine writes what
    it chose into the recipe of each run, so that a finished run's recipe holds no "auto" and repeats to the bit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(
        3, ge=1, le=200, title=N_("Epochs"), description=N_("How often the network sees the whole training set.")
    )
    batch_size: int = Field(
        64,
        ge=1,
        le=10_000_000,
        title=N_("Batch size"),
        description=N_(
            "How many images are looked at before the weights change once (one step). 1: stochastic; as many as there "
            "are, or more: the whole set at once."
        ),
    )
    optimizer: Optimizer = Field(
        "adam",
        title=N_("Optimizer"),
        description=N_("The rule that turns gradients into new weights."),
    )
    lr: float = Field(
        1e-3,
        gt=0,
        le=10,
        title=N_("Learning rate"),
        description=N_("How far each step goes. Too small: it crawls; too large: it jumps past the goal."),
    )
    layer_lr: dict[LayerName, float] = Field(
        {},
        max_length=500,
        title=N_("Learning rate of single layers"),
        description=N_("By what the learning rate is multiplied in a layer: conv1=0.1. Layers not named: 1."),
    )
    momentum: float = Field(
        0.0,
        ge=0,
        le=0.999,
        title=N_("Momentum"),
        description=N_("How much of the last step's direction is kept (SGD and RMSprop only)."),
    )
    nesterov: bool = Field(
        False,
        title=N_("Nesterov"),
        description=N_("Look ahead along the momentum before taking the gradient (SGD with momentum only)."),
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        le=1,
        title=N_("Weight decay"),
        description=N_("How strongly each step pulls the weights towards zero."),
    )
    l1: float = Field(
        0.0,
        ge=0,
        le=1,
        title=N_("L1 penalty"),
        description=N_(
            "Pulls every weight towards zero equally hard, large or small, so that many end at it. No biases."
        ),
    )
    clip_norm: float = Field(
        0.0,
        ge=0,
        le=1000,
        title=N_("Gradient clipping"),
        description=N_("A gradient longer than this is shortened to it, so that no single step goes far; 0: never."),
    )
    schedule: Schedule = Field(
        "constant",
        title=N_("Schedule"),
        description=N_("How the learning rate changes during the run."),
    )
    step_epochs: int = Field(
        1,
        ge=1,
        le=200,
        title=N_("Epochs per stair"),
        description=N_("Schedule in steps: after how many epochs the learning rate drops."),
    )
    step_factor: float = Field(
        0.1,
        gt=0,
        le=1,
        title=N_("Factor per stair"),
        description=N_("Schedule in steps: what the learning rate is multiplied by at each drop."),
    )
    warmup: float = Field(
        0.3,
        gt=0,
        lt=1,
        title=N_("Rising part"),
        description=N_("One cycle and triangular: the part of the run in which the learning rate rises."),
    )
    warmup_epochs: float = Field(
        0.0,
        ge=0,
        le=100,
        title=N_("Warm-up, epochs"),
        description=N_(
            "For so many epochs (0.5: half of one) the learning rate first rises in a straight line. One cycle and "
            "triangular rise anyway."
        ),
    )
    plateau_factor: float = Field(
        0.1,
        gt=0,
        lt=1,
        title=N_("Factor when stuck"),
        description=N_("Schedule smaller when stuck: what the learning rate is multiplied by."),
    )
    plateau_patience: int = Field(
        2,
        ge=0,
        le=100,
        title=N_("Patience when stuck, epochs"),
        description=N_(
            "Schedule smaller when stuck: how many epochs in a row may bring no smaller loss on the validation set."
        ),
    )
    early_stopping: int = Field(
        0,
        ge=0,
        le=100,
        title=N_("Early stopping, epochs"),
        description=N_(
            "End the run after so many epochs without a smaller loss on the validation set, and keep the weights of the "
            "best one; 0: never."
        ),
    )
    loss: Loss = Field(
        "cross_entropy",
        title=N_("Loss"),
        description=N_("What the network is punished for: the number that training makes small."),
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        le=0.9,
        title=N_("Label smoothing"),
        description=N_("The share of each target that is spread over all classes (cross-entropy only)."),
    )
    augmentation: Augmentation = Field(
        default_factory=Augmentation,
        title=N_("Augmentation"),
        description=N_("How each training image is varied anew each time it is seen."),
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=4,
        title=N_("Mixup"),
        description=N_(
            "Lay two training images over each other, and ask for both classes by the same shares. 0: never; 0.2: mostly "
            "one of the two; 1: any share."
        ),
    )
    whiten: bool = Field(
        False,
        title=N_("Whitening first layer"),
        description=N_("Fix the first convolution to filters that remove what neighbouring pixels have in common."),
    )
    mirror: bool = Field(
        False,
        title=N_("Mirrored view"),
        description=N_("When tested, look at each image and its mirror image, and average the two answers."),
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title=N_("Seed"),
        description=N_("The number that all chance in the run is drawn from: the same seed, the same run."),
    )
    precision: Precision = Field(
        "auto",
        title=N_("Precision"),
        description=N_("How finely numbers are kept while computing. Automatic: what this machine does faster."),
    )
    memory_format: MemoryFormat = Field(
        "auto",
        title=N_("Memory format"),
        description=N_("The order in which an image's numbers lie in memory. It changes the speed, not the meaning."),
    )
    threads: int = Field(
        0,
        ge=0,
        le=64,
        title=N_("Threads"),
        description=N_("How many processor cores one step uses; 0 leaves it to the machine."),
    )
    limit_train: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        title=N_("Training images at most"),
        description=N_("Use only so many of the training images; empty means all."),
    )
    limit_per_class: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        title=N_("Training images of each class at most"),
        description=N_("Use only the first so many training images of each class; empty means all."),
    )
    full_train: bool = Field(
        False,
        title=N_("Train on the validation images too"),
        description=N_("Learn from every training image. The live curve then uses training images only."),
    )

    @field_validator("layer_lr")
    @classmethod
    def _positive(cls, factors: dict[str, float]) -> dict[str, float]:
        for name, factor in factors.items():
            if factor == 0:
                raise RecipeError("layer_lr: {name} would never change with 0; freeze it instead", name=name[:80])
            if not 0 < factor <= 1000:
                raise RecipeError(
                    "layer_lr: {name} has {factor:g}; use a factor above 0 and at most 1000, for example 0.1",
                    name=name[:80],
                    factor=factor,
                )
        return {name: factors[name] for name in sorted(factors) if factors[name] != 1}

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise RecipeError(
                "nesterov: it needs SGD with momentum; use optimizer sgd and momentum 0.9, or switch nesterov off"
            )
        if self.loss == "mse" and self.label_smoothing:
            raise RecipeError(
                "label_smoothing: {value} has no meaning with mse; use 0, or the loss cross_entropy",
                value=self.label_smoothing,
            )
        if self.warmup_epochs and self.schedule in ("one_cycle", "triangular"):
            raise RecipeError(
                "warmup_epochs: the schedule {schedule} rises by itself; set warmup, or use warmup_epochs 0",
                schedule=self.schedule,
            )
        if self.limit_train is not None and self.limit_per_class is not None:
            raise RecipeError("limit_per_class: use it or limit_train, not both; leave one of them empty")
        if self.full_train and (self.early_stopping or self.schedule == "reduce_on_plateau"):
            raise RecipeError(
                "full_train: no image is left to judge by, as early_stopping and reduce_on_plateau do; switch full_train "
                "off, or use early_stopping 0 and another schedule"
            )
        return self

    def __hash__(self) -> int:
        """Return the same for recipes that are equal; a map of factors has no hash of its own."""
        return hash(tuple(tuple(v.items()) if isinstance(v, dict) else v for v in self.__dict__.values()))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that ``values`` describe; what they leave out has its default.

        Raises:
            RecipeError: a field that is unknown, out of its range, or does not go with another.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise RecipeError("recipe: {finding}", finding=first_finding(error)) from error

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Return the recipe in ``text``.

        Raises:
            RecipeError: the text is not JSON, or not a recipe.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RecipeError("recipe: {finding}", finding=first_finding(error)) from error

    def changed(self, **fields: Any) -> Recipe:
        """Return a copy with ``fields`` replaced, checked as a whole.

        Raises:
            RecipeError: as ``of``.
        """
        return Recipe.of({**self.model_dump(), **fields})


def check_layer_rates(architecture: Architecture, names: Iterable[str]) -> None:
    """Raise RecipeError where ``layer_lr`` names a layer that is not there, or has nothing to learn."""
    learning = [row.name for row in architecture.trace().rows if row.num_params]
    for name in names:
        if name not in learning:
            raise RecipeError(
                "layer_lr: {name} is no layer with weights in this network; it has {known}",
                name=name[:80],
                known=", ".join(learning),
            )
