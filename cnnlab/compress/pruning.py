"""Pruning by magnitude: single weights become zero, or whole channels go; at once, or in steps with learning between."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cnnlab.compress.channels import cut, group_widths
from cnnlab.compress.magnitude import growing_shares, masked, weight_masks
from cnnlab.compress.spelling import spelled_out
from cnnlab.compress.tuning import Tuning, learned, tuning_recipe
from cnnlab.data.dataset import DataSet
from cnnlab.i18n import N_
from cnnlab.model import Model
from cnnlab.training.events import Event
from cnnlab.training.recipe import Recipe

CHECKED = 200
"""On how many validation images a cut network is compared with the masked one."""


class Plan(BaseModel):
    """How a model is pruned."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    share: float = Field(0.5, ge=0, lt=1, title=N_("Pruned share"), description=N_("The share that is taken away."))
    per: Literal["weight", "channel"] = Field(
        "weight",
        title=N_("What goes"),
        description=N_("Single weights become zero, or whole channels are taken out of the network."),
    )
    steps: int = Field(1, ge=1, le=100, title=N_("Steps"), description=N_("1: all at once; more: bit by bit."))
    epochs: int = Field(
        0, ge=0, le=200, title=N_("Epochs after each step"), description=N_("How long it learns on after each step.")
    )


def prune(model: Model, plan: Plan, dataset: DataSet, recipe: Recipe | None = None) -> Generator[Event, None, Model]:
    """Yield the events of learning between the steps; the generator returns the pruned model.

    Before channels go, repeats and shorthands are spelled out, so that each copy can lose channels of its own.

    Args:
        model: what is pruned; it does not change.
        plan: how.
        dataset: what it learns on from; its test images are not looked at.
        recipe: how it learns; None: ``tuning_recipe``.

    Raises:
        RecipeError: nothing can be pruned so.
        ArchitectureError: no channel of this network can go.
        Also what ``Training`` raises.
    """
    recipe = (recipe or tuning_recipe(model, plan.epochs)).changed(epochs=max(1, plan.epochs))
    now = spelled_out(model) if plan.per == "channel" else model
    masks, widths = dict[str, Tensor](), group_widths(now.architecture)
    for share in growing_shares(plan.share, plan.steps):
        if plan.per == "channel":
            now = cut(now, share, dataset.val.images[:CHECKED], widths)
        else:
            masks = weight_masks(now.architecture, now.state, share)
            now = with_state(now, masked(now.state, masks))
        if plan.epochs:
            now = yield from learned(Tuning(now, dataset, recipe, masks))
    return now


def with_state(model: Model, state: Mapping[str, Tensor]) -> Model:
    """Return ``model`` with other weights."""
    return Model(model.description, state)
