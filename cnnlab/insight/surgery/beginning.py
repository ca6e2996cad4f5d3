"""The weights with which the training of a model began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cnnlab.build import build
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError, ModelError
from cnnlab.training.images import generator_for, training_split
from cnnlab.training.recipe import Recipe
from cnnlab.training.whitening import PATCH_IMAGES, whiten_first_layer

if TYPE_CHECKING:
    from cnnlab.model import Model


def first_weights(ref: ModelRef, model: Model) -> Mapping[str, Tensor]:
    """Return the weights with which the training of ``model`` began, which ``ref`` names.

    Of a run they are those of its first moment where that was kept; all others are drawn anew from the seed.

    Raises:
        ModelError, DataError: as ``beginning`` says.
        RunError: there is no such run.
    """
    if ref.kind == "run":
        from cnnlab.runs import engine, resolve

        run = engine().snapshot(ref.value)
        try:
            while run.parent is not None:  # a branch began where the first of its parents did
                run = engine().snapshot(run.parent)
            return resolve(ModelRef(f"run:{run.id}", 0), stays=False).state
        except CnnLabError:
            if run.start is not None:
                raise _borrowed(model, run.start.title) from None
    return beginning(model)


def beginning(model: Model) -> dict[str, Tensor]:
    """Return the weights with which the training of ``model`` began, drawn anew from the seed of its recipe.

    Raises:
        ModelError: it does not say how it was trained, or it began with weights of another model.
        DataError: its first layer began as a whitening of a data set that is not here.
    """
    from cnnlab.data.loader import load

    start = model.about.result.get("start")
    if start is not None:
        raise _borrowed(model, start.get("title") or start.get("model") if isinstance(start, Mapping) else None)
    try:
        recipe = Recipe.of(model.about.recipe) if "seed" in model.about.recipe else None
    except CnnLabError:
        recipe = None
    if recipe is None:
        raise ModelError("{name}: it does not say with which weights its training began", name=_name(model))
    network = build(model.architecture, generator_for(recipe.seed, "init"))
    if recipe.whiten:
        images = training_split(load(model.about.data), recipe).images[:PATCH_IMAGES]
        whiten_first_layer(network, model.preprocessing.apply(images))
    return {name: tensor.detach() for name, tensor in network.state_dict().items()}


def _name(model: Model) -> str:
    return model.about.name or "model"


def _borrowed(model: Model, other: object) -> ModelError:
    """Return what is said of a model that began with weights of ``other``, which no seed gives back."""
    return ModelError(
        "{name}: its training began with weights of {other}, which are not kept with it",
        name=_name(model), other=str(other or "-")[:80],
    )  # fmt: skip


__all__ = ["beginning", "first_weights"]
