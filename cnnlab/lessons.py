"""The longer prose of the lab: Markdown files in ``assets/lessons``, one folder a language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from cnnlab.home import ASSETS
from cnnlab.i18n import LANGUAGES, current_language

_CHINESE = r"\u4e00-\u9fff“（"
_BROKEN = re.compile(rf"^(?![#|])(.*[{_CHINESE}，。；：、！？）”])\n(?=[{_CHINESE}])", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One entry of the glossary: the word, what it means (Markdown), and the part it stands under."""

    word: str
    text: str
    part: str


def lesson(name: str, language: str | None = None) -> str:
    """Return the Markdown of lesson ``name`` in ``language`` (None: the current one), else in English."""
    return _read(name, language or current_language())


@lru_cache(maxsize=128)
def _read(name: str, language: str) -> str:
    for code in (language, next(iter(LANGUAGES))):
        path = ASSETS / "lessons" / code / f"{name}.md"
        if path.is_file():
            return _unbroken(path.read_text(encoding="utf-8"))
    return ""


def _unbroken(text: str) -> str:
    """Return Markdown whose Chinese goes on in one line: at a line's end a space would be shown, which Chinese does not have."""
    return _BROKEN.sub(r"\1", text)


def glossary(search: str = "", language: str | None = None) -> tuple[Entry, ...]:
    """Return the entries of the glossary whose word or text contains ``search``, words that do first."""
    found = [entry for entry in _entries(language or current_language()) if _contains(entry, search)]
    return tuple(sorted(found, key=lambda entry: search.strip().lower() not in entry.word.lower()))


def _contains(entry: Entry, search: str) -> bool:
    return search.strip().lower() in f"{entry.word}\n{entry.text}".lower()


@lru_cache(maxsize=8)
def _entries(language: str) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for section in re.split(r"^## ", lesson("glossary", language), flags=re.MULTILINE)[1:]:
        part, *blocks = re.split(r"^### ", section, flags=re.MULTILINE)
        for block in blocks:
            word, _newline, text = block.partition("\n")
            entries.append(Entry(word.strip(), text.strip(), part.strip()))
    return tuple(entries)
