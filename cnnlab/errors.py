"""The errors of the lab: each is an English template (its gettext id) and the values that fill it.

    CnnLabError
    +-- ShapeError          a layer does not fit its input
    +-- ArchitectureError   something is not a description of a network
    +-- BudgetError         a network or an upload is larger than the lab allows
    +-- DataError           a data set is absent, damaged or not understood
    +-- PictureError        a picture cannot be read or used
    +-- ModelError          a file is not a model, or does not fit what is asked of it
    +-- RecipeError         a recipe asks for something that cannot be trained
    +-- RunError            a run is unknown, or cannot do what is asked now
    +-- NotAllowedError     somebody else's, or the teacher's alone

``str(error)`` is English, for logs and the command line; a page shows ``error.text(language)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_Translator = Callable[[str, Mapping[str, Any], "str | None"], str]


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return ``template`` with its ``{named}`` places filled; a template without values stays as it is."""
    return template.format_map(values) if values else template


def _english(template: str, values: Mapping[str, Any], language: str | None) -> str:
    return fill(template, values)


_translate: _Translator = _english


def set_translator(translator: _Translator) -> None:
    """Let ``translator(template, values, language)`` render ``text()``; :mod:`cnnlab.i18n` installs itself here."""
    global _translate
    _translate = translator


class CnnLabError(Exception):
    """An expected failure that a person can do something about.

    Args:
        message: English sentence with ``{named}`` places; it is also the id in the catalogues.
        **values: what fills the places. A value may itself be a ``CnnLabError`` or a ``Message``; it is
            translated with the sentence.
    """

    def __init__(self, message: str, /, **values: Any) -> None:
        super().__init__(message)
        self.message = message
        self.values: dict[str, Any] = values

    def __str__(self) -> str:
        """Return the English sentence."""
        return fill(self.message, self.values)

    def text(self, language: str | None = None) -> str:
        """Return the sentence in ``language`` (None: the current one)."""
        return _translate(self.message, self.values, language)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and send between processes with the values, which ``Exception`` would drop."""
        return (_rebuild, (type(self), self.message, self.values))


def _rebuild(kind: type[CnnLabError], message: str, values: dict[str, Any]) -> CnnLabError:
    return kind(message, **values)


class ShapeError(CnnLabError):
    """A layer does not fit its input."""


class ArchitectureError(CnnLabError):
    """Something is not a description of a network."""


class BudgetError(CnnLabError):
    """A network or an upload is larger than the lab allows."""


class DataError(CnnLabError):
    """A data set is absent, damaged or not understood."""


class PictureError(CnnLabError):
    """A picture cannot be read or used."""


class ModelError(CnnLabError):
    """A file is not a model, or a model does not fit what is asked of it."""


class RecipeError(CnnLabError):
    """A recipe asks for something that cannot be trained."""


class RunError(CnnLabError):
    """A run is unknown, failed, or cannot do what is asked now."""


class NotAllowedError(CnnLabError):
    """The thing belongs to somebody else, or is for the teacher alone."""
