"""What could vary in a network, with ranges around what is there: a place to begin, to be changed at will."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cnnlab.architecture import Architecture
from cnnlab.architecture.spec import LayerSpec
from cnnlab.architecture.tape import Place
from cnnlab.search.space import ACTIVATION, IN_OUT, KINDS, Choice, answering, places_of
from cnnlab.training.recipe import Recipe

_CAN_GO = ("BatchNorm2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "Dropout", "Dropout2d", "Conv2d", "Linear")
_PROPOSED = 5


@dataclass(frozen=True)
class Offer:
    """One thing that could vary.

    Attributes:
        choice: with a range around what is there.
        now: what is there, as text.
        proposed: whether a first search should vary it.
        whole: whether its numbers are whole ones.
        fixed: the only options there are (kinds of layer, optimizers); empty where any values may be given.
    """

    choice: Choice
    now: str
    proposed: bool = False
    whole: bool = True
    fixed: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def offered(architecture: Architecture, recipe: Recipe) -> tuple[Offer, ...]:
    """Return what could vary in a network that can run, the layers in order and then the recipe.

    Raises:
        ShapeError, ArchitectureError: it cannot run.
    """
    architecture.check()
    found: list[Offer] = []
    names: dict[Place, str] = {}
    for name, place in sorted(places_of(architecture).items(), key=lambda item: item[1]):
        names.setdefault(place, name)
    answers = answering(architecture)
    for place, name in names.items():
        found += () if place == answers else _of_layer(name, architecture.at(place))
    activations = [layer for place in names if (layer := architecture.at(place)).kind in KINDS["activation"]]
    if activations:
        kinds = tuple(dict.fromkeys([activations[0].kind, "ReLU", "LeakyReLU", "GELU", "SiLU", "Tanh", "Sigmoid"]))
        found.append(_options(ACTIVATION, kinds[:4], activations[0].kind, fixed=KINDS["activation"]))
    return (*found, *_of_recipe(recipe))


def _of_layer(name: str, layer: LayerSpec) -> Iterator[Offer]:
    value: Any = layer
    if layer.kind == "Conv2d" and value.groups == 1:
        yield _range(f"{name}.out_channels", value.out_channels, max(1, value.out_channels // 2), proposed=True)
    if layer.kind == "Conv2d" and value.kernel_size > 1:
        sizes = sorted({value.kernel_size, 3, 5})
        yield _options(f"{name}.kernel_size", sizes, value.kernel_size)
    if layer.kind == "Linear":
        yield _range(f"{name}.out_features", value.out_features, max(1, value.out_features // 4), proposed=True)
    if layer.kind in ("Dropout", "Dropout2d"):
        yield Offer(Choice(target=f"{name}.p", low=0.0, high=0.6, step=0.1), f"{value.p:g}", whole=False)
    if layer.kind in ("MaxPool2d", "AvgPool2d"):
        yield _options(f"{name}.kind", ("MaxPool2d", "AvgPool2d"), layer.kind, fixed=("MaxPool2d", "AvgPool2d"))
    if layer.kind in KINDS["activation"]:
        kinds = tuple(dict.fromkeys([layer.kind, "ReLU", "GELU", "Tanh"]))
        yield _options(f"{name}.kind", kinds, layer.kind, fixed=KINDS["activation"])
    if "repeat" in type(layer).model_fields:
        choice = Choice(target=f"{name}.repeat", low=1, high=max(3, 2 * value.repeat))
        yield Offer(choice, str(value.repeat), proposed=True)
    if layer.kind in _CAN_GO or layer.nesting:
        yield _options(name, IN_OUT, IN_OUT[0], fixed=IN_OUT)


def _of_recipe(recipe: Recipe) -> Iterator[Offer]:
    low, high = float(f"{recipe.lr / 10:.1g}"), min(1.0, float(f"{recipe.lr * 10:.1g}"))
    if low < high:
        yield Offer(Choice(target="lr", low=low, high=high, log=True), f"{recipe.lr:g}", proposed=True, whole=False)
    sizes = sorted({32, 64, 128, recipe.batch_size})
    yield _options("batch_size", sizes, recipe.batch_size)
    yield _options("optimizer", ("sgd", "adam", "adamw"), recipe.optimizer, fixed=("sgd", "adam", "adamw", "rmsprop"))
    decay = Choice(target="weight_decay", low=1e-5, high=1e-1, log=True)
    yield Offer(decay, f"{recipe.weight_decay:g}", whole=False)
    smooth = Choice(target="label_smoothing", low=0.0, high=0.2, step=0.05)
    yield Offer(smooth, f"{recipe.label_smoothing:g}", whole=False)


def _range(target: str, now: int, low: int, proposed: bool = False) -> Offer:
    return Offer(Choice(target=target, low=low, high=max(low + 1, 2 * now), log=True), str(now), proposed)


def _options(target: str, options: Any, now: Any, fixed: tuple[str, ...] = ()) -> Offer:
    return Offer(Choice(target=target, options=tuple(options)), str(now), fixed=fixed)


def first_choices(offers: tuple[Offer, ...]) -> tuple[Choice, ...]:
    """Return what a first search varies: a few of those proposed, the learning rate among them."""
    proposed = [one.choice for one in offers if one.proposed]
    layers = [choice for choice in proposed if "." in choice.target][: _PROPOSED - 1]
    return (*layers, *(choice for choice in proposed if choice.target == "lr"))
