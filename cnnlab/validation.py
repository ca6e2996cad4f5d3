"""Pydantic's findings as one sentence of the lab: where, which rule with its values, and what works."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from cnnlab.i18n import Message


def place(location: tuple[int | str, ...]) -> str:
    """Return a location in a document as a person writes it: ``layers[3].kernel_size``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "document"


def first_finding(error: ValidationError) -> Message:
    """Return the first finding of ``error`` as a translatable sentence that names its place and its rule."""
    finding = error.errors(include_url=False)[0]
    given = _short(finding.get("input"))
    context: dict[str, Any] = finding.get("ctx") or {}
    where = place(_readable(finding["loc"], finding["type"]))
    match finding["type"]:
        case "missing":
            return Message("{where}: this field is missing", where=where)
        case "extra_forbidden":
            return Message("{where}: there is no such field; remove it", where=where)
        case "greater_than_equal":
            return Message(
                "{where}: {given} is too small; use {limit} or more",
                where=where,
                given=given,
                limit=context["ge"],
            )
        case "less_than_equal":
            return Message(
                "{where}: {given} is too large; use {limit} or less",
                where=where,
                given=given,
                limit=context["le"],
            )
        case "greater_than":
            return Message(
                "{where}: {given} is too small; use more than {limit}",
                where=where,
                given=given,
                limit=context["gt"],
            )
        case "less_than":
            return Message(
                "{where}: {given} is too large; use less than {limit}",
                where=where,
                given=given,
                limit=context["lt"],
            )
        case "union_tag_invalid":
            known = context["expected_tags"].replace("'", "")
            return Message(
                "{where}: {given} is not a kind of layer; use one of {known}",
                where=where,
                given=context["tag"],
                known=known,
            )
        case "union_tag_not_found":
            return Message("{where}: a layer must say its kind", where=where)
        case "literal_error":
            known = str(context["expected"]).replace("'", "")
            return Message("{where}: {given} is not known here; use {known}", where=where, given=given, known=known)
        case "too_long" | "string_too_long":
            return Message("{where}: too long; {limit} at most", where=where, limit=context["max_length"])
        case "too_short" | "string_too_short":
            return Message("{where}: too short; {limit} at least", where=where, limit=context["min_length"])
        case "json_invalid":
            return Message("this is not JSON: {reason}", reason=context.get("error", ""))
        case "value_error":
            return Message("{where}: {reason}", where=where, reason=context.get("error", ""))
        case kind if kind.startswith("int") or kind.startswith("is_instance"):
            return Message("{where}: {given} is not a whole number", where=where, given=given)
        case kind if kind.startswith(("float", "finite")):
            return Message("{where}: {given} is not a number", where=where, given=given)
        case kind if kind.startswith("bool"):
            return Message("{where}: {given} is neither true nor false", where=where, given=given)
        case kind if kind.startswith("string"):
            return Message("{where}: {given} is not text", where=where, given=given)
        case kind if kind.startswith(("tuple", "list")):
            return Message("{where}: {given} is not a list", where=where, given=given)
        case kind if kind.startswith(("model", "dict")):
            return Message("{where}: {given} is not an object with named fields", where=where, given=given)
    return Message("{where}: {given} is not understood here", where=where, given=given)


def _readable(location: tuple[int | str, ...], kind: str) -> tuple[int | str, ...]:
    """Drop the name of the union's member (``layers, 3, Conv2d, kernel_size``), which no document holds."""
    return tuple(
        part
        for index, part in enumerate(location)
        if not (index == 2 and location[0] == "layers" and isinstance(part, str))
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
