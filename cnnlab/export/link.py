"""A network with its recipe and data set as the end of a link; as a file where it is too long for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.architecture import share
from cnnlab.errors import ArchitectureError
from cnnlab.export.subject import Subject
from cnnlab.i18n import Message
from cnnlab.training.recipe import Recipe

PATH = "/build"
"""Where the lab opens a link."""


@dataclass(frozen=True)
class Link:
    """What is passed on.

    Attributes:
        query: the end of the link, ``?net=...``; None where it would be too long.
        document: the same as JSON, for a file that Build opens.
        note: why there is no link, or None.
    """

    query: str | None
    document: str
    note: Message | None = None


def link(subject: Subject) -> Link:
    """Return the link of a network with its recipe and data set, as far as they are known; no weights."""
    fields = short(subject.recipe) if subject.recipe is not None else None
    document = share.Shared.of(subject.architecture, fields, subject.data).to_json()
    try:
        return Link(f"?net={share.to_text(subject.architecture, fields, subject.data)}", document)
    except ArchitectureError as error:
        note = Message(
            "A link would take {length} characters, and {limit} are the most that mail programs carry; so it is a file, "
            "which Build opens.",
            length=error.values.get("length", "?"),
            limit=error.values.get("limit", share.MAX_LINK_CHARS),
        )
        return Link(None, document, note)


def short(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of ``recipe`` that differ from their defaults; ``Recipe.of`` makes an equal one of them."""
    values: dict[str, Any] = recipe.model_dump(mode="json", exclude_defaults=True)
    return values


def recipe_of(shared: share.Shared) -> Recipe | None:
    """Return the recipe that came with a link or file, or None where none did.

    Raises:
        RecipeError: what came is none.
    """
    return None if shared.recipe is None else Recipe.of(shared.recipe)
