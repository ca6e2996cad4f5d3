"""Find the fault: one thing is spoilt in a sound network or recipe; the learner trains it, names it and mends it.

    fault = plant("learning-rate-high", PRESETS["article-000-lenet5"].architecture, recipe, facts)
    ...                                    # train fault.architecture with fault.recipe, show the run without findings
    check(fault, "overfitting")            # False
    mended(fault, architecture, recipe)    # whether what the learner has now is free of it

Which fault, and where in the network it sits, is drawn from a seed: a class can be given one each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Linear,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from cnnlab.errors import CnnLabError, RunError
from cnnlab.health.case import Case, Setup
from cnnlab.health.facts import DataFacts
from cnnlab.health.history import History
from cnnlab.health.rules import RULES, diagnose
from cnnlab.i18n import N_, Message
from cnnlab.training.recipe import ADAPTIVE, Recipe

CHOICES = 5
"""How many answers are offered, the right one among them."""

MILD_DECAY = 0.01

Chance = random.Random
_Plant = Callable[[Architecture, Recipe, Chance], "Setup | None"]

_ALIKE = (
    {"momentum-too-high", "learning-rate-high"},
    {"activation-last", "softmax-twice"},
    {"dropout-first", "dropout-high"},
    {"sigmoid-stack", "learning-rate-low"},
    {"batch-too-large", "learning-rate-low"},
    {"weight-decay-strong", "learning-rate-low"},
)
"""Faults that look so much alike in a run that one is no wrong answer where the other is the right one."""

_ACTIVATIONS = ("ReLU", "LeakyReLU", "GELU", "Sigmoid", "Tanh")


@dataclass(frozen=True)
class Fault:
    """A network and a recipe with one thing spoilt.

    Attributes:
        rule: what it is: the id of the rule that finds it. Do not show it before the learner has answered.
        architecture, recipe: to train.
        sound: recipe and network as they were before.
        choices: ids of rules to choose from, the right one among them, in the order to show them in.
        seed: what it was drawn from.
    """

    rule: str = field(repr=False)
    architecture: Architecture
    recipe: Recipe
    sound: Setup = field(repr=False)
    choices: tuple[str, ...]
    seed: int

    @property
    def titles(self) -> tuple[Message, ...]:
        """The choices in words, in their order."""
        return tuple(Message(RULES[choice].title) for choice in self.choices)


def plant(what: str | int, architecture: Architecture, recipe: Recipe, facts: DataFacts, seed: int = 0) -> Fault:
    """Return ``architecture`` and ``recipe`` with one fault.

    Args:
        what: the name of a fault (a key of ``FAULTS``), or a number to draw one from.
        facts: of what the run will learn from; a fault that makes no sense there is not drawn.
        seed: where ``what`` is a name, what place and choices are drawn from.

    Raises:
        RunError: there is no fault of that name, or it cannot be planted in this network; use another.
    """
    seed = seed if isinstance(what, str) else what
    chance = Chance(seed)
    names = [what] if isinstance(what, str) else chance.sample([*FAULTS], len(FAULTS))
    for name in names:
        if name not in FAULTS:
            raise RunError(
                "there is no fault called {name}; use one of {known}", name=name[:80], known=", ".join(FAULTS)
            )
        spoilt = _spoilt(name, architecture, recipe, facts, chance)
        if spoilt is not None:
            choices = _choices(name, Case(spoilt[1], spoilt[0], facts), chance)
            return Fault(name, spoilt[1], spoilt[0], (recipe, architecture), choices, seed)
    raise RunError(
        "{name} cannot be planted in this network; use one with two convolutions and two dense layers, such as {works}",
        name=names[0] if isinstance(what, str) else "-",
        works="article-000-lenet5",
    )


def check(fault: Fault, guess: str) -> bool:
    """Return whether ``guess``, the id of a rule, names the fault."""
    return guess == fault.rule


def hint(fault: Fault) -> Message:
    """Return where to look for the fault, without its name."""
    return Message(HINTS[fault.rule])


def mended(
    fault: Fault, architecture: Architecture, recipe: Recipe, facts: DataFacts, history: History | None = None
) -> bool:
    """Return whether the fault is gone from what the learner has made of it, without another one in its place.

    What stands in the description is judged by the rules. What only shows in a run is judged by ``history``, a run of
    the mended network, or, without one, by whether the spoilt number is one to learn with again (a learning rate
    within a factor of 4 of the sound one; of another kind of optimizer, in its usual range).
    """
    said = {finding.rule for finding in diagnose(history or History(), architecture, recipe, facts)}
    known = {finding.rule for finding in diagnose(History(), fault.sound[1], fault.sound[0], facts)}
    runs = architecture.trace().error is None and bool(architecture.layers)
    if not runs or said - known:
        return False
    if not RULES[fault.rule].from_run or history is not None:
        return True
    return _is_back(fault, recipe)


def _is_back(fault: Fault, recipe: Recipe) -> bool:
    """Return whether the spoilt number is one to learn with again; a fault that only shows in a run has just one."""
    sound = fault.sound[0]
    if fault.rule == "weight-decay-strong":
        return recipe.weight_decay <= max(MILD_DECAY, 4 * sound.weight_decay)
    if _adaptive(recipe) == _adaptive(sound):
        return sound.lr / 4 <= recipe.lr <= sound.lr * 4
    low, high = (3e-4, 1e-2) if _adaptive(recipe) else (3e-3, 0.3)
    return low <= recipe.lr <= high


def _spoilt(name: str, architecture: Architecture, recipe: Recipe, facts: DataFacts, chance: Chance) -> Setup | None:
    """Return recipe and network with the fault, or None where it cannot be planted, or brings others with it."""
    try:
        change = FAULTS[name](architecture, recipe, chance)
        if change is None or change == (recipe, architecture):
            return None
        change[1].check()
    except CnnLabError:
        return None
    known = {finding.rule for finding in diagnose(History(), architecture, recipe, facts)}
    said = {finding.rule for finding in diagnose(History(), change[1], change[0], facts)} - known
    wanted = set() if RULES[name].from_run else {name}
    return change if said == wanted else None


def _choices(name: str, case: Case, chance: Chance) -> tuple[str, ...]:
    """Return the right answer among others that are planted, too, and are wrong here."""
    wrong = [other for other in FAULTS if other != name and {name, other} not in _ALIKE]
    wrong = [other for other in wrong if other not in RULES[name].unless and name not in RULES[other].unless]
    wrong = [other for other in wrong if RULES[other].from_run or RULES[other].find(case) is None]
    choices = [name, *chance.sample(wrong, min(CHOICES - 1, len(wrong)))]
    return tuple(chance.sample(choices, len(choices)))


# -- the faults ------------------------------------------------------------------------------------------------------


def _places(architecture: Architecture, *kinds: str) -> list[int]:
    return [i for i, layer in enumerate(architecture.layers) if layer.kind in kinds]


def _hidden(architecture: Architecture, *kinds: str) -> list[int]:
    """Return the places of layers before the last one with weights."""
    learned = _places(architecture, "Conv2d", "Linear")
    return [i for i in _places(architecture, *kinds) if learned and i < learned[-1]]


def _softmax_inside(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    dense = _places(architecture, "Linear")
    places = [i for i in _hidden(architecture, *_ACTIVATIONS) if dense and i > dense[0]]
    return (recipe, architecture.replace(chance.choice(places), Softmax())) if places else None


def _softmax_twice(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    layers = [*architecture.layers, *[Softmax()] * (1 if architecture.ends_in_softmax else 2)]
    return recipe, architecture.with_layers(layers)


def _activation_last(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    end = len(architecture.layers) - architecture.ends_in_softmax
    return recipe, architecture.insert(end, chance.choice([ReLU(), Sigmoid(), Tanh()]))


def _dropout_first(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    return recipe, architecture.insert(0, Dropout(p=chance.choice([0.5, 0.6, 0.7])))


def _dropout_high(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    dense = _places(architecture, "Linear")
    return (recipe, architecture.insert(chance.choice(dense), Dropout(p=0.95))) if dense else None


def _no_nonlinearity(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    places = _hidden(architecture, *_ACTIVATIONS)
    chance.shuffle(places)
    for place in places:
        without = architecture.remove(place)
        if _is_straight(without):
            return recipe, without
    return None


def _is_straight(architecture: Architecture) -> bool:
    facts = DataFacts("", ("a", "b"), (1, 1))
    return RULES["no-nonlinearity"].find(Case(architecture, Recipe(), facts)) is not None


def _map_too_small(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    convolutions = _places(architecture, "Conv2d")
    layer = architecture.layers[convolutions[-1]] if convolutions else None
    side = min((architecture.trace().folded[convolutions[-1]].input_shape or (1, 1, 1))[1:]) if convolutions else 1
    if not isinstance(layer, Conv2d) or side < 3:
        return None
    odd = side + 2 if side % 2 else side + 1
    wide = layer.model_copy(
        update={"kernel_size": odd, "padding": odd // 2 - (layer.kernel_size // 2 - layer.padding), "dilation": 1}
    )
    return recipe, architecture.replace(convolutions[-1], wide)


def _sigmoids(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    """All activations become sigmoids, and more dense layers of the same width follow the first."""
    dense = _hidden(architecture, "Linear")
    if not dense or any(isinstance(row.layer, BatchNorm2d) for row in architecture.trace().rows):
        return None
    layers = [Sigmoid() if layer.kind in _ACTIVATIONS else layer for layer in architecture.layers]
    first = layers[dense[0]]
    width = first.out_features if isinstance(first, Linear) else 1
    behind = [layer for _ in range(4) for layer in (Sigmoid(), Linear(out_features=width))]
    return recipe, architecture.with_layers([*layers[: dense[0] + 1], *behind, *layers[dense[0] + 1 :]])


def _batchnorm_batch(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    convolutions = _places(architecture, "Conv2d")
    with_norm = architecture if _places(architecture, "BatchNorm2d") else None
    if with_norm is None and convolutions:
        with_norm = architecture.insert(chance.choice(convolutions) + 1, BatchNorm2d())
    return (recipe.changed(batch_size=2), with_norm) if with_norm is not None else None


def _batch_too_large(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    return recipe.changed(batch_size=max(2048, recipe.batch_size * 16)), architecture


def _mirrored(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    return recipe.changed(augmentation=recipe.augmentation.model_copy(update={"flip": True})), architecture


def _turned(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    turn = chance.choice([120.0, 150.0, 180.0])
    return recipe.changed(augmentation=recipe.augmentation.model_copy(update={"rotate": turn})), architecture


def _momentum(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    if recipe.optimizer != "sgd":
        recipe = recipe.changed(optimizer="sgd", lr=0.05)
    return recipe.changed(momentum=chance.choice([0.995, 0.998, 0.999])), architecture


def _adaptive(recipe: Recipe) -> bool:
    return recipe.optimizer in ADAPTIVE


def _rate_high(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    high = [0.1, 0.2, 0.3] if _adaptive(recipe) else [10.0]
    if recipe.optimizer == "adagrad":  # its steps shrink with all gradients so far: it outlives what breaks Adam
        high = [1.0, 2.0, 3.0]
    return recipe.changed(lr=chance.choice(high)), architecture


def _rate_low(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    return recipe.changed(lr=chance.choice([5e-7, 1e-6, 2e-6]) if _adaptive(recipe) else 2e-6), architecture


def _decay(architecture: Architecture, recipe: Recipe, chance: Chance) -> Setup | None:
    decay = chance.choice([0.3, 0.5])
    return recipe.changed(optimizer="sgd", lr=0.1, momentum=0.0, nesterov=False, weight_decay=decay), architecture


FAULTS: dict[str, _Plant] = {
    "softmax-inside": _softmax_inside,
    "softmax-twice": _softmax_twice,
    "activation-last": _activation_last,
    "dropout-first": _dropout_first,
    "dropout-high": _dropout_high,
    "no-nonlinearity": _no_nonlinearity,
    "map-too-small": _map_too_small,
    "sigmoid-stack": _sigmoids,
    "batchnorm-batch": _batchnorm_batch,
    "batch-too-large": _batch_too_large,
    "mirrored-characters": _mirrored,
    "turned-characters": _turned,
    "momentum-too-high": _momentum,
    "learning-rate-high": _rate_high,
    "learning-rate-low": _rate_low,
    "weight-decay-strong": _decay,
}
"""What can be planted, by the id of the rule that finds it."""

_ACTIVATED = N_("Look on Build at the activations: what stands between one layer that learns and the next?")
_AT_THE_END = N_("Look on Build at the last layers: what happens to the ten scores before they come out?")
_LEFT_OUT = N_("Look on Build at what reaches each layer: is too much of it thrown away?")
_BATCHES = N_("Look at the recipe: how many images does a step see, and how many steps does that make?")
_VARIED = N_(
    "Look at what the recipe does to the images before the network sees them: would you still read them right?"
)
_STEPS = N_("Look at the loss curve: does it jump, or hardly move? Then look at how large the steps are in the recipe.")

HINTS: dict[str, str] = {
    "softmax-inside": _ACTIVATED,
    "softmax-twice": _AT_THE_END,
    "activation-last": _AT_THE_END,
    "dropout-first": _LEFT_OUT,
    "dropout-high": _LEFT_OUT,
    "no-nonlinearity": _ACTIVATED,
    "map-too-small": N_("Look on Build at how large each kernel is, and how large the map that it slides over."),
    "sigmoid-stack": N_(
        "Look layer by layer at the gradients: how large are they in the last layers and in the first?"
    ),
    "batchnorm-batch": _BATCHES,
    "batch-too-large": _BATCHES,
    "mirrored-characters": _VARIED,
    "turned-characters": _VARIED,
    "momentum-too-high": _STEPS,
    "learning-rate-high": _STEPS,
    "learning-rate-low": _STEPS,
    "weight-decay-strong": N_("Look layer by layer at the size of the weights: what becomes of them while it learns?"),
}
"""Where to look, by fault."""
