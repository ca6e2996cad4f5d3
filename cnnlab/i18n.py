"""Every visible word in the learner's language.

English sentences are the ids. The Chinese ones are gettext catalogues in ``assets/locale/zh_CN/LC_MESSAGES``: one
``.po`` file for each area of the lab, merged when read. The language is an argument where it is known and a
``ContextVar`` elsewhere; a page sets it at each rerun, fragments included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from babel.core import Locale, UnknownLocaleError
from babel.messages.pofile import read_po

from cnnlab import errors
from cnnlab.errors import CnnLabError
from cnnlab.home import ASSETS

LANGUAGES: dict[str, str] = {"en": "English", "zh_CN": "简体中文"}
"""Language codes and how each language calls itself; the first is the fallback."""

_current: ContextVar[str] = ContextVar("cnnlab_language", default="en")


def set_language(language: str) -> str:
    """Make ``language`` the current one for this thread of work; return the code that is now in force."""
    code = best_language([language])
    _current.set(code)
    return code


def current_language() -> str:
    """Return the code of the current language."""
    return _current.get()


def best_language(wanted: Iterable[str | None]) -> str:
    """Return the first of ``wanted`` (browser codes such as ``zh-Hans-CN``) that the lab speaks, or English."""
    for code in wanted:
        try:
            language = Locale.parse((code or "").replace("-", "_")).language
        except (ValueError, UnknownLocaleError):
            continue
        for known in LANGUAGES:
            if known.split("_")[0] == language:
                return known
    return next(iter(LANGUAGES))


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return ``{id: translation}`` of ``language``, merged from all of its ``.po`` files; empty for English."""
    merged: dict[str, str] = {}
    for path in sorted((ASSETS / "locale" / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and message.string and not message.fuzzy:
                    merged[str(message.id)] = str(message.string)
    return merged


def N_(text: str) -> str:
    """Mark ``text`` for translation and return it as it is; translate it later with ``_(variable)``."""
    return text


def translate(template: str, values: Mapping[str, Any], language: str | None = None) -> str:
    """Return ``template`` in ``language`` (None: the current one) with its ``{named}`` places filled.

    A template that the catalogue lacks stays English. Values with a ``text`` method are translated too.
    """
    code = language or current_language()
    rendered = {
        name: value.text(code) if isinstance(value, (CnnLabError, Message)) else value for name, value in values.items()
    }
    return errors.fill(catalogue(code).get(template, template), rendered)


def _(template: str, /, **values: Any) -> str:
    """Return ``template`` in the current language with its ``{named}`` places filled."""
    return translate(template, values)


@dataclass(frozen=True)
class Message:
    """A sentence with its values, to be translated where it is shown.

    Args (``Message("{count} images", count=5)``): an English template, which is the id, and what fills it.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __init__(self, template: str, /, **values: Any) -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "values", values)

    def __str__(self) -> str:
        """Return the English sentence."""
        return errors.fill(self.template, self.values)

    def text(self, language: str | None = None) -> str:
        """Return the sentence in ``language`` (None: the current one)."""
        return translate(self.template, self.values, language)


class Formula(Message):
    """A sentence with sums in it, written as by hand: ``1 - 2`` and ``3 · (-2)``, never ``1 + -2`` and ``3 · -2``.

    Where a page shows it, a negative number has the minus sign of print, as those that the browser writes.
    """

    def __str__(self) -> str:
        """Return the English sentence, with the hyphens that a program reads."""
        return by_hand(super().__str__())

    def text(self, language: str | None = None) -> str:
        """Return the sentence in ``language`` (None: the current one), with print's minus signs."""
        return _MINUS.sub("\u2212", by_hand(super().text(language)))


_NUMBER = r"(?:\d[\d.]*(?:e[+-]?\d+)?|inf|nan)"
_FACTOR = re.compile(rf"(?<=[·×/^] )-{_NUMBER}")
_EXPONENT = re.compile(r"(?<=\de)([+-])0*(?=\d)")
_NOUGHT = re.compile(r"(?<![\w.)\]])-0(?![\d.e])")
_MINUS = re.compile(r"(?<=\de)-(?=\d)|(?<![\w\])])-(?=\d|inf|nan)|(?<= )-(?= )")


def by_hand(text: str) -> str:
    """Return ``text`` with its sums as one writes them by hand: brackets around a negative factor, no two signs in a row."""
    text = _EXPONENT.sub(lambda found: "-" * (found[1] == "-"), _NOUGHT.sub("0", text))
    text = text.replace("+ -", "- ").replace("- -", "+ ")
    return _FACTOR.sub(r"(\g<0>)", text)


errors.set_translator(translate)
