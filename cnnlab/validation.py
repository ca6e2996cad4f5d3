"""Pydantic's findings as one sentence of the lab: where, which rule with its values, and what works."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from cnnlab.i18n import N_, Message


def place(location: tuple[int | str, ...]) -> str:
    """Return a location in a document as a person writes it: ``layers[3].kernel_size``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "document"


_RULES: dict[str, str] = {
    "missing": N_("{where}: this field is missing"),
    "extra_forbidden": N_("{where}: there is no such field; remove it"),
    "greater_than_equal": N_("{where}: {given} is too small; use {ge} or more"),
    "less_than_equal": N_("{where}: {given} is too large; use {le} or less"),
    "greater_than": N_("{where}: {given} is too small; use more than {gt}"),
    "less_than": N_("{where}: {given} is too large; use less than {lt}"),
    "union_tag_invalid": N_("{where}: {tag} is not a kind of layer; use one of {expected_tags}"),
    "union_tag_not_found": N_("{where}: a layer must say its kind"),
    "literal_error": N_("{where}: {given} is not known here; use {expected}"),
    "too_long": N_("{where}: too long; {max_length} at most"),
    "string_too_long": N_("{where}: too long; {max_length} at most"),
    "too_short": N_("{where}: too short; {min_length} at least"),
    "string_too_short": N_("{where}: too short; {min_length} at least"),
    "string_pattern_mismatch": N_("{where}: {given} is not a name; use letters, digits and _, and begin with a letter"),
    "json_invalid": N_("this is not JSON: {error}"),
    "value_error": N_("{where}: {error}"),
}
"""What is said of each kind of pydantic's findings; the names in braces are pydantic's own, beside where and given."""

_TYPES: dict[str, str] = {
    "int": N_("{where}: {given} is not a whole number"),
    "is_instance": N_("{where}: {given} is not a whole number"),
    "float": N_("{where}: {given} is not a number"),
    "finite": N_("{where}: {given} is not a number"),
    "bool": N_("{where}: {given} is neither true nor false"),
    "string": N_("{where}: {given} is not text"),
    "tuple": N_("{where}: {given} is not a list"),
    "list": N_("{where}: {given} is not a list"),
    "model": N_("{where}: {given} is not an object with named fields"),
    "dict": N_("{where}: {given} is not an object with named fields"),
}
"""What is said of a value of the wrong type, by how the name of the finding begins."""

_LONG = 200
"""A list of choices longer than this is cut down to those that are written most like what was given."""

_OTHER = N_("{where}: {given} is not understood here")


def first_finding(error: ValidationError) -> Message:
    """Return the first finding of ``error`` as a translatable sentence that names its place and its rule."""
    finding = error.errors(include_url=False)[0]
    kind: str = finding["type"]
    by_type = next((text for start, text in _TYPES.items() if kind.startswith(start)), _OTHER)
    context = {
        name: value.replace("'", "") if isinstance(value, str) else _plain(value)
        for name, value in (finding.get("ctx") or {}).items()
    }
    if len(tags := context.get("expected_tags", "")) > _LONG:
        near = get_close_matches(context.get("tag", ""), tags.split(", "), n=6, cutoff=0)
        context["expected_tags"] = ", ".join([*near, "..."])
    where = place(_readable(finding["loc"], kind))
    values = {**context, "where": where, "given": _short(finding.get("input"))}
    return Message(_RULES.get(kind, by_type), **values)


def _readable(location: tuple[int | str, ...], kind: str) -> tuple[int | str, ...]:
    """Drop the name of the union's member (``layers, 3, Conv2d, kernel_size``), which no document holds."""
    return tuple(
        part
        for index, part in enumerate(location)
        if not (
            isinstance(part, str) and isinstance(location[index - 1], int) and "layers" in location[index - 2 : index]
        )
    )


def _plain(value: Any) -> Any:
    """Return a whole number that came as a float as the learner wrote it: 10, not 10.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _short(value: Any) -> str:
    text = repr(_plain(value))
    return text if len(text) <= 40 else text[:37] + "..."
